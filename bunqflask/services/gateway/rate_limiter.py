"""The rate limiter that every call to bunq passes: one budget for all processes and hosts, kept in the database.

No row of ours is locked while a call is under way: the limiter refuses to be entered inside a unit of work, and ends a
reading transaction first.

Interactive requests have priority. When the limit is used up, the next free call is reserved for the waiting person,
and background work (`is_background`) yields until the person has had it, or has not come back for it. Work that may
call as often as a stranger likes leaves some of an endpoint's calls free (`leaves_free`), so that a sync gets on.

https://doc.bunq.com/basics/rate-limits
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import bindparam, select, update

from bunqflask import clock
from bunqflask.bunq.errors import CallNotAllowedYet
from bunqflask.bunq.limits import limit_for
from bunqflask.bunq.protocol import BunqResponse
from bunqflask.database import transactions
from bunqflask.database.leases import LEASE, Lease
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import RateLimitWindow
from bunqflask.services.gateway import call_log

# bunq counts a call when it arrives, which is between our sending it and its answer. Once the answer is here, a call
# counts from then on, so no two can be closer together at bunq than they are here; the margin is for the clocks.
_MARGIN_S = 0.05
# A page that has to wait asks again within two seconds of the time it was given.
_RETURNS_WITHIN_S = 3.0
# How often background work looks whether the person has had their call.
_YIELD_S = 0.25
# Nothing here is blocked or reserved for longer.
_LONGEST_BLOCK = timedelta(minutes=2)
# A wait is cut into pieces no longer than this, so that the lease is renewed in time.
_LONGEST_PAUSE_S = LEASE.total_seconds() / 3

# One refusal or two may come of clocks or a restart; so many, none of them longer after another, do not.
_UNEXPLAINED, _IN_A_ROW = 3, timedelta(minutes=10)

_stopping = threading.Event()
_WINDOW = select(RateLimitWindow.calls, RateLimitWindow.blocked_until, RateLimitWindow.reserved_until)
_LOCKED = _WINDOW.where(RateLimitWindow.endpoint == bindparam("endpoint")).with_for_update()


class RateLimiter:
    """The limiter for one piece of work, which may wait `patience_s` seconds in all.

    :param is_background: no person waits for this work, so interactive requests come first.
    :param leaves_free: how many calls of each period are for other work; one call is always possible.
    :param lease: the lease under which the work is done; it is renewed before each call and during each wait.
    """

    def __init__(
        self, patience_s: float, *, is_background: bool = False, leaves_free: int = 0, lease: Lease | None = None
    ) -> None:
        self.is_background = is_background
        self._leaves_free = leaves_free
        self._lease = lease
        self._deadline = time.monotonic() + patience_s
        self._entered: dict[str, str] = {}
        self._started: dict[str, float] = {}
        # how far bunq's clock was ahead of ours at its last answer, in seconds; bunq names whole seconds
        self.clock_difference_s: float | None = None

    def about(self, connection_id: int | None) -> CallsAbout:
        """Return this limiter for calls about a connection: the log of calls names it."""
        return CallsAbout(self, connection_id)

    def without_waiting(self) -> RateLimiter:
        """Return a limiter for the same work that never waits."""
        return RateLimiter(0.0, is_background=self.is_background, leaves_free=self._leaves_free, lease=self._lease)

    def enter(self, endpoint: str) -> None:
        """Take the next free call of the endpoint, waiting for it if need be.

        :raises CallNotAllowedYet: it is further away than this work may still wait.
        :raises LeaseLost: another worker has taken over the work.
        :raises RuntimeError: there is uncommitted work.
        """
        transactions.release()
        if _stopping.is_set():
            raise CallNotAllowedYet(endpoint, _RETURNS_WITHIN_S)
        if current_app.config["BUNQ_CALL_LIMITS"] == "off":
            self._renew_lease()
            self._started[endpoint] = time.monotonic()
            return
        while True:
            entered_at = clock.now().isoformat()
            wait_s = self._take(endpoint, entered_at)
            if wait_s <= 0:
                self._entered[endpoint] = entered_at
                self._started[endpoint] = time.monotonic()
                return
            if not self.pause(wait_s):
                raise CallNotAllowedYet(endpoint, wait_s)

    def leave(self, endpoint: str, response: BunqResponse | None, *, connection_id: int | None = None) -> None:
        """The answer is here, or none will come: log the call, and count it from now on."""
        entered_at, started_s = self._entered.pop(endpoint, None), self._started.pop(endpoint, None)
        if started_s is None:
            return
        took_s, left = time.monotonic() - started_s, None
        self._compare_clocks(response)
        with transactions.separate_transaction() as connection:
            if entered_at is not None:
                now = clock.now()
                before = [each for each in _locked_row(connection, endpoint).calls if each != entered_at]
                calls = [*before, now.isoformat()]
                _update(connection, endpoint, calls=calls)
                left = _Window(calls, None, None).calls_left(endpoint, now)
            call_log.add(connection, endpoint, response, took_s, calls_left=left, connection_id=connection_id)

    def _compare_clocks(self, response: BunqResponse | None) -> None:
        if response is not None and (said := call_log.date_of(response)) is not None:
            # bunq names the second; on average half of it is over.
            self.clock_difference_s = (said - clock.now()).total_seconds() + 0.5

    def close(self, endpoint: str, wait_s: float) -> None:
        """Block an endpoint after bunq refused a call for being too many."""
        with transactions.separate_transaction() as connection:
            _locked_row(connection, endpoint)
            now, of_endpoint = clock.now(), RateLimitWindow.endpoint == endpoint
            lately = select(RateLimitWindow.refusals).where(of_endpoint, RateLimitWindow.refused_at > now - _IN_A_ROW)
            refusals = (connection.scalar(lately) or 0) + 1
            blocked_until = now + timedelta(seconds=wait_s)
            _update(connection, endpoint, blocked_until=blocked_until, refusals=refusals, refused_at=now)

    def pause(self, wait_s: float) -> bool:
        """Wait, if this work may still wait for so long; False at once if not."""
        until = time.monotonic() + wait_s
        if until > self._deadline:
            return False
        transactions.release()
        while (left_s := until - time.monotonic()) > 0:
            if _stopping.wait(min(left_s, _LONGEST_PAUSE_S)):
                return False
            if left_s > _LONGEST_PAUSE_S:
                self._renew_lease()
        return True

    def _renew_lease(self) -> None:
        if self._lease is not None:
            with transactions.separate_transaction() as connection:
                self._lease.renew(connection)

    def _take(self, endpoint: str, entered_at: str) -> float:
        """Spend one call and return 0; or return the seconds until one is free. Renews the lease either way."""
        with transactions.separate_transaction() as connection:
            if self._lease is not None:
                self._lease.renew(connection)
            now = clock.now()
            stored = _Window(*_locked_row(connection, endpoint))
            window = stored.corrected(endpoint, now)
            if window != stored:
                _update(connection, endpoint, **asdict(window))
            wait_s = window.until_free_s(endpoint, now, self._leaves_free)
            if self.is_background and window.reserved_until is not None and window.reserved_until > now:
                return max(wait_s, _YIELD_S)
            if wait_s > 0:
                if not self.is_background:
                    _update(connection, endpoint, reserved_until=now + timedelta(seconds=wait_s + _RETURNS_WITHIN_S))
                return wait_s
            values = {} if self.is_background or window.reserved_until is None else {"reserved_until": None}
            _update(connection, endpoint, calls=[*window.recent(endpoint, now), entered_at], **values)
        return 0.0


@dataclass(frozen=True)
class CallsAbout:
    """A limiter for calls about one connection."""

    limiter: RateLimiter
    connection_id: int | None

    def enter(self, endpoint: str) -> None:
        """Take the next free call of the endpoint, as `RateLimiter.enter` does."""
        self.limiter.enter(endpoint)

    def leave(self, endpoint: str, response: BunqResponse | None) -> None:
        """Log and count the call."""
        self.limiter.leave(endpoint, response, connection_id=self.connection_id)

    def close(self, endpoint: str, wait_s: float) -> None:
        """Block the endpoint."""
        self.limiter.close(endpoint, wait_s)

    def pause(self, wait_s: float) -> bool:
        """Wait, if the work may still wait for so long."""
        return self.limiter.pause(wait_s)


def calls_left(endpoint: str) -> int:
    """Return how many calls of an endpoint our count allows now."""
    row = db.session.execute(_WINDOW.where(RateLimitWindow.endpoint == endpoint)).one_or_none()
    now = clock.now()
    return _Window(*row).corrected(endpoint, now).calls_left(endpoint, now) if row else limit_for(endpoint).calls


def blocked_endpoints() -> list[str]:
    """Return the endpoints that bunq has closed for being called too often, until some time that is yet to come."""
    blocked = RateLimitWindow.blocked_until > clock.now()
    return list(db.session.scalars(select(RateLimitWindow.endpoint).where(blocked).order_by(RateLimitWindow.endpoint)))


def stop_waiting() -> None:
    """Let all work of this process end at its next call to bunq: the process is about to end."""
    _stopping.set()


def is_shared() -> bool:
    """Tell whether bunq goes on refusing calls that our count allows: another program on this address uses bunq."""
    since = clock.now() - _IN_A_ROW
    refused = (RateLimitWindow.refusals >= _UNEXPLAINED, RateLimitWindow.refused_at > since)
    return db.session.scalar(select(RateLimitWindow.endpoint).where(*refused).limit(1)) is not None


def next_call_in_s(endpoint: str) -> float:
    """Return the seconds until bunq allows the next call to an endpoint; 0 when it does now."""
    row = db.session.execute(_WINDOW.where(RateLimitWindow.endpoint == endpoint)).one_or_none()
    now = clock.now()
    return _Window(*row).corrected(endpoint, now).until_free_s(endpoint, now) if row is not None else 0.0


@dataclass(frozen=True)
class _Window:
    """The recent calls of an endpoint, and until when it is blocked, or reserved for a person."""

    calls: list[str]
    blocked_until: datetime | None
    reserved_until: datetime | None

    def corrected(self, endpoint: str, now: datetime) -> _Window:
        """Return the same without times that are too far ahead, which a clock that was wrong has written.

        The calls it counted still count, as of now, so that correcting the clock lets no call too many through.
        """
        period_s, farthest = limit_for(endpoint).period_s, now + _LONGEST_BLOCK
        blocked_until, reserved_until = self.blocked_until, self.reserved_until
        return _Window(
            [now.isoformat() if _age_s(each, now) < -period_s else each for each in self.calls],
            blocked_until if blocked_until is None or blocked_until < farthest else now + timedelta(seconds=period_s),
            reserved_until if reserved_until is None or reserved_until < farthest else None,
        )

    def until_free_s(self, endpoint: str, now: datetime, leaves_free: int = 0) -> float:
        """Return the seconds until a call is free, 0 when one is; with some that are left to others."""
        if self.blocked_until is not None and self.blocked_until > now:
            return (self.blocked_until - now).total_seconds()
        limit, recent = limit_for(endpoint), self.recent(endpoint, now)
        calls = max(1, limit.calls - leaves_free)
        if len(recent) < calls:
            return 0.0
        return limit.period_s + _MARGIN_S - _age_s(recent[-calls], now)

    def calls_left(self, endpoint: str, now: datetime) -> int:
        """Return how many calls are free; 0 while it is blocked."""
        if self.blocked_until is not None and self.blocked_until > now:
            return 0
        return max(0, limit_for(endpoint).calls - len(self.recent(endpoint, now)))

    def recent(self, endpoint: str, now: datetime) -> list[str]:
        """Return the calls that still count, oldest first."""
        period_s = limit_for(endpoint).period_s + _MARGIN_S
        return sorted(each for each in self.calls if _age_s(each, now) < period_s)


def _age_s(called_at: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(called_at)).total_seconds()


def _update(connection: DatabaseConnection, endpoint: str, **values: Any) -> None:
    connection.execute(update(RateLimitWindow).where(RateLimitWindow.endpoint == endpoint).values(**values))


def _locked_row(connection: DatabaseConnection, endpoint: str) -> Any:
    """Return the endpoint's row, made if need be and locked until the end of the transaction."""
    row = connection.execute(_LOCKED, {"endpoint": endpoint}).one_or_none()
    if row is None:
        connection.execute(insert_into(RateLimitWindow).values(endpoint=endpoint, calls=[]).on_conflict_do_nothing())
        row = connection.execute(_LOCKED, {"endpoint": endpoint}).one()
    return row
