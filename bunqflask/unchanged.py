"""What the database answered, for as long as nobody has committed anything since.

Databases tell for less than the price of a question whether anything was committed, by whatever process: most pages
that people leave open ask again and again while nothing happens. SQLite counts commits; PostgreSQL says which
transactions are to be seen, which are others after each commit. What is kept can never be older than what the database
would say: it is dropped at the first commit.

https://www.sqlite.org/pragma.html#pragma_data_version
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g
from sqlalchemy import Engine, event

from bunqflask.extensions import db, is_read_only

Answer = TypeVar("Answer")

_KEY = "bunqflask.unchanged"
_MOST_ANSWERS = 1_000
_QUESTIONS = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT txid_current_snapshot()::text"}


class _Watch:
    """One connection of a process, which only ever asks whether others have committed, and what was answered since."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: Any = None
        self._opened = 0
        self._version: Hashable = None
        self._answers: dict[Hashable, Any] = {}

    @property
    def error(self) -> type[Exception]:
        """What the driver raises when the database does not answer."""
        return cast(type[Exception], self._engine.dialect.loaded_dbapi.Error)

    def version(self) -> Hashable:
        """Return what is another one after each commit."""
        with self._lock:
            try:
                return self._asked()
            except self.error:
                # It may only be that the server was restarted since.
                self._let_go()
                return self._asked()

    def close(self, _engine: Engine) -> None:
        """Close the connection; the next question opens another one."""
        with self._lock:
            self._let_go()
            self._version, self._answers = None, {}

    def answer(self, version: Hashable, key: Hashable, question: Callable[[], Answer]) -> Answer:
        """Return what was answered at this version, or ask."""
        with self._lock:
            if version == self._version and key in self._answers:
                return cast(Answer, self._answers[key])
        found = question()
        with self._lock:
            if version != self._version or len(self._answers) >= _MOST_ANSWERS:
                self._version, self._answers = version, {}
            self._answers[key] = found
        return found

    def _asked(self) -> Hashable:
        if self._connection is None:
            # Opened by the process that uses it, not by one that it was forked from.
            self._connection = self._connect()
            self._opened += 1
        [(found,)] = self._connection.execute(_QUESTIONS[self._engine.dialect.name]).fetchall()
        return self._opened, found  # SQLite counts anew on each connection

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Any:
        if self._engine.dialect.name == "sqlite":
            return sqlite3.connect(str(self._engine.url.database), check_same_thread=False)
        arguments, named = self._engine.dialect.create_connect_args(self._engine.url)
        return self._engine.dialect.connect(*arguments, **named, autocommit=True)


def init_app(app: Flask) -> None:
    """Watch the app's database, if it is one that tells."""
    with app.app_context():
        engine = db.engine
    app.extensions[_KEY] = None
    if engine.dialect.name != "sqlite" or engine.url.database not in (None, "", ":memory:"):
        app.extensions[_KEY] = watch = _Watch(engine)
        event.listen(engine, "engine_disposed", watch.close)


def ask(key: Hashable, question: Callable[[], Answer]) -> Answer:
    """Answer a question to the database as it would be answered now. The answer must not be changed by who gets it.

    :param key: what is asked; together with the version of the database it stands for the answer.
    """
    watch: _Watch | None = current_app.extensions[_KEY]
    # Who writes must see what they wrote, before and after it is committed.
    if watch is None or not is_read_only():
        return question()
    version = g.get("database_version")
    if version is None:
        if db.session.registry.has() and db.session().in_transaction():
            # It may see the database as it was before the version that would be noted.
            return question()
        try:
            version = g.database_version = watch.version()
        except watch.error:
            return question()  # which cannot be answered either, and says so
    return watch.answer(version, key, question)
