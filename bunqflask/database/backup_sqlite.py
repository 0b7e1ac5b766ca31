"""Copies of SQLite's database: made while others write, read back, and put in place of the present one.

https://www.sqlite.org/backup.html
https://www.sqlite.org/howtocorrupt.html#_backup_or_restore_while_a_transaction_is_active
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from bunqflask.database.encryption import SealedTable, sealed_tables

MAGIC = b"SQLite format 3\0"
LOGIN_TABLES = {"login", "pending_login", "browser", "invitation", "password_reset"}
# The write-ahead log and its index belong to the file beside which they are: another file would be damaged by them.
_BESIDE = ("", "-wal", "-shm", "-journal")


class DatabaseInUse(Exception):
    """The app or its worker has the database open."""


def copy(source: Path, into: Path) -> dict[str, int]:
    """Copy a database into an empty file, as it is at one point in time; return how many rows each table has then."""
    with closing(_open(source)) as original, closing(sqlite3.connect(into, isolation_level=None)) as made:
        original.execute("PRAGMA query_only=ON")
        original.execute("BEGIN")
        rows = _rows(original)
        original.backup(made)
        # One file, complete without a log beside it; the app turns the log on again.
        made.execute("PRAGMA journal_mode=DELETE")
        return rows


def read(path: Path) -> dict[str, int]:
    """Read a copy from its first page to its last; return how many rows each table has.

    :raises ValueError: it is damaged; the text says how.
    """
    try:
        with closing(_open(path)) as connection:
            [found] = connection.execute("PRAGMA integrity_check(1)").fetchone()
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
            rows = _rows(connection)
    except sqlite3.DatabaseError as error:
        raise ValueError(str(error)) from error
    if found != "ok":
        raise ValueError(found.splitlines()[0])
    if orphan:
        raise ValueError(f"a row of {orphan[0]} belongs to a row of {orphan[2]} that is missing")
    return rows


def sealed_values(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each encrypted value of a copy, and the place for which it was encrypted."""
    with closing(_open(path)) as connection:
        for name, table in sealed_tables().items():
            yield from _sealed_of(connection, name, table)


def log_everybody_out(path: Path) -> None:
    """Delete logins, trusted browsers and one-time links of a copy: those that ended since would be good again."""
    with closing(_open(path)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")
        for table in LOGIN_TABLES & set(_tables(connection)):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of ours


def replace(database: Path, restored: Path, now: datetime) -> Path | None:
    """Put a copy in place of the database; return where the database went, None when there was none.

    :raises DatabaseInUse: somebody has it open.
    """
    set_aside = None
    if any(database.with_name(database.name + end).exists() for end in _BESIDE):
        _claim(database)
        set_aside = database.with_name(f"{database.name}.replaced-{now:%Y%m%d-%H%M%S}")
        for end in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                database.with_name(database.name + end).rename(set_aside.with_name(set_aside.name + end))
    restored.rename(database)
    sync_folder(database.parent)
    return set_aside


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _claim(database: Path) -> None:
    """Bring the log into the database, which SQLite refuses while another process has it open.

    :raises DatabaseInUse: it is open.
    """
    try:
        with closing(_open(database, wait_s=1)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseInUse from error
    except sqlite3.DatabaseError:
        pass  # it is damaged, which is a reason to restore


def _open(path: Path, *, wait_s: float = 10) -> sqlite3.Connection:
    # Not to be created where it is missing.
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=wait_s)


def _tables(connection: sqlite3.Connection) -> list[str]:
    # The tables in which FTS5 keeps its index are the index's own affair.
    query = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    return sorted(name for (name,) in connection.execute(query))


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    return {
        name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - a name of the schema
        for name in _tables(connection)
    }


def _sealed_of(connection: sqlite3.Connection, name: str, table: SealedTable) -> Iterator[tuple[str, bytes]]:
    present = {row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')}
    columns = [column for column in table.columns if column in present]
    if not columns:
        return
    wanted = ", ".join(f'"{column}"' for column in (*table.keys, *columns))
    for row in connection.execute(f'SELECT {wanted} FROM "{name}"'):  # noqa: S608 - names of the models
        keys = row[: len(table.keys)]
        for column, stored in zip(columns, row[len(keys) :], strict=True):
            if stored is not None:
                yield table.place(name, column, keys), stored
