"""What a team member alone holds, and what happens to it when they leave."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionMember, TeamMember, TeamRole
from bunqflask.services.connections import lifecycle


def held_alone(member_id: int) -> dict[int, str]:
    """Return the names of the connections that belong to this member and to nobody else who could look after them."""
    own = select(ConnectionMember.connection_id).filter_by(member_id=member_id)
    others = (
        select(ConnectionMember.connection_id)
        .join(TeamMember, TeamMember.id == ConnectionMember.member_id)
        .where(TeamMember.id != member_id, TeamMember.role != TeamRole.GUEST)
    )
    query = select(Connection.id, Connection.display_name).order_by(Connection.id)
    rows = db.session.execute(query.where(Connection.id.in_(own), Connection.id.not_in(others)))
    return {row.id: row.display_name for row in rows}


def hand_over(member_id: int, heir_id: int) -> list[str]:
    """Let another member hold what this one alone holds, within the caller's transaction; return its names."""
    alone = held_alone(member_id)
    for connection_id in alone:
        lifecycle.admit(connection_id, heir_id)
    return list(alone.values())
