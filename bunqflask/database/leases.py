"""A lease on a row: one worker at a time does a piece of work, and a crashed one holds it up only so long.

A lease is renewed before each call to bunq (see `gateway.rate_limiter`), and code that stores something after a call
proves first that it still holds the lease. So two workers never store the results of the same work.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, CursorResult, String, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import db

# Longer than the longest call to bunq (`bunq.transport.LONGEST_CALL_S`, 35 s; a test compares them), so that a lease
# that was renewed before a call is still held after it.
LEASE = timedelta(seconds=45)
# How often somebody who waits for a lease looks whether it is free.
_LOOK_EVERY_S = 1.0

# What this process holds by `held`, for a worker that has to end in the middle of something.
_held_here: set[Lease] = set()


class LeaseLost(Exception):
    """The lease ran out and another worker took it, or the row was deleted: the work must not be stored."""


class Leased:
    """A mixin for rows on which one worker at a time works."""

    id: Mapped[Any]
    lease_holder: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class _PlainRow(Protocol):
    """Such a row as a plain value."""

    @property
    def lease_until(self) -> datetime | None: ...


@dataclass(frozen=True)
class Lease:
    """A lease that this worker holds on a row."""

    table: type[Leased]
    row_id: Any
    holder: str

    def renew(self, connection: Connection) -> None:
        """Hold the lease for its full length again, in the transaction of this connection.

        :raises LeaseLost: it is not ours any more.
        """
        query = (
            update(self.table)
            .where(self.table.id == self.row_id, self.table.lease_holder == self.holder)
            .values(lease_until=clock.now() + LEASE)
        )
        if not _hits_one_row(connection.execute(query)):
            raise LeaseLost

    def verify(self) -> None:
        """Lock the row for this transaction and make sure that the lease is still ours.

        :raises LeaseLost: it is not, or the row was deleted.
        """
        row = db.session.get(self.table, self.row_id, populate_existing=True, with_for_update=True)
        if row is None or row.lease_holder != self.holder:
            raise LeaseLost

    def release(self) -> None:
        """Give the lease back within this transaction; nothing happens when another worker holds it by now."""
        query = (
            update(self.table)
            .where(self.table.id == self.row_id, self.table.lease_holder == self.holder)
            .values(lease_holder=None, lease_until=None)
            .execution_options(synchronize_session="fetch")
        )
        db.session.execute(query)


def take(row: Leased, *conditions: ColumnElement[bool]) -> Lease | None:
    """Take the lease in a transaction of its own, if it is free and the conditions hold; None otherwise."""
    table, row_id = type(row), row.id
    with transaction():
        return take_within(table, row_id, *conditions)


def take_within(table: type[Leased], row_id: Any, *conditions: ColumnElement[bool]) -> Lease | None:
    """Take the lease within the caller's transaction, if it is free and the conditions hold; None otherwise."""
    lease, now = Lease(table, row_id, uuid.uuid4().hex), clock.now()
    # A lease that would last longer than any was taken by a clock that was wrong.
    is_free = or_(table.lease_until.is_(None), table.lease_until < now, table.lease_until > now + LEASE + clock.SKEW)
    query = (
        update(table)
        .where(table.id == row_id, is_free, *conditions)
        .values(lease_holder=lease.holder, lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    return lease if _hits_one_row(db.session.execute(query)) else None


@contextmanager
def held(row: Leased, *conditions: ColumnElement[bool], patience_s: float = 0.0) -> Iterator[Lease | None]:
    """Hold the lease for a piece of work, and give it back however the work ends; yields None when it is taken.

    :param patience_s: how long to wait for another worker to end, or for the lease of one that died to run out.
    """
    lease = _take_patiently(row, conditions, patience_s)
    if lease is None:
        yield None
        return
    _held_here.add(lease)
    try:
        yield lease
    finally:
        _held_here.discard(lease)
        with transaction():
            lease.release()


def _take_patiently(row: Leased, conditions: Iterable[ColumnElement[bool]], patience_s: float) -> Lease | None:
    table, row_id = type(row), row.id
    give_up_at = time.monotonic() + patience_s
    while True:
        with transaction():
            lease = take_within(table, row_id, *conditions)
            exists = lease is not None or db.session.scalar(select(table.id).where(table.id == row_id)) is not None
        if lease is not None or not exists or time.monotonic() >= give_up_at:
            return lease
        time.sleep(_LOOK_EVERY_S)


def release_all() -> None:
    """Give back all leases that this process holds by `held`: it ends, and what it did under them is not stored."""
    with transaction():
        for lease in list(_held_here):
            lease.release()


def is_taken(row: Leased | _PlainRow) -> bool:
    """Tell whether some worker holds the lease now."""
    return not clock.has_come(row.lease_until, longest=LEASE)


def _hits_one_row(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1
