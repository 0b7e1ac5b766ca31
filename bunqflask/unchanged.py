"""What the database answered, for as long as nobody has committed anything since.

SQLite tells for less than the price of a question whether anything was committed, by whatever process: most pages
that people leave open ask again and again while nothing happens. PostgreSQL has no such word, so there each question
is asked. What is kept can never be older than what the database would say: it is dropped at the first commit.

https://www.sqlite.org/pragma.html#pragma_data_version
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


class _Watch:
    """One connection of a process, which only ever asks whether others have committed."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._answers: dict[Hashable, Any] = {}

    def version(self) -> int:
        """Return a number that is another one after each commit."""
        with self._lock:
            if self._connection is None:
                # Opened by the process that uses it, not by one that it was forked from.
                self._connection = sqlite3.connect(self._database, check_same_thread=False)
            [(found,)] = self._connection.execute("PRAGMA data_version").fetchall()
            return cast(int, found)

    def close(self, _engine: Engine) -> None:
        """Close the connection; the next question opens another one, whose numbers are of its own."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._version, self._answers = None, None, {}

    def answer(self, version: int, key: Hashable, question: Callable[[], Answer]) -> Answer:
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


def init_app(app: Flask) -> None:
    """Watch the app's database, if it is one that tells."""
    with app.app_context():
        engine = db.engine
    app.extensions[_KEY] = None
    if engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:"):
        app.extensions[_KEY] = watch = _Watch(str(engine.url.database))
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
        except sqlite3.Error:
            return question()  # which cannot be answered either, and says so
    return watch.answer(version, key, question)
