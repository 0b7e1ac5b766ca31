"""Making erased rows vanish from the database's files too.

On SQLite three places keep copies of deleted rows. `secure_delete` overwrites a row where it stood, but copies stay in
the unused parts of pages that were split while rows were added before others, as a history is imported: VACUUM writes
every page anew. The index of words keeps deleted words until it is merged. The write-ahead log keeps copies of pages
until it is truncated. PostgreSQL reuses the space of deleted rows after a vacuum; until then, and in its own
write-ahead log, bytes of them remain.

https://www.sqlite.org/lang_vacuum.html
https://www.sqlite.org/fts5.html#the_optimize_command
https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text

from bunqflask.database.engines import waiting_for_locks
from bunqflask.database.outbox import Event, EventKind
from bunqflask.database.transactions import release, separate_transaction
from bunqflask.extensions import db

_TRIES = 20
_PAUSE_S = 0.5
# While the log is being truncated nobody can write, so readers are not waited for any longer.
_WAIT_FOR_READERS_MS = 100
_WAIT_FOR_WRITERS_MS = 10_000


class NotPurged(Exception):
    """Deleted rows are still in the files, because a transaction that reads them does not end; to be tried again."""


def pending_since() -> datetime | None:
    """Return when the first of those rows were erased that are still in the files; None when there are none."""
    query = select(func.min(Event.created_at)).where(Event.kind == EventKind.DATA_ERASED, Event.handled_at.is_(None))
    return db.session.scalar(query)


def purge() -> None:
    """Remove what the files hold of erased rows, if there is any. Others can read meanwhile, and write after it.

    :raises NotPurged: others read all the time; nothing is lost by trying again.
    """
    if pending_since() is None:
        return
    release()
    if db.engine.dialect.name == "sqlite":
        # First, because it is cheap: with an endless reader the rest would be in vain.
        _truncate_log()
        with separate_transaction() as connection:
            connection.execute(text("INSERT INTO payment_search(payment_search) VALUES ('optimize')"))
        _execute_alone("VACUUM", wait_ms=_WAIT_FOR_WRITERS_MS)
        _truncate_log()
        return
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM {', '.join(table.name for table in db.metadata.sorted_tables)}"))


def _truncate_log() -> None:
    """Move the write-ahead log into the database's file, and cut it to nothing.

    :raises NotPurged: a transaction still reads from it.
    """
    for _ in range(_TRIES):
        [is_busy, _frames, _moved] = _execute_alone("PRAGMA wal_checkpoint(TRUNCATE)", wait_ms=_WAIT_FOR_READERS_MS)
        if not is_busy:
            return
        time.sleep(_PAUSE_S)
    raise NotPurged


def _execute_alone(statement: str, *, wait_ms: int) -> Any:
    """Run a statement that SQLite takes outside transactions only, and return its first row."""
    with db.engine.connect() as connection, waiting_for_locks(connection, wait_ms) as driver:
        driver.execute("PRAGMA query_only=OFF").close()
        connection.info["may_write"] = True
        return driver.execute(statement).fetchone()
