"""Logging in and out: logins are rows here, so that they can be ended here."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bunqflask import clock
from bunqflask.extensions import db, writable
from bunqflask.models import Login, LoginThrottle, TeamMember
from bunqflask.services import team
from bunqflask.services.team import Member

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_TOUCH_EVERY = timedelta(minutes=1)
_WINDOW = timedelta(minutes=15)
_TRIES_PER_ACCOUNT = 10
_TRIES_PER_ADDRESS = 30
# Asked at every request, so only for what every request needs.
_FIND = (
    select(Login.id, Login.member_id, Login.created_at, Login.last_seen_at, TeamMember.email, TeamMember.name)
    .join(TeamMember, TeamMember.id == Login.member_id)
    .where(Login.token_hash == bindparam("token_hash"))
)


class LoginRefused(Exception):
    """Email and password do not match; which of the two is not told."""


class LoginThrottled(LoginRefused):
    """Too many tries; the next one is possible at `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many tries")
        self.until = until


@dataclass(frozen=True)
class CurrentMember:
    """The team member who makes a request."""

    id: int
    email: str
    name: str


@dataclass(frozen=True)
class CurrentLogin:
    """The login by which a request is made."""

    id: int
    member: CurrentMember


@dataclass(frozen=True)
class NewLogin:
    """A login just made, and its token, which only the browser keeps."""

    login: Login
    token: str = field(repr=False)


def log_in(email: str, password: str, *, address: str, user_agent: str) -> NewLogin:
    """Check email and password, and log the person in.

    :raises LoginThrottled: too many tries for this account or from this address.
    :raises LoginRefused: email and password do not match.
    """
    address_key = "address:" + address[:64]
    # The address first: once it is held back, it can neither lock others out nor fill the table.
    _count_try(address_key, _TRIES_PER_ADDRESS)
    member = _check_password(email, password)
    token, now = secrets.token_urlsafe(32), clock.now()
    throttles = db.delete(LoginThrottle)
    db.session.execute(throttles.where(or_(LoginThrottle.key == address_key, LoginThrottle.window_ends_at < now)))
    login = Login(
        token_hash=_digest(token),
        member_id=member.id,
        address=address[:64],
        user_agent=user_agent[:300],
        created_at=now,
        last_seen_at=now,
    )
    db.session.execute(db.delete(Login).where(Login.created_at < now - ABSOLUTE))
    db.session.add(login)
    db.session.commit()
    return NewLogin(login, token)


def confirm_password(member: Member, password: str) -> TeamMember:
    """Check the password of somebody who is logged in; a borrowed browser gets no more tries than a stranger.

    :raises LoginThrottled: too many tries for this account.
    :raises LoginRefused: it is not the password.
    """
    return _check_password(member.email, password)


def find(token: str, *, is_use: bool = True) -> CurrentLogin | None:
    """Return the login of this token, if it is neither idle for too long nor too old.

    :param is_use: note that it was used; a page that asks by itself is no sign of a person.
    """
    token_hash = _digest(token)
    row = db.session.execute(_FIND, {"token_hash": token_hash}).one_or_none()
    now = clock.now()
    if row is None or row.last_seen_at < now - IDLE or row.created_at < now - ABSOLUTE:
        return None
    if is_use and row.last_seen_at < now - _TOUCH_EVERY:
        writable()
        # By its key and only if it still exists: it may have been ended a moment ago.
        db.session.execute(update(Login).where(Login.token_hash == token_hash).values(last_seen_at=now))
        db.session.commit()
    return CurrentLogin(row.id, CurrentMember(row.member_id, row.email, row.name))


def is_idle(token: str) -> bool:
    """Tell whether this token's login has ended because it was not used for too long, and for no other reason."""
    query = select(Login.last_seen_at).where(Login.token_hash == _digest(token))
    last_seen_at = db.session.scalar(query)
    return last_seen_at is not None and last_seen_at < clock.now() - IDLE


def list_for(member: Member) -> list[Login]:
    """Return where a team member is logged in, latest use first."""
    oldest = clock.now() - IDLE
    query = db.select(Login).where(Login.member_id == member.id, Login.last_seen_at >= oldest)
    return list(db.session.scalars(query.order_by(Login.last_seen_at.desc())))


def end(member: Member, login_id: int) -> None:
    """End one of the member's own logins; ending none is no error."""
    db.session.execute(db.delete(Login).where(Login.id == login_id, Login.member_id == member.id))
    db.session.commit()


def _check_password(email: str, password: str) -> TeamMember:
    account_key = "account:" + _digest(email.strip().casefold())
    # Counted before the check, so that many tries at once are not all checked before one is counted.
    _count_try(account_key, _TRIES_PER_ACCOUNT)
    member = team.find(email)
    password_hash = member.password_hash if member else None
    db.session.commit()  # comparing takes a moment: nobody waits for the database meanwhile
    if not team.hash_matches(password_hash, password) or member is None:
        raise LoginRefused
    db.session.execute(db.delete(LoginThrottle).where(LoginThrottle.key == account_key))
    db.session.commit()
    return member


def _count_try(key: str, allowed: int) -> None:
    now = clock.now()
    insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    fresh = {"failures": 0, "window_ends_at": now + _WINDOW}
    db.session.execute(insert(LoginThrottle).values(key=key, **fresh).on_conflict_do_nothing())
    row = db.session.scalars(db.select(LoginThrottle).filter_by(key=key).with_for_update()).one()
    if row.window_ends_at <= now:
        row.failures, row.window_ends_at = 0, now + _WINDOW
    if row.failures >= allowed:
        until = row.window_ends_at
        db.session.commit()
        raise LoginThrottled(until)
    row.failures += 1
    db.session.commit()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
