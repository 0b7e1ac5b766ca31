"""The engines: SQLite and PostgreSQL, each set up so that several processes can share one database.

A transaction either only reads or may write (see `transactions`). One that reads sees one state of the database from
its first statement to its last and can write nothing: SQLite's file is opened with `query_only` and without the write
lock, PostgreSQL's transaction is READ ONLY at REPEATABLE READ. One that writes takes SQLite's write lock at its
beginning, because a transaction that reads first and writes later would lose updates there.

https://www.sqlite.org/lang_transaction.html
https://www.postgresql.org/docs/current/transaction-iso.html
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from bunqflask.database import transactions
from bunqflask.extensions import db

# bunq's JSON of one payment is 2 kB: SQLite's default pages of 4 kB would be half empty. Applies to new files.
_PAGE_SIZE = "page_size=16384"
_BUSY_TIMEOUT_MS = 10_000
_PRAGMAS = (
    _PAGE_SIZE,
    f"busy_timeout={_BUSY_TIMEOUT_MS}",
    "foreign_keys=ON",
    "journal_mode=WAL",
    "synchronous=NORMAL",
    # what is deleted is overwritten
    "secure_delete=ON",
    # after a burst of writes the log's file gives its room back
    "journal_size_limit=16777216",
)
# A statement that only reads and takes longer was planned badly: without an end it would keep a thread and a core busy.
_LONGEST_READ_S = 60
_POSTGRES_SETTINGS = ("jit = off", "max_parallel_workers_per_gather = 0")


def init_app(app: Flask) -> None:
    """Bind the database to the app and set its engine up."""
    if app.config["DATABASE_URL"].startswith("postgresql"):
        # A connection that the server closed meanwhile is replaced before it is used.
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_pre_ping": True}
    db.init_app(app)
    app.teardown_appcontext(_release_connection)
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        if engine.url.database not in (None, "", ":memory:"):
            path = Path(engine.url.database or "")
            event.listen(engine, "do_connect", lambda *_arguments: _create_file(path))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgres)
        event.listen(engine, "begin", _begin_postgres)


@contextlib.contextmanager
def waiting_for_locks(connection: Connection, wait_ms: int) -> Iterator[Any]:
    """Let a connection that has begun no transaction wait so long for SQLite's locks; yields the driver's connection.

    On PostgreSQL nothing changes.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield driver
        return
    [usual_ms] = driver.execute("PRAGMA busy_timeout").fetchone()
    driver.execute(f"PRAGMA busy_timeout={wait_ms}").close()
    try:
        yield driver
    finally:
        driver.execute(f"PRAGMA busy_timeout={usual_ms}").close()


def _release_connection(_error: BaseException | None) -> None:
    """Return the connection to the pool. A page that is already rendered is not lost when the database has gone."""
    try:
        db.session.remove()
    except DBAPIError:
        db.session.registry.clear()  # the connection is thrown away, and the transaction ended with it


def _create_file(path: Path) -> None:
    """Create the database's file for its owner alone, whatever the umask. SQLite gives its other files the same mode.

    What stands in the way is left to SQLite to report.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver would begin transactions implicitly, and late: a read-then-write would then lose updates.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    may_write, wait_s = transactions.may_write(), transactions.lock_wait_s()
    timeout_ms = _BUSY_TIMEOUT_MS if wait_s is None else int(wait_s * 1000)
    if connection.info.get("busy_timeout_ms", _BUSY_TIMEOUT_MS) != timeout_ms:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={timeout_ms}")
        connection.info["busy_timeout_ms"] = timeout_ms
    if connection.info.get("may_write") != may_write:
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if may_write else 'ON'}")
        connection.info["may_write"] = may_write
    if may_write:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        # Takes no lock, so nothing can fail that SQLAlchemy would have to explain: every request does this.
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN").close()


def _prepare_postgres(connection: Any, _record: Any) -> None:
    # Both cost more to set up than a page's short queries take.
    connection.autocommit = True
    for setting in _POSTGRES_SETTINGS:
        connection.execute(f"SET {setting}")
    connection.execute(f"SET statement_timeout = '{_LONGEST_READ_S}s'")
    connection.autocommit = False


def _begin_postgres(connection: Connection) -> None:
    from psycopg import IsolationLevel

    driver: Any = connection.connection.driver_connection
    may_write = transactions.may_write()
    driver.read_only = None if may_write else True
    driver.isolation_level = None if may_write else IsolationLevel.REPEATABLE_READ
    if may_write:
        # Migrations, erasures and aggregates of a long history take their time.
        driver.execute("SET LOCAL statement_timeout = 0")
    if (wait_s := transactions.lock_wait_s()) is not None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(wait_s * 1000)}")
