"""The limits on tries, per account, per network address, per known browser and per second factor, for all processes."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from sqlalchemy import case, delete, or_, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import LoginThrottle

TRIES_PER_ACCOUNT = 10
TRIES_PER_ADDRESS = 30
_WINDOW = timedelta(minutes=15)


class LoginRefused(Exception):
    """Email and password do not match; which of the two is wrong is not said."""


class LoginThrottled(LoginRefused):
    """Too many tries; the next one is possible at `until`. `is_first` of a window: the others say nothing new."""

    def __init__(self, until: datetime, *, is_first: bool = True) -> None:
        super().__init__("too many tries")
        self.until = until
        self.is_first = is_first


def count_try(key: str, allowed: int) -> None:
    """Count a try in one statement: a success at the same time may delete the row.

    :raises LoginThrottled: there were more tries than allowed.
    """
    now, ends_at = clock.now(), LoginThrottle.window_ends_at
    fresh = {"failures": 1, "window_ends_at": now + _WINDOW}
    # Over, or begun by a clock that was wrong: then it ends as if it began now, with what was counted.
    ends = case((or_(ends_at <= now, ends_at > now + _WINDOW), now + _WINDOW), else_=ends_at)
    again = {
        # A number that only grows would one day not fit.
        "failures": case(
            (ends_at <= now, 1), (LoginThrottle.failures > allowed, allowed + 2), else_=LoginThrottle.failures + 1
        ),
        "window_ends_at": ends,
    }
    count = (
        insert_into(LoginThrottle)
        .values(key=key, **fresh)
        .on_conflict_do_update(index_elements=["key"], set_=again)
        .returning(LoginThrottle.failures, LoginThrottle.window_ends_at)
    )
    with transaction():
        failures, until = db.session.execute(count).one()
    if failures > allowed:
        raise LoginThrottled(until, is_first=failures == allowed + 1)


def forget(*keys: str) -> None:
    """Forget the tries counted under these keys, within the caller's transaction."""
    db.session.execute(delete(LoginThrottle).where(LoginThrottle.key.in_(keys)))


def take_back(key: str) -> None:
    """Take the last try back, as it was none, within the caller's transaction; those before it stay counted."""
    row = LoginThrottle.key == key
    db.session.execute(update(LoginThrottle).where(row).values(failures=LoginThrottle.failures - 1))
    db.session.execute(delete(LoginThrottle).where(row, LoginThrottle.failures <= 0))


def delete_expired() -> None:
    """Delete windows that are over."""
    with transaction():
        db.session.execute(delete(LoginThrottle).where(LoginThrottle.window_ends_at < clock.now()))


def network_of(address: str) -> str:
    """Return whose address it is: one holder has all of an IPv6 /64, and could take another for each try."""
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(given, ipaddress.IPv4Address):
        return str(given)
    return str(given.ipv4_mapped or ipaddress.ip_network((given, 64), strict=False))
