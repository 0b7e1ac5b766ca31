"""The unit of work: a use case owns its transaction, and whatever it calls takes part in it.

    with transaction():
        connection.sync_requested_at = clock.now()
        emit(EventKind.SYNC_REQUESTED, connection_id=connection.id)

Outside such a block the database can only be read. No other module commits; a test holds that. Events are rows written
in the same transaction, so a crash after the commit loses none; the worker finds them within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from bunqflask import clock
from bunqflask.database.outbox import Event, EventKind
from bunqflask.extensions import db


@dataclass(frozen=True)
class _Unit:
    """The open unit of work: the writes that come last in it, and the acts that follow its commit."""

    last_writes: list[Callable[[], None]] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)


_may_write: ContextVar[bool] = ContextVar("may_write", default=False)
_open_unit: ContextVar[_Unit | None] = ContextVar("open_unit", default=None)
_wait_s: ContextVar[float | None] = ContextVar("wait_s", default=None)


def may_write() -> bool:
    """Tell whether a transaction that begins now may write."""
    return _may_write.get()


def is_open() -> bool:
    """Tell whether this thread is inside a unit of work."""
    return _open_unit.get() is not None


def lock_wait_s() -> float | None:
    """Return how long a transaction that begins now waits for a lock of another, or None for the usual time."""
    return _wait_s.get()


@contextmanager
def transaction(*, wait_s: float | None = None) -> Iterator[None]:
    """Run a use case in one transaction: committed at the end, rolled back on an error.

    A transaction that was only reading is ended first, so all rows are read again under the write lock.

    :param wait_s: how long to wait for another writer, where that is to be less than usual; then `OperationalError`.
    :raises RuntimeError: another unit of work is open; a use case must not be called from within one.
    """
    if is_open():
        raise RuntimeError("a unit of work is open already: call a helper that takes part in it instead")
    release()
    unit = _Unit()
    unit_before, may_write_before, wait_before = _open_unit.set(unit), _may_write.set(True), _wait_s.set(wait_s)
    try:
        yield
        if unit.last_writes:
            db.session.flush()
        for write in unit.last_writes:
            write()
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _wait_s.reset(wait_before)
        _may_write.reset(may_write_before)
        _open_unit.reset(unit_before)
    for act in unit.after_commit:
        act()


def write_last(write: Callable[[], None]) -> None:
    """Let `write` be the last that the open unit of work does, so that a lock it takes is held for the commit only.

    :raises RuntimeError: no unit of work is open.
    """
    _unit().last_writes.append(write)


def after_commit(act: Callable[[], None]) -> None:
    """Call `act` once the open unit of work is committed; never after a rollback.

    :raises RuntimeError: no unit of work is open.
    """
    _unit().after_commit.append(act)


def emit(kind: EventKind, **facts: Any) -> None:
    """Record an event in the open unit of work. The worker handles it once the transaction is committed.

    :param facts: ids and states, as JSON; never an amount, a text or a secret.
    :raises RuntimeError: no unit of work is open.
    """
    _unit()
    db.session.add(Event(kind=kind, created_at=clock.now(), facts=facts))


@contextmanager
def writing() -> Iterator[None]:
    """Let transactions that begin inside write: for migrations, which end their own."""
    before = _may_write.set(True)
    try:
        yield
    finally:
        _may_write.reset(before)


@contextmanager
def separate_transaction() -> Iterator[Connection]:
    """Run statements on a connection of their own, committed at the end, whatever the session does.

    For bookkeeping that must stand even when the caller's work fails, such as the rate limiter's.

    :raises RuntimeError: a unit of work is open, which on SQLite has the write lock that this one would wait for.
    """
    if is_open():
        raise RuntimeError("a unit of work is open: a transaction beside it would wait for it")
    with writing(), db.engine.begin() as connection:
        yield connection


def release() -> None:
    """End a reading transaction and return its connection, before slow work such as a call to bunq.

    :raises RuntimeError: there is uncommitted work.
    """
    if is_open():
        raise RuntimeError("a unit of work is open: nothing slow may happen inside a transaction")
    session = db.session()
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("there is uncommitted work: put it into a transaction()")
    session.rollback()


def _unit() -> _Unit:
    unit = _open_unit.get()
    if unit is None:
        raise RuntimeError("an event belongs to the unit of work in which it happened")
    return unit
