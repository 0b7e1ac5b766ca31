"""Logging in and out: logins are rows here, so that they can be ended here."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import current_app
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import bindparam, delete, or_, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db, table_of
from bunqflask.models import AuditKind, Login, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.principal import Principal
from bunqflask.services.team import members, passwords, throttle
from bunqflask.services.team.members import Member
from bunqflask.services.team.throttle import TRIES_PER_ACCOUNT, TRIES_PER_ADDRESS, LoginRefused, LoginThrottled

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_TOUCH_EVERY = timedelta(minutes=1)
_TOUCH_PATIENCE_S = 0.1
# Asked at every request, so only for what every request needs.
_login, _member = table_of(Login).c, table_of(TeamMember).c
_FIND = (
    select(
        _login.id,
        _login.member_id,
        _login.created_at,
        _login.last_seen_at,
        _member.email,
        _member.name,
        _member.role,
        _member.may_export,
    )
    .join(table_of(TeamMember), _member.id == _login.member_id)
    # A member who was locked, or whose time as a guest has ended, is refused at once.
    .where(_login.token_hash == bindparam("token_hash"), policy.has_access(bindparam("now")))
)


@dataclass(frozen=True)
class CurrentMember:
    """The team member who makes a request."""

    id: int
    email: str
    name: str
    role: TeamRole
    may_export: bool


@dataclass(frozen=True)
class CurrentLogin:
    """The login by which a request is made; `needs_touch` tells that its last use is to be recorded."""

    id: int
    member: CurrentMember
    needs_touch: bool = False


@dataclass(frozen=True, kw_only=True)
class LoginPlace:
    """Where a team member is logged in; times are aware UTC."""

    id: int
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class NewLogin:
    """A login just made, and its token, which only the browser keeps."""

    id: int
    member_id: int
    token: str = field(repr=False)


def log_in(email: str, password: str, *, address: str, user_agent: str, known_browser: str = "") -> NewLogin:
    """Check email and password, and log the person in.

    :param known_browser: what `known_browser` gave this browser at an earlier login, if it has been here before.
    :raises LoginThrottled: too many tries for this account or from this address.
    :raises LoginRefused: email and password do not match.
    """
    with _recording_refusals(email):
        return _log_in(email, password, address=address, user_agent=user_agent, known_browser=known_browser)


def _log_in(email: str, password: str, *, address: str, user_agent: str, known_browser: str) -> NewLogin:
    member = members.find(email)
    address_key, browser_key = "address:" + throttle.network_of(address), _browser_key(known_browser, member)
    if browser_key is None:
        # The address first: once it is held back, it can neither lock others out nor fill the table.
        throttle.count_try(address_key, TRIES_PER_ADDRESS)
    account_key = browser_key or _account_key(email)
    member_id, password_hash = _check_password(member, password, account_key)
    token, now = secrets.token_urlsafe(32), clock.now()
    with transaction():
        _lock_unchanged(member_id, password_hash)
        throttle.forget(account_key, browser_key or address_key)
        over = or_(Login.created_at < now - ABSOLUTE, Login.last_seen_at > now + clock.SKEW)
        db.session.execute(delete(Login).where(over))
        db.session.execute(update(TeamMember).where(TeamMember.id == member_id).values(last_login_at=now))
        login = Login(
            token_hash=digest(token),
            member_id=member_id,
            address=address[:64],
            user_agent=user_agent[:300],
            created_at=now,
            last_seen_at=now,
        )
        db.session.add(login)
        db.session.flush()
        trail.record(AuditKind.LOGIN, actor_id=member_id, login_id=login.id)
        return NewLogin(login.id, member_id, token)


def known_browser(member_id: int) -> str:
    """Return what a browser keeps to be known again at this member's next login.

    Its tries are counted apart, so that a stranger who keeps guessing a member's password holds back other strangers,
    but never the member in the browser they always use.
    """
    return _signer().dumps([member_id, secrets.token_urlsafe(16)])


def change_password(principal: Principal, current: str, new: str, *, login_id: int) -> None:
    """Check the current password, store a new one and end the member's other logins.

    A borrowed browser gets no more tries than a stranger.

    :raises LoginThrottled: too many tries in this login.
    :raises LoginRefused: it is not the password, or was reset while it was compared.
    :raises PasswordRefused: the new one is too short or too long.
    """
    key = f"login:{login_id}"
    with _recording_refusals(principal.email):
        member_id, password_hash = _check_password(members.find(principal.email), current, key)
    new_hash = passwords.hash_password(new)
    with transaction():
        _lock_unchanged(member_id, password_hash)
        members.store_password(member_id, new_hash, keep_login=login_id)
        trail.record(AuditKind.PASSWORD_CHANGED, actor_id=member_id)
        throttle.forget(key)


def find(token: str) -> CurrentLogin | None:
    """Return the login of this token, if it is neither idle for too long nor too old."""
    now = clock.now()
    row = db.session.execute(_FIND, {"token_hash": digest(token), "now": now}).one_or_none()
    if row is None or row.last_seen_at < now - IDLE or row.created_at < now - ABSOLUTE:
        return None
    if clock.is_ahead(row.last_seen_at):
        return None  # recorded by a clock that was wrong: nobody knows for how long it was not used
    member = CurrentMember(row.member_id, row.email, row.name, row.role, row.may_export)
    return CurrentLogin(row.id, member, needs_touch=row.last_seen_at < now - _TOUCH_EVERY)


def touch(login_id: int) -> None:
    """Record that a login was used; one that was ended a moment ago stays ended.

    :raises OperationalError: another writer is at work; no page is to wait for this.
    """
    with transaction(wait_s=_TOUCH_PATIENCE_S):
        db.session.execute(update(Login).where(Login.id == login_id).values(last_seen_at=clock.now()))


def is_idle(token: str) -> bool:
    """Tell whether this token's login has ended because it was not used for too long, and for no other reason."""
    query = select(Login.last_seen_at).where(Login.token_hash == digest(token))
    last_seen_at = db.session.scalar(query)
    return last_seen_at is not None and last_seen_at < clock.now() - IDLE


def list_for(principal: Principal) -> list[LoginPlace]:
    """Return where a team member is logged in, latest use first."""
    now = clock.now()
    in_use = Login.last_seen_at.between(now - IDLE, now + clock.SKEW)
    columns = (Login.id, Login.address, Login.user_agent, Login.created_at, Login.last_seen_at)
    query = select(*columns).where(Login.member_id == principal.id, in_use).order_by(Login.last_seen_at.desc())
    return [LoginPlace(**row._mapping) for row in db.session.execute(query)]


def end(principal: Principal, login_id: int) -> None:
    """End one of the member's own logins; ending none is no error."""
    with transaction():
        ended = delete(Login).where(Login.id == login_id, Login.member_id == principal.id).returning(Login.id)
        if db.session.execute(ended).first() is not None:
            how = "logged_out" if login_id == origin.current().login_id else "ended"
            trail.record(AuditKind.LOGIN_ENDED, actor_id=principal.id, how=how, login=login_id)


@contextmanager
def _recording_refusals(email: str) -> Iterator[None]:
    """Record a wrong password, and the first try that is held back for it. An email that nobody has is not written."""
    try:
        yield
    except LoginRefused as refused:
        if not isinstance(refused, LoginThrottled) or refused.is_first:
            member = members.find(email)
            with transaction():
                trail.record(
                    AuditKind.LOGIN_THROTTLED if isinstance(refused, LoginThrottled) else AuditKind.LOGIN_REFUSED,
                    actor_id=origin.current().member_id,
                    subject=member.name if member is not None else "",
                    subject_member_id=member.id if member is not None else None,
                    account=digest(email.strip().casefold())[:8],
                )
        raise


def _check_password(member: Member | None, password: str, key: str) -> tuple[int, str]:
    """Compare a password, its tries counted under a key; return the member's id and hash.

    :raises LoginRefused: it is not the password.
    """
    member_id, password_hash = (member.id, member.password_hash) if member else (0, None)
    # Counted before the check, so that many tries at once are not all checked before one is counted. The commit also
    # returns the database connection: comparing takes time.
    throttle.count_try(key, TRIES_PER_ACCOUNT)
    if not passwords.matches(password_hash, password) or password_hash is None:
        raise LoginRefused
    return member_id, password_hash


def _lock_unchanged(member_id: int, password_hash: str) -> None:
    """Lock the member's row. A reset or a removal since the check ends the member's logins, and must end this one too.

    :raises LoginRefused: there was one, or the member is locked, or a guest whose access has ended.
    """
    unchanged = select(TeamMember.id).where(TeamMember.id == member_id, TeamMember.password_hash == password_hash)
    if db.session.scalar(unchanged.where(policy.has_access(clock.now())).with_for_update()) is None:
        raise LoginRefused


def _account_key(email: str) -> str:
    return "account:" + digest(email.strip().casefold())


def _browser_key(known: str, member: Member | None) -> str | None:
    """Return the key of a browser in which this very member was logged in before, or None."""
    try:
        member_id, _nonce = _signer().loads(known)
    except (BadSignature, TypeError, ValueError):
        return None
    return f"browser:{digest(known)}" if member is not None and member.id == member_id else None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="known browser")
