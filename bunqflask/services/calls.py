"""The gate that every call to bunq passes: one budget for all workers and hosts, kept in the database.

No row of ours is ever locked while a call is under way: passing the gate commits first.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bunqflask import clock
from bunqflask.bunq.errors import CallNotAllowedYet
from bunqflask.bunq.limits import Limit, limit_for
from bunqflask.extensions import db, writable
from bunqflask.models import CallBudget

# Two calls may travel at different speeds, so that bunq sees them closer together than we sent them.
_TRAVEL_MARGIN_S = 0.5


class CallGate:
    """A gate for one piece of work, which is willing to wait `patience_s` seconds in all."""

    def __init__(self, patience_s: float) -> None:
        self._deadline = time.monotonic() + patience_s

    def enter(self, endpoint: str) -> None:
        """Take the next free place in the endpoint's budget, waiting for it if need be.

        :raises CallNotAllowedYet: when it is further away than the patience left.
        """
        settle()
        if current_app.config["BUNQ_CALL_LIMITS"] == "off":
            return
        while (wait_s := _take(endpoint)) > 0:
            if not self.pause(wait_s):
                raise CallNotAllowedYet(endpoint, wait_s)

    def close(self, endpoint: str, wait_s: float) -> None:
        """Hold an endpoint back after bunq refused a call for being too many."""
        with db.engine.begin() as connection:
            _row(connection, endpoint)
            until = clock.now() + timedelta(seconds=wait_s)
            connection.execute(update(CallBudget).where(CallBudget.endpoint == endpoint).values(closed_until=until))

    def pause(self, wait_s: float) -> bool:
        """Wait, if the patience left allows it; False at once if it does not."""
        if time.monotonic() + wait_s > self._deadline:
            return False
        settle()
        time.sleep(wait_s)
        return True


def settle() -> None:
    """Commit what is decided and let go of the database, before anything slow."""
    writable()
    db.session.commit()


def _take(endpoint: str) -> float:
    """Spend one call and return 0, or return the seconds until one is free."""
    limit = limit_for(endpoint)
    period_s = limit.period_s + _TRAVEL_MARGIN_S
    with db.engine.begin() as connection:
        row = _row(connection, endpoint)
        now = clock.now()
        if row.closed_until is not None and row.closed_until > now:
            return (row.closed_until - now).total_seconds()
        return _spend(connection, endpoint, list(row.spent), now, limit, period_s)


def _spend(
    connection: Connection, endpoint: str, spent: list[str], now: datetime, limit: Limit, period_s: float
) -> float:
    moments = sorted(moment for text in spent if (moment := datetime.fromisoformat(text)) <= now)
    recent = [moment for moment in moments if (now - moment).total_seconds() < period_s]
    if len(recent) >= limit.calls:
        return period_s - (now - recent[-limit.calls]).total_seconds()
    texts = [moment.astimezone(UTC).isoformat() for moment in (*recent, now)]
    connection.execute(update(CallBudget).where(CallBudget.endpoint == endpoint).values(spent=texts))
    return 0.0


def _row(connection: Connection, endpoint: str) -> CallBudget:
    """Return the endpoint's row, made if need be and locked until the end of the transaction."""
    table = CallBudget.__table__
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(CallBudget).values(endpoint=endpoint, spent=[]).on_conflict_do_nothing())
    query = select(CallBudget.spent, CallBudget.closed_until).where(table.c.endpoint == endpoint)
    return connection.execute(query.with_for_update()).one()  # type: ignore[return-value]
