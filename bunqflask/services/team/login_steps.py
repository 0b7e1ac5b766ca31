"""Logging in: the password, and then the second factor of a member who has one.

A right password alone makes a pending login, which is good for the page that asks for the factor and nothing else. The
full login gets a token of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import delete, or_, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AuditKind, Login, MemberNotice, NoticeKind, PendingLogin, TeamMember
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.notices import inbox
from bunqflask.services.team import browsers, credentials, factors, members, passwords, refusals, throttle
from bunqflask.services.team.browsers import KnownBrowser
from bunqflask.services.team.factors import FactorRefused
from bunqflask.services.team.logins import ABSOLUTE
from bunqflask.services.team.throttle import TRIES_PER_ADDRESS, LoginRefused
from bunqflask.services.team.visitor import Visitor

PENDING_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True)
class NewLogin:
    """A login just made, and the two tokens that only the browser keeps."""

    id: int
    member_id: int
    token: str = field(repr=False)
    browser_token: str = field(repr=False)


@dataclass(frozen=True)
class NewPendingLogin:
    """The password was right, and the second factor is still to be given."""

    token: str = field(repr=False)


def log_in(email: str, password: str, visitor: Visitor) -> NewLogin | NewPendingLogin:
    """Check email and password, and log the person in, or ask for their second factor.

    :raises LoginThrottled: too many tries for this account or from this address.
    :raises LoginRefused: email and password do not match.
    """
    with refusals.of_password(email):
        return _log_in(email, password, visitor)


def _log_in(email: str, password: str, visitor: Visitor) -> NewLogin | NewPendingLogin:
    member = members.find(email)
    browser = browsers.find(member.id, visitor.browser_token) if member else None
    if browser is None:
        # The address first: once it is held back, it can neither lock others out nor fill the table.
        throttle.count_try(address_key(visitor), TRIES_PER_ADDRESS)
    account_key = _account_key(email, browser)
    member_id, password_hash = credentials.check_password(member, password, account_key)
    newer_hash = passwords.hash_again(password_hash, password)
    with transaction():
        credentials.lock_unchanged(member_id, password_hash)
        if newer_hash is not None:
            members.store_hash(member_id, newer_hash)
        if browser is None:
            throttle.take_back(address_key(visitor))
        if factors.has_any(member_id) and not (browser and browser.is_trusted):
            return NewPendingLogin(_make_pending(member_id, visitor))
        throttle.forget(account_key)
        return make_login_within(member_id, visitor)


def find_pending(token: str) -> int | None:
    """Return the id of the member whose pending login this token is, while it is valid and they have access."""
    now = clock.now()
    valid = PendingLogin.created_at.between(now - PENDING_LIFETIME, now + clock.SKEW)
    query = select(PendingLogin.member_id).join(TeamMember, TeamMember.id == PendingLogin.member_id)
    return db.session.scalar(query.where(PendingLogin.token_hash == digest(token), valid, policy.has_access(now)))


def give_code(token: str, code: str, visitor: Visitor, *, trust: bool) -> NewLogin:
    """Complete a pending login with a code of an authenticator app or a recovery code.

    :raises LoginThrottled: too many tries of this member's second factor.
    :raises FactorRefused: the code is wrong or was used before, or nothing waits for it.
    """
    member_id = find_pending(token)
    if member_id is None:
        raise FactorRefused
    with refusals.of_factor(member_id, "code"):
        # Apart from the tries of the password, and whatever the browser: six digits are soon guessed.
        throttle.count_try(f"factor:{member_id}", factors.TRIES)
        with transaction():
            complete_within(token, member_id, visitor)
            factors.use_code_within(member_id, code, visitor)
            return make_login_within(member_id, visitor, trust=trust)


def complete_within(token: str, member_id: int, visitor: Visitor) -> None:
    """End a pending login within the caller's transaction, in which the factor is checked and the full login made.

    :raises FactorRefused: it has ended meanwhile.
    """
    ended = delete(PendingLogin).where(PendingLogin.token_hash == digest(token), PendingLogin.member_id == member_id)
    row = db.session.execute(ended.returning(PendingLogin.notice_id)).one_or_none()
    if row is None:
        raise FactorRefused
    db.session.execute(delete(MemberNotice).where(MemberNotice.id == row.notice_id))
    email = db.session.scalars(select(TeamMember.email).where(TeamMember.id == member_id)).one()
    browser = browsers.find(member_id, visitor.browser_token)
    throttle.forget(f"factor:{member_id}", _account_key(email, browser))


def end_pending(token: str) -> None:
    """End a pending login without the factor; the member stays informed about it."""
    with transaction():
        db.session.execute(delete(PendingLogin).where(PendingLogin.token_hash == digest(token)))


def make_login_within(member_id: int, visitor: Visitor, *, trust: bool = False) -> NewLogin:
    """Log a member in who has proved who they are, within the caller's transaction.

    :raises LoginRefused: the member is locked, or a guest whose access has ended.
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    seen = update(TeamMember).where(TeamMember.id == member_id, policy.has_access(now)).values(last_login_at=now)
    if db.session.scalar(seen.returning(TeamMember.id)) is None:
        raise LoginRefused
    is_first = not browsers.have_been_used(member_id)
    browser = browsers.record_within(member_id, visitor, trust=trust)
    if browser.is_new and not is_first:
        inbox.add_within(member_id, NoticeKind.NEW_BROWSER, browser_id=browser.id, **visitor.facts())
    over = or_(Login.created_at < now - ABSOLUTE, Login.last_seen_at > now + clock.SKEW)
    db.session.execute(delete(Login).where(over))
    login = Login(
        token_hash=digest(token),
        member_id=member_id,
        address=visitor.address[:64],
        user_agent=visitor.user_agent[:300],
        created_at=now,
        last_seen_at=now,
        confirmed_at=now,
        browser_id=browser.id,
    )
    db.session.add(login)
    db.session.flush()
    trail.record(AuditKind.LOGIN, actor_id=member_id, login_id=login.id)
    return NewLogin(login.id, member_id, token, browser.token)


def delete_expired() -> None:
    """Delete pending logins that are over."""
    with transaction():
        over = PendingLogin.created_at < clock.now() - PENDING_LIFETIME
        db.session.execute(delete(PendingLogin).where(over))


def _make_pending(member_id: int, visitor: Visitor) -> str:
    token = secrets.token_urlsafe(32)
    # Now, and deleted with the factor: whether it will come, nobody knows who could tell the member later.
    notice = inbox.add_within(member_id, NoticeKind.FACTOR_MISSING, **visitor.facts())
    pending = PendingLogin(token_hash=digest(token), member_id=member_id, created_at=clock.now(), notice_id=notice.id)
    db.session.add(pending)
    trail.record(AuditKind.LOGIN_HALF, actor_id=None, subject_member_id=member_id)
    return token


def address_key(visitor: Visitor) -> str:
    """Return under which key the tries from an address are counted."""
    return "address:" + throttle.network_of(visitor.address)


def _account_key(email: str, browser: KnownBrowser | None) -> str:
    """Return under which key the tries of a password are counted: of the account, or of one browser of its member."""
    return f"browser:{browser.id}" if browser else "account:" + digest(email.strip().casefold())
