"""Where team members are logged in: everybody's logins for owners, one's own for all others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AuditKind, Login, TeamMember
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.principal import Principal
from bunqflask.services.team.logins import ABSOLUTE, IDLE


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A browser in which a team member is logged in; times are aware UTC."""

    id: int
    member_id: int
    name: str
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime


def list_for(principal: Principal) -> list[Presence]:
    """Return where everybody is logged in whose logins the principal may see, the latest use first."""
    now = clock.now()
    columns = (getattr(Login, name) for name in Presence.__dataclass_fields__ if name != "name")
    query = (
        select(*columns, TeamMember.name)
        .join(TeamMember, TeamMember.id == Login.member_id)
        .where(
            Login.last_seen_at.between(now - IDLE, now + clock.SKEW),
            Login.created_at > now - ABSOLUTE,
            policy.has_access(now),
        )
        .order_by(Login.last_seen_at.desc())
    )
    if not policy.can_end_logins(principal):
        query = query.where(Login.member_id == principal.id)
    return [Presence(**row._mapping) for row in db.session.execute(query)]


def end(principal: Principal, login_id: int) -> None:
    """End somebody's login; ending none is no error.

    :raises NotPermitted: the principal is no owner.
    """
    policy.check_can_end_logins(principal)
    with transaction():
        ended = delete(Login).where(Login.id == login_id).returning(Login.member_id)
        member_id = db.session.scalar(ended)
        if member_id is not None:
            trail.record(
                AuditKind.LOGIN_ENDED,
                actor_id=principal.id,
                subject_member_id=member_id,
                how="ended_for",
                login=login_id,
            )
