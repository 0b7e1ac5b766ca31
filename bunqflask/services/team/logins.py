"""Logins: rows, so that they can be ended here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, delete, func, select, update

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.types import UtcTimestamp
from bunqflask.digest import digest
from bunqflask.extensions import db, table_of
from bunqflask.models import AuditKind, Factor, Login, MemberNotice, TeamMember, TeamRole, TeamRules
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.connections import attention
from bunqflask.services.connections.condition import WORKER_IS_GONE_AFTER
from bunqflask.services.notices import inbox
from bunqflask.services.principal import Principal
from bunqflask.services.team import members

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_TOUCH_EVERY = timedelta(minutes=1)
_TOUCH_PATIENCE_S = 0.1
_login, _member = table_of(Login).c, table_of(TeamMember).c
_IS_OWN = MemberNotice.member_id == _login.member_id
_HAS_NOTICES = select(MemberNotice.id).where(_IS_OWN, inbox.open_in(_login.browser_id)).exists()
_UNREAD = select(func.count()).select_from(MemberNotice).where(_IS_OWN, inbox.unread_in(_login.browser_id))
_HAS_FACTOR = select(Factor.id).where(Factor.member_id == _login.member_id, Factor.activated_at.is_not(None)).exists()
# Asked at every request, so only for what every request needs.
_FIND = (
    select(
        _login.id,
        _login.member_id,
        _login.created_at,
        _login.last_seen_at,
        _login.confirmed_at,
        _login.browser_id,
        _member.email,
        _member.name,
        _member.role,
        _member.may_export,
        _HAS_FACTOR.label("has_factor"),
        select(TeamRules.second_factor_from).scalar_subquery().label("second_factor_from"),
    )
    .join(table_of(TeamMember), _member.id == _login.member_id)
    # A member who was locked, or whose time as a guest has ended, is refused at once.
    .where(_login.token_hash == bindparam("token_hash"), policy.has_access(bindparam("now")))
)
# With what the head of every page shows, which takes four times as long.
_FIND_FOR_PAGE = _FIND.add_columns(
    _HAS_NOTICES.label("has_notices"),
    _UNREAD.scalar_subquery().label("unread"),
    attention.count_for(table_of(TeamMember), bindparam("worker_gone_at", type_=UtcTimestamp)).label("attention"),
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
    confirmed_at: datetime | None = None
    browser_id: int | None = None
    # whether some are to be shown on every page, and how many there are that are unread
    has_notices: bool = False
    unread: int = 0
    # the day from which they reach only the page that sets a second factor up, if they have none
    factor_required_from: date | None = None
    needs_touch: bool = False
    # the connections that the member sees and that need somebody's attention
    attention: int = 0


@dataclass(frozen=True, kw_only=True)
class LoginPlace:
    """Where a team member is logged in; times are aware UTC."""

    id: int
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime


def find(token: str, *, for_page: bool) -> CurrentLogin | None:
    """Return the login of this token, if it is neither idle for too long nor too old.

    :param for_page: with what the head of a page shows: a part of a page, which asks for itself again, needs nothing
        of it.
    """
    now = clock.now()
    asked = {"token_hash": digest(token), "now": now}
    if for_page:
        asked["worker_gone_at"] = now - WORKER_IS_GONE_AFTER
    row = db.session.connection().execute(_FIND_FOR_PAGE if for_page else _FIND, asked).one_or_none()
    if row is None or row.last_seen_at < now - IDLE or row.created_at < now - ABSOLUTE:
        return None
    if clock.is_ahead(row.last_seen_at):
        return None  # recorded by a clock that was wrong: nobody knows for how long it was not used
    member = CurrentMember(row.member_id, row.email, row.name, row.role, row.may_export)
    head = {"has_notices": row.has_notices, "unread": row.unread, "attention": row.attention} if for_page else {}
    return CurrentLogin(
        row.id,
        member,
        confirmed_at=row.confirmed_at,
        browser_id=row.browser_id,
        factor_required_from=None if row.has_factor else row.second_factor_from,
        needs_touch=row.last_seen_at < now - _TOUCH_EVERY,
        **head,
    )


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


def end_others(login: CurrentLogin) -> None:
    """End all other logins of the member, and forget all other browsers: somebody else may know the password."""
    with transaction():
        members.end_logins_within(login.member.id, keep_login=login.id)
        trail.record(AuditKind.LOGIN_ENDED, actor_id=login.member.id, how="others")
