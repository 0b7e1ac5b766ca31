"""A lease on a row: one worker at a time does a piece of work, and a crashed one holds it up only so long."""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy import ColumnElement, CursorResult, or_, update
from sqlalchemy.exc import InvalidRequestError

from bunqflask import clock
from bunqflask.bunq.transport import LONGEST_CALL_S
from bunqflask.database.types import Leased
from bunqflask.extensions import db, writable

# Longer than the longest call to bunq: a lease never ends under somebody who is still waiting for bunq.
LEASE = timedelta(seconds=LONGEST_CALL_S + 5)


def take(row: Leased, *conditions: ColumnElement[bool]) -> str | None:
    """Take the lease if it is free and the conditions hold; return the holder's name, or None."""
    writable()
    table, holder, now = type(row), uuid.uuid4().hex, clock.now()
    # One that would last longer than any was taken by a clock that was wrong.
    is_free = or_(table.lease_until.is_(None), table.lease_until < now, table.lease_until > now + LEASE + clock.APART)
    query = (
        update(table)
        .where(table.id == row.id, is_free, *conditions)
        .values(lease_holder=holder, lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    result = db.session.execute(query)
    db.session.commit()
    return holder if isinstance(result, CursorResult) and result.rowcount == 1 else None


def is_taken(row: Leased) -> bool:
    """Tell whether some worker holds the lease at this moment."""
    return not clock.has_come(row.lease_until, longest=LEASE)


def held(row: Leased, holder: str) -> bool:
    """Lock the row for this transaction and tell whether the lease is still ours."""
    try:
        db.session.refresh(row, with_for_update=True)
    except InvalidRequestError:
        return False  # the row was deleted meanwhile
    return row.lease_holder == holder


def give_back(row: Leased, holder: str) -> None:
    """Let go of the lease, unless somebody else holds it by now; what was not committed is given up."""
    # After an unforeseen error half a change may lie in the session: it must not be stored with the lease.
    db.session.rollback()
    if held(row, holder):
        row.lease_holder = row.lease_until = None
    db.session.commit()
