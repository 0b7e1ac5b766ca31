"""Making deleted rows vanish from the database's files too.

SQLite overwrites what is deleted (`secure_delete`), but the index of words keeps deleted words until it is merged, and
the write-ahead log keeps copies of pages until it is truncated. PostgreSQL reuses the space of deleted rows after a
vacuum; its own write-ahead log and backups are the operator's.

https://www.sqlite.org/fts5.html#the_optimize_command
https://www.sqlite.org/pragma.html#pragma_wal_checkpoint
"""

from __future__ import annotations

from sqlalchemy import text

from bunqflask.database.transactions import separate_transaction
from bunqflask.extensions import db

_TABLES = ("payment", "payment_raw", "payment_change", "note", "note_sync", "monetary_account", "connection", "pack")


def purge() -> None:
    """Remove what is left of deleted rows; reads and writes of others go on meanwhile."""
    if db.engine.dialect.name == "sqlite":
        with separate_transaction() as connection:
            connection.execute(text("INSERT INTO payment_search(payment_search) VALUES ('optimize')"))
        with db.engine.connect() as connection:
            driver = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()  # type: ignore[union-attr]
        return
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM {', '.join(_TABLES)}"))
