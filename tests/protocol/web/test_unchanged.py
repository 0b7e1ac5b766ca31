"""Answers that hold until somebody commits: never older than the database, and asked again only when they must be."""

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from bunqflask import clock, unchanged
from bunqflask.extensions import db, read_only, writable
from bunqflask.models import LoginThrottle

Found = TypeVar("Found")
COUNT = "SELECT failures FROM login_throttle WHERE key = 'counted'"
REQUESTS = 2


class Writer:
    """Another process, as the database sees it: it counts up, and commits each time."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        self.count = 0

    def write(self, *, commit: bool = True) -> None:
        with self._engine.connect() as connection:
            connection.execute(text("UPDATE login_throttle SET failures = failures + 1"))
            if commit:
                connection.commit()
                self.count += 1

    def close(self) -> None:
        self._engine.dispose()


class Request:
    """A request that goes on in steps, between those of others."""

    def __init__(self, app: Flask) -> None:
        self._context = contextvars.copy_context()
        self._request = app.test_request_context()
        self._in(self._request.push)
        self._in(read_only)

    def look(self) -> int:
        """Ask the database itself, which begins what this request sees of it."""
        return self._in(_count)

    def ask(self, asked: list[int]) -> int:
        def question() -> int:
            asked.append(1)
            return _count()

        return self._in(lambda: unchanged.ask("count", question))

    def end(self) -> None:
        self._in(self._request.pop)

    def _in(self, work: Callable[[], Found]) -> Found:
        return self._context.run(work)


def _count() -> int:
    return int(db.session.scalar(text(COUNT)) or 0)


@contextmanager
def counting(app: Flask) -> Iterator[Writer]:
    with app.app_context():
        db.session.execute(db.delete(LoginThrottle))
        db.session.add(LoginThrottle(key="counted", failures=0, window_ends_at=clock.now()))
        db.session.commit()
        db.session.remove()
    writer = Writer(app.config["SQLALCHEMY_DATABASE_URI"])
    try:
        yield writer
    finally:
        writer.close()


def test_a_question_is_asked_once_until_somebody_commits(app: Flask) -> None:
    asked: list[int] = []

    def answer() -> int:
        request = Request(app)
        try:
            return request.ask(asked)
        finally:
            request.end()

    with counting(app) as writer:
        assert [answer(), answer(), len(asked)] == [0, 0, 1]
        writer.write()
        assert [answer(), answer(), len(asked)] == [1, 1, 2]
        writer.write(commit=False)
        assert answer() == 1
        # PostgreSQL counts what was given up too.
        assert len(asked) == (2 if app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite") else 3)


def test_who_writes_sees_what_they_wrote(app: Flask) -> None:
    with counting(app), app.test_request_context():
        read_only()
        assert unchanged.ask("count", _count) == 0
        writable()
        db.session.execute(text("UPDATE login_throttle SET failures = 7"))
        assert unchanged.ask("count", _count) == 7
        db.session.commit()
        assert unchanged.ask("count", _count) == 7


STEPS = st.tuples(st.sampled_from(["write", "look", "ask", "new"]), st.integers(0, REQUESTS - 1))


@given(steps=st.lists(STEPS, min_size=5, max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_request_is_told_what_was_over_before_it_began(app: Flask, steps: list[tuple[str, int]]) -> None:
    with counting(app) as writer:
        requests = [Request(app) for _ in range(REQUESTS)]
        began = [writer.count] * REQUESTS
        try:
            for step, number in steps:
                if step == "write":
                    writer.write()
                elif step == "look":
                    assert requests[number].look() >= began[number]
                elif step == "ask":
                    assert began[number] <= requests[number].ask([]) <= writer.count
                else:
                    requests[number].end()
                    requests[number], began[number] = Request(app), writer.count
                    assert requests[number].ask([]) == writer.count
        finally:
            for request in requests:
                request.end()
