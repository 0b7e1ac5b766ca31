"""The gate that every call to bunq passes: one budget for all workers and hosts, kept in the database.

No row of ours is ever locked while a call is under way: passing the gate commits first.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bunqflask import clock
from bunqflask.bunq.errors import CallNotAllowedYet
from bunqflask.bunq.limits import limit_for
from bunqflask.extensions import db, writable
from bunqflask.models import CallBudget

# bunq counts a call when it arrives, which is between our sending it and its answer. Once the answer is here, a
# call counts from then on, so no two can be closer together at bunq than they are here; this is for the clocks.
_MARGIN_S = 0.05


class CallGate:
    """A gate for one piece of work, which is willing to wait `patience_s` seconds in all."""

    def __init__(self, patience_s: float) -> None:
        self._deadline = time.monotonic() + patience_s
        self._places: dict[str, str] = {}

    def enter(self, endpoint: str) -> None:
        """Take the next free place in the endpoint's budget, waiting for it if need be.

        :raises CallNotAllowedYet: when it is further away than the patience left.
        """
        settle()
        if current_app.config["BUNQ_CALL_LIMITS"] == "off":
            return
        while True:
            place = clock.now().isoformat()
            wait_s = _take(endpoint, place)
            if wait_s <= 0:
                self._places[endpoint] = place
                return
            if not self.pause(wait_s):
                raise CallNotAllowedYet(endpoint, wait_s)

    def leave(self, endpoint: str) -> None:
        """The answer is here, or none will come: count the call from now on."""
        place = self._places.pop(endpoint, None)
        if place is None:
            return
        with db.engine.begin() as connection:
            spent = [each for each in _row(connection, endpoint).spent if each != place]
            _keep(connection, endpoint, [*spent, clock.now().isoformat()])

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


def _take(endpoint: str, place: str) -> float:
    """Spend one call, under the name of its moment, and return 0; or return the seconds until one is free."""
    limit = limit_for(endpoint)
    period_s = limit.period_s + _MARGIN_S
    with db.engine.begin() as connection:
        row = _row(connection, endpoint)
        now = clock.now()
        if row.closed_until is not None and row.closed_until > now:
            return (row.closed_until - now).total_seconds()
        recent = sorted(each for each in row.spent if 0 <= _age_s(each, now) < period_s)
        if len(recent) >= limit.calls:
            return period_s - _age_s(recent[-limit.calls], now)
        _keep(connection, endpoint, [*recent, place])
    return 0.0


def _age_s(place: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(place)).total_seconds()


def _keep(connection: Connection, endpoint: str, spent: list[str]) -> None:
    connection.execute(update(CallBudget).where(CallBudget.endpoint == endpoint).values(spent=spent))


def _row(connection: Connection, endpoint: str) -> CallBudget:
    """Return the endpoint's row, made if need be and locked until the end of the transaction."""
    table = CallBudget.__table__
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(CallBudget).values(endpoint=endpoint, spent=[]).on_conflict_do_nothing())
    query = select(CallBudget.spent, CallBudget.closed_until).where(table.c.endpoint == endpoint)
    return connection.execute(query.with_for_update()).one()  # type: ignore[return-value]
