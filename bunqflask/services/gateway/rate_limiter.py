"""The gate that every call to bunq passes: one budget for all workers and hosts, kept in the database.

No row of ours is ever locked while a call is under way: passing the gate commits first.

A person who waits comes before work that nobody waits for: whoever finds no place free has the next one kept for
them, and such work (`gives_way`) stands aside until they have had it, or have not come back for it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

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
# A page that was told to wait asks again within two seconds of the moment it was told.
_COMES_BACK_S = 3.0
# How often work that gives way looks whether the person has had their call.
_LOOK_AGAIN_S = 0.25

# Nothing here is closed or kept for longer.
_FARTHEST = timedelta(minutes=2)

_BUDGET = select(CallBudget.spent, CallBudget.closed_until, CallBudget.kept_free_until)


class CallGate:
    """A gate for one piece of work, which is willing to wait `patience_s` seconds in all.

    :param gives_way: nobody waits for this work, so people come first.
    """

    def __init__(self, patience_s: float, *, gives_way: bool = False) -> None:
        self.gives_way = gives_way
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
            wait_s = _take(endpoint, place, gives_way=self.gives_way)
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
            _note(connection, endpoint, spent=[*spent, clock.now().isoformat()])

    def close(self, endpoint: str, wait_s: float) -> None:
        """Hold an endpoint back after bunq refused a call for being too many."""
        with db.engine.begin() as connection:
            _row(connection, endpoint)
            _note(connection, endpoint, closed_until=clock.now() + timedelta(seconds=wait_s))

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


def next_call_in_s(endpoint: str) -> float:
    """Return the seconds until bunq allows the next call to an endpoint; 0 when it does now."""
    row = db.session.execute(_BUDGET.where(CallBudget.endpoint == endpoint)).one_or_none()
    now = clock.now()
    return _Budget(*row).set_right(endpoint, now).until_free_s(endpoint, now) if row is not None else 0.0


def _take(endpoint: str, place: str, *, gives_way: bool) -> float:
    """Spend one call, under the name of its moment, and return 0; or return the seconds until one is free."""
    with db.engine.begin() as connection:
        now = clock.now()
        noted = _Budget(*_row(connection, endpoint))
        budget = noted.set_right(endpoint, now)
        if budget != noted:
            _note(connection, endpoint, **asdict(budget))
        wait_s = budget.until_free_s(endpoint, now)
        if gives_way and budget.kept_free_until is not None and budget.kept_free_until > now:
            return max(wait_s, _LOOK_AGAIN_S)
        if wait_s > 0:
            if not gives_way:
                _note(connection, endpoint, kept_free_until=now + timedelta(seconds=wait_s + _COMES_BACK_S))
            return wait_s
        values = {} if gives_way or budget.kept_free_until is None else {"kept_free_until": None}
        _note(connection, endpoint, spent=[*budget.recent(endpoint, now), place], **values)
    return 0.0


@dataclass(frozen=True)
class _Budget:
    """What is noted of an endpoint: the moments of its calls, and until when it is closed or kept for a person."""

    spent: list[str]
    closed_until: datetime | None
    kept_free_until: datetime | None

    def set_right(self, endpoint: str, now: datetime) -> _Budget:
        """Return the same with nothing further ahead than can be: a clock that was wrong has noted that.

        What it counted still counts, as of now, so that setting the clock right lets no call too many through.
        """
        period_s, farthest = limit_for(endpoint).period_s, now + _FARTHEST
        closed_until, kept_free_until = self.closed_until, self.kept_free_until
        return _Budget(
            [now.isoformat() if _age_s(each, now) < -period_s else each for each in self.spent],
            closed_until if closed_until is None or closed_until < farthest else now + timedelta(seconds=period_s),
            kept_free_until if kept_free_until is None or kept_free_until < farthest else None,
        )

    def until_free_s(self, endpoint: str, now: datetime) -> float:
        """Return the seconds until there is a place, 0 when there is one."""
        if self.closed_until is not None and self.closed_until > now:
            return (self.closed_until - now).total_seconds()
        limit, recent = limit_for(endpoint), self.recent(endpoint, now)
        if len(recent) < limit.calls:
            return 0.0
        return limit.period_s + _MARGIN_S - _age_s(recent[-limit.calls], now)

    def recent(self, endpoint: str, now: datetime) -> list[str]:
        """Return the calls that still count, oldest first."""
        period_s = limit_for(endpoint).period_s + _MARGIN_S
        return sorted(each for each in self.spent if _age_s(each, now) < period_s)


def _age_s(place: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(place)).total_seconds()


def _note(connection: Connection, endpoint: str, **values: Any) -> None:
    connection.execute(update(CallBudget).where(CallBudget.endpoint == endpoint).values(**values))


def _row(connection: Connection, endpoint: str) -> Any:
    """Return the endpoint's row, made if need be and locked until the end of the transaction."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(insert(CallBudget).values(endpoint=endpoint, spent=[]).on_conflict_do_nothing())
    return connection.execute(_BUDGET.where(CallBudget.endpoint == endpoint).with_for_update()).one()
