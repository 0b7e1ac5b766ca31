"""Logging in and out: logins are rows here, so that they can be ended here."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import bindparam, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bunqflask import clock, unchanged
from bunqflask.extensions import db, table_of, writable
from bunqflask.models import Login, LoginThrottle, TeamMember
from bunqflask.services.team import members
from bunqflask.services.team.members import Member

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_TOUCH_EVERY = timedelta(minutes=1)
_WINDOW = timedelta(minutes=15)
_TRIES_PER_ACCOUNT = 10
_TRIES_PER_ADDRESS = 30
# Asked at every request, so only for what every request needs, and of the tables: making objects takes twice as long.
_login, _member = table_of(Login).c, table_of(TeamMember).c
_FIND = (
    select(_login.id, _login.member_id, _login.created_at, _login.last_seen_at, _member.email, _member.name)
    .join(table_of(TeamMember), _member.id == _login.member_id)
    .where(_login.token_hash == bindparam("token_hash"))
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


def log_in(email: str, password: str, *, address: str, user_agent: str, known_browser: str = "") -> NewLogin:
    """Check email and password, and log the person in.

    :param known_browser: what `known_browser` gave this browser at an earlier login, if it has been here before.
    :raises LoginThrottled: too many tries for this account or from this address.
    :raises LoginRefused: email and password do not match.
    """
    member = members.find(email)
    address_key, browser_key = "address:" + _network(address), _browser_key(known_browser, member)
    if browser_key is None:
        # The address first: once it is held back, it can neither lock others out nor fill the table.
        _count_try(address_key, _TRIES_PER_ADDRESS)
    member = _check_password(member, password, browser_key or _account_key(email))
    token, now = secrets.token_urlsafe(32), clock.now()
    throttles, counted = db.delete(LoginThrottle), browser_key or address_key
    db.session.execute(throttles.where(or_(LoginThrottle.key == counted, LoginThrottle.window_ends_at < now)))
    login = Login(
        token_hash=_digest(token),
        member_id=member.id,
        address=address[:64],
        user_agent=user_agent[:300],
        created_at=now,
        last_seen_at=now,
    )
    over = or_(Login.created_at < now - ABSOLUTE, Login.last_seen_at > now + clock.APART)
    db.session.execute(db.delete(Login).where(over))
    db.session.add(login)
    db.session.commit()
    return NewLogin(login, token)


def known_browser(member_id: int) -> str:
    """Return what a browser keeps to be known again at this member's next login.

    Its tries are counted by themselves, so that a stranger who keeps guessing a member's password holds back
    other strangers, but never the member in the browser they always use.
    """
    return _signer().dumps([member_id, secrets.token_urlsafe(16)])


def confirm_password(member: Member, password: str, *, login_id: int) -> TeamMember:
    """Check the password of somebody who is logged in; a borrowed browser gets no more tries than a stranger.

    :raises LoginThrottled: too many tries in this login.
    :raises LoginRefused: it is not the password.
    """
    confirmed = _check_password(members.find(member.email), password, f"login:{login_id}")
    db.session.commit()
    return confirmed


def find(token: str, *, is_use: bool = True) -> CurrentLogin | None:
    """Return the login of this token, if it is neither idle for too long nor too old.

    :param is_use: note that it was used; a page that asks by itself is no sign of a person.
    """
    token_hash = _digest(token)
    row = unchanged.ask(
        ("login", token_hash), lambda: db.session.execute(_FIND, {"token_hash": token_hash}).one_or_none()
    )
    now = clock.now()
    if row is None or row.last_seen_at < now - IDLE or row.created_at < now - ABSOLUTE:
        return None
    if clock.is_ahead(row.last_seen_at):
        return None  # noted by a clock that was wrong: nobody knows for how long it was not used
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
    now = clock.now()
    in_use = Login.last_seen_at.between(now - IDLE, now + clock.APART)
    query = db.select(Login).where(Login.member_id == member.id, in_use)
    return list(db.session.scalars(query.order_by(Login.last_seen_at.desc())))


def end(member: Member, login_id: int) -> None:
    """End one of the member's own logins; ending none is no error."""
    db.session.execute(db.delete(Login).where(Login.id == login_id, Login.member_id == member.id))
    db.session.commit()


def _check_password(member: TeamMember | None, password: str, key: str) -> TeamMember:
    """Compare a password; the tries are counted under a key, and forgotten when it is right.

    On success the member's row is locked, until the caller commits.
    """
    member_id, password_hash = (member.id, member.password_hash) if member else (0, None)
    # Counted before the check, so that many tries at once are not all checked before one is counted.
    # Its commit also lets go of the database: comparing takes a moment, and nobody waits meanwhile.
    _count_try(key, _TRIES_PER_ACCOUNT)
    if not members.hash_matches(password_hash, password):
        raise LoginRefused
    # A reset or a removal in that moment ends the member's logins, and must end this one too.
    still = db.select(TeamMember).where(TeamMember.id == member_id, TeamMember.password_hash == password_hash)
    found: TeamMember | None = db.session.scalars(still.with_for_update()).one_or_none()
    if found is None:
        raise LoginRefused
    db.session.execute(db.delete(LoginThrottle).where(LoginThrottle.key == key))
    return found


def _count_try(key: str, allowed: int) -> None:
    """Count a try, in one statement: a success at the same moment may take the row away."""
    now, ends_at = clock.now(), LoginThrottle.window_ends_at
    insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    fresh = {"failures": 1, "window_ends_at": now + _WINDOW}
    # Over, or begun by a clock that was wrong: then it ends as if it began now, with what was counted.
    ends = case((or_(ends_at <= now, ends_at > now + _WINDOW), now + _WINDOW), else_=ends_at)
    again = {
        # One more than allowed says it all; and a number that only grows would one day not fit.
        "failures": case(
            (ends_at <= now, 1), (LoginThrottle.failures > allowed, allowed + 1), else_=LoginThrottle.failures + 1
        ),
        "window_ends_at": ends,
    }
    count = (
        insert(LoginThrottle)
        .values(key=key, **fresh)
        .on_conflict_do_update(index_elements=["key"], set_=again)
        .returning(LoginThrottle.failures, LoginThrottle.window_ends_at)
    )
    failures, until = db.session.execute(count).one()
    db.session.commit()
    if failures > allowed:
        raise LoginThrottled(until)


def _account_key(email: str) -> str:
    return "account:" + _digest(email.strip().casefold())


def _browser_key(known: str, member: TeamMember | None) -> str | None:
    """Return the key of a browser in which this very member was logged in before, or None."""
    try:
        member_id, _nonce = _signer().loads(known)
    except (BadSignature, TypeError, ValueError):
        return None
    return f"browser:{_digest(known)}" if member is not None and member.id == member_id else None


def _network(address: str) -> str:
    """Return whose address it is: one holder has all of an IPv6 /64, and could take another for each try."""
    try:
        given = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(given, ipaddress.IPv4Address):
        return str(given)
    return str(given.ipv4_mapped or ipaddress.ip_network((given, 64), strict=False))


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="known browser")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
