"""Browsers in which members have logged in: known again by a cookie, and trusted for 30 days if the member wants that.

The tries of a known browser are counted apart, so that a stranger who guesses a member's password holds back other
strangers, but never the member in a browser that they use. In a trusted one the password is enough.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AuditKind, Browser, Login
from bunqflask.services.audit import trail
from bunqflask.services.principal import Principal
from bunqflask.services.team.visitor import Visitor

TRUST_LIFETIME = timedelta(days=30)
_UNUSED_LIFETIME = timedelta(days=400)


@dataclass(frozen=True)
class KnownBrowser:
    """A browser in which this very member has logged in before."""

    id: int
    is_trusted: bool


@dataclass(frozen=True)
class RecordedBrowser:
    """The browser of a login, with the token that its cookie gets."""

    id: int
    token: str = field(repr=False)
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class TrustedBrowser:
    """A browser in which a member needs no second factor; times are aware UTC."""

    id: int
    user_agent: str
    last_seen_at: datetime
    trusted_until: datetime


def find(member_id: int, token: str) -> KnownBrowser | None:
    """Return the browser with this token, if this member has logged in there before."""
    query = select(Browser.id, Browser.trusted_until).where(
        Browser.member_id == member_id, Browser.token_hash == digest(token)
    )
    row = db.session.execute(query).one_or_none() if token else None
    if row is None:
        return None
    until = row.trusted_until
    return KnownBrowser(row.id, until is not None and until > clock.now() and not clock.is_ahead(until, TRUST_LIFETIME))


def record_within(member_id: int, visitor: Visitor, *, trust: bool) -> RecordedBrowser:
    """Record a login in a browser within the caller's transaction, and give the browser a new token.

    The token is new each time: one that somebody planted or copied before is worth nothing afterwards.
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    known = find(member_id, visitor.browser_token)
    if known is None:
        row = Browser(
            member_id=member_id,
            token_hash=digest(token),
            user_agent=visitor.user_agent[:300],
            created_at=now,
            last_seen_at=now,
        )
        db.session.add(row)
        db.session.flush()
        browser_id = row.id
    else:
        browser_id = known.id
        seen = {"last_seen_at": now, "user_agent": visitor.user_agent[:300], "token_hash": digest(token)}
        db.session.execute(update(Browser).where(Browser.id == browser_id).values(**seen))
    if visitor.browser_token:
        # Of other members who use the same browser too: it has one cookie.
        same = Browser.token_hash == digest(visitor.browser_token)
        db.session.execute(update(Browser).where(same).values(token_hash=digest(token)))
    if trust:
        until = now + TRUST_LIFETIME
        db.session.execute(update(Browser).where(Browser.id == browser_id).values(trusted_until=until))
    return RecordedBrowser(browser_id, token, is_new=known is None)


def have_been_used(member_id: int) -> bool:
    """Tell whether a member is logged in anywhere or was, since their password was reset."""
    known, login = Browser.member_id == member_id, Login.member_id == member_id
    return bool(
        db.session.scalar(select(or_(select(Browser.id).where(known).exists(), select(Login.id).where(login).exists())))
    )


def list_trusted(principal: Principal) -> list[TrustedBrowser]:
    """Return the browsers that a member trusts, latest use first."""
    columns = (Browser.id, Browser.user_agent, Browser.last_seen_at, Browser.trusted_until)
    query = select(*columns).where(Browser.member_id == principal.id, Browser.trusted_until > clock.now())
    return [TrustedBrowser(**row._mapping) for row in db.session.execute(query.order_by(Browser.last_seen_at.desc()))]


def forget(principal: Principal, browser_id: int, *, keep_login: int) -> None:
    """Forget one of the member's browsers and end their logins there, except this one; none is no error."""
    with transaction():
        theirs = Login.member_id == principal.id, Login.browser_id == browser_id, Login.id != keep_login
        db.session.execute(delete(Login).where(*theirs))
        gone = delete(Browser).where(Browser.id == browser_id, Browser.member_id == principal.id)
        if db.session.scalar(gone.returning(Browser.id)) is not None:
            trail.record(AuditKind.BROWSER_FORGOTTEN, actor_id=principal.id)


def forget_all_within(member_id: int, *, keep: int | None = None) -> None:
    """Forget a member's browsers except one, within the caller's transaction."""
    forgotten = delete(Browser).where(Browser.member_id == member_id)
    db.session.execute(forgotten if keep is None else forgotten.where(Browser.id != keep))


def distrust_all_within(member_id: int) -> None:
    """Ask for the second factor again in all of a member's browsers, within the caller's transaction."""
    db.session.execute(update(Browser).where(Browser.member_id == member_id).values(trusted_until=None))


def delete_unused() -> None:
    """Delete browsers in which nobody has logged in for more than a year."""
    with transaction():
        db.session.execute(delete(Browser).where(Browser.last_seen_at < clock.now() - _UNUSED_LIFETIME))
