"""The parts that Flask plugs in, unbound: the database, its migrations and the CSRF guard."""

import json
import logging
import select
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask, g, has_app_context
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, MetaData, Table, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session


class Base(DeclarativeBase):
    """The base of every table; constraints are named so that SQLite can be migrated too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# At DEBUG these write secrets: the address of bunq's token endpoint with the client secret in it, the PKCE verifier.
for _talkative in ("urllib3.connectionpool", "authlib.integrations.base_client.sync_app"):
    logging.getLogger(_talkative).addFilter(lambda record: record.levelno > logging.DEBUG)


def _json(value: object) -> str:
    """Write a JSON column; half characters, which bunq may send, take the slow way."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value)


# What stands in a statement's parameters (names, amounts, hashes) is not for the log when the statement fails.
db = SQLAlchemy(model_class=Base, engine_options={"json_serializer": _json, "hide_parameters": True})
# What bunq says of one payment is 2 kB: SQLite's usual pages of 4 kB hold one of them and air. Counts for new files.
_PAGE_SIZE = "page_size=16384"
_USED_AT = "bunqflask used at"
_SURELY_THERE_S = 5.0
migrate = Migrate()
csrf = CSRFProtect()


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, to ask it for plain rows."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def init_database(app: Flask) -> None:
    """Bind the database to the app; on SQLite, make its transactions safe for several workers."""
    db.init_app(app)
    app.teardown_appcontext(_let_go)
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        if engine.url.database not in (None, "", ":memory:"):
            Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgres)
        event.listen(engine, "checkout", _take_postgres)
        event.listen(engine, "checkin", _give_back_postgres)
        event.listen(engine, "begin", _begin_postgres)


def _let_go(_error: BaseException | None) -> None:
    """Give the connection back: a page that is made already is not lost because the database is gone by then."""
    try:
        db.session.remove()
    except DBAPIError:
        db.session.registry.clear()  # the connection is thrown away; the transaction ended with it


def read_only() -> None:
    """Begin the transactions of this request without the write lock, until `writable` is called."""
    g.read_only = True


def writable() -> None:
    """From here on, this request may write: end the reading transaction, take the lock with the next one."""
    if has_app_context() and g.pop("read_only", False):
        db.session.rollback()


def is_read_only() -> bool:
    """Tell whether this request has not been let write."""
    return has_app_context() and bool(g.get("read_only", False))


def _prepare_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # The driver would begin transactions by itself, and late: a read-then-write would then lose updates.
    connection.isolation_level = None
    for pragma in (_PAGE_SIZE, "busy_timeout=10000", "foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _prepare_postgres(connection: Any, record: Any) -> None:
    # Both would take longer to set up than the short questions of a page take to answer.
    connection.autocommit = True
    for setting in ("jit = off", "max_parallel_workers_per_gather = 0"):
        connection.execute(f"SET {setting}")
    connection.autocommit = False


def _begin_postgres(connection: Connection) -> None:
    # What only reads sees each answer as of its own moment, in a transaction or not; without one, nothing has to be
    # said to the server before the first question and after the last.
    if is_read_only():
        driver: Any = connection.connection.driver_connection
        driver.autocommit = True


def _take_postgres(connection: Any, record: Any, _proxy: Any) -> None:
    # A server that was restarted costs nobody a page, and no consent the token that bunq gives only once.
    try:
        if _may_have_ended(connection, record):
            connection.autocommit = True
            connection.execute("SELECT 1")
    except connection.Error as error:
        raise InvalidatePoolError from error
    connection.autocommit = False  # whatever it was used for before


def _may_have_ended(connection: Any, record: Any) -> bool:
    """Tell whether a connection is worth a question: before every transaction, that would take longer than most work.

    A server that ends a connection says so, and there is something to read on it; a network that lost it does not.
    """
    if time.monotonic() - record.info.get(_USED_AT, 0.0) > _SURELY_THERE_S:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _give_back_postgres(_connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if is_read_only() else "BEGIN IMMEDIATE")


@event.listens_for(Session, "before_flush")
def _refuse_late_write(session: Session, *_: Callable[..., Any]) -> None:
    # Writing inside a transaction that began as a reading one is how SQLite loses updates.
    if is_read_only() and (session.dirty or session.new or session.deleted):
        raise RuntimeError("a read-only request tried to write; call extensions.writable() first")
