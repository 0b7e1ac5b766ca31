"""Removing a team member, without leaving connections behind that nobody can manage."""

from __future__ import annotations

from sqlalchemy import delete, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionMember, ConsentAttempt, TeamMember
from bunqflask.services.connections import lifecycle
from bunqflask.services.consent import attempts
from bunqflask.services.consent.disconnect import disconnect as end_connection
from bunqflask.services.team import members


def remove(email: str, *, hand_over_to: str | None = None, disconnect: bool = False) -> list[str]:
    """Remove a person's login; return the names of connections that were handed over or ended.

    :param hand_over_to: the email of the team member who gets the connections this person alone holds.
    :param disconnect: end those connections instead, and erase what was read.
    :raises TeamRefused: nobody has this email, it is the last login, or nothing was said about such connections.
    """
    member = members.require(email)
    if len(members.list_all()) == 1:
        raise members.TeamRefused("The last team member cannot be removed: nobody could log in any more.")
    heir = members.require(hand_over_to) if hand_over_to is not None else None
    if heir is not None and heir.id == member.id:
        raise members.TeamRefused("Connections cannot be handed over to the person who leaves.")
    alone = _held_alone(member)
    names = [connection.display_name for connection in alone]
    if alone and heir is None and not disconnect:
        raise members.TeamRefused(
            f"{member.email} alone holds: {', '.join(names)}. Say --hand-over-to EMAIL, or --disconnect to end them."
        )
    member_id, connection_ids = member.id, [connection.id for connection in alone]
    heir_id = heir.id if heir is not None else None
    for connection_id in connection_ids:
        if heir_id is None:
            end_connection(connection_id, erase=True)
    with transaction():
        for connection_id in connection_ids:
            if heir_id is not None:
                lifecycle.admit(connection_id, heir_id)
        for attempt in list(db.session.scalars(select(ConsentAttempt).filter_by(member_id=member_id))):
            attempts.erase(attempt)
        db.session.flush()
        db.session.execute(delete(TeamMember).where(TeamMember.id == member_id))
    return names


def _held_alone(member: TeamMember) -> list[Connection]:
    own = select(ConnectionMember.connection_id).filter_by(member_id=member.id)
    others = select(ConnectionMember.connection_id).where(ConnectionMember.member_id != member.id)
    query = select(Connection).where(Connection.id.in_(own), Connection.id.not_in(others)).order_by(Connection.id)
    return list(db.session.scalars(query))
