"""A team member leaves: the login goes, and nobody's accounts are left behind where nobody sees them."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionMember, ConsentAttempt, TeamMember
from bunqflask.services.connections import access
from bunqflask.services.consent import attempts
from bunqflask.services.team import members


def remove(email: str, *, hand_over_to: str | None = None, disconnect: bool = False) -> list[str]:
    """Take a person's login away; return the names of connections that were handed over or ended.

    :param hand_over_to: the email of the team member who gets the connections this person alone holds.
    :param disconnect: end those connections instead, and erase what was read.
    :raises TeamRefused: nobody has this email, it is the last login, or nothing was said about such connections.
    """
    member = members.require(email)
    if len(members.members()) == 1:
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
    for connection in alone:
        if heir is not None:
            access.admit(connection, heir.id)
            db.session.commit()
        else:
            access.disconnect(connection, erase=True)
    for attempt in list(db.session.scalars(select(ConsentAttempt).filter_by(member_id=member.id))):
        attempts.erase(attempt)
    db.session.delete(member)
    db.session.commit()
    return names


def _held_alone(member: TeamMember) -> list[Connection]:
    own = select(ConnectionMember.connection_id).filter_by(member_id=member.id)
    others = select(ConnectionMember.connection_id).where(ConnectionMember.member_id != member.id)
    query = select(Connection).where(Connection.id.in_(own), Connection.id.not_in(others)).order_by(Connection.id)
    return list(db.session.scalars(query))
