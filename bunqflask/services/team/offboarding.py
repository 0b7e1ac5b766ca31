"""Removing a team member, without leaving connections behind that nobody can manage."""

from __future__ import annotations

from sqlalchemy import delete, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionMember, ConsentAttempt, TeamMember
from bunqflask.services.connections import lifecycle
from bunqflask.services.consent import attempts
from bunqflask.services.consent.disconnect import disconnect as end_connection
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.team import members
from bunqflask.services.team.members import Member, TeamRefused


def remove(email: str, *, hand_over_to: str | None = None, disconnect: bool = False) -> list[str]:
    """Remove a person's login; return the names of connections that were handed over or ended.

    :param hand_over_to: the email of the team member who gets the connections this person alone holds.
    :param disconnect: end those connections instead, and erase what was imported.
    :raises TeamRefused: nobody has this email, it is the last login, or nothing was said about such connections.
    """
    member = members.require(email)
    heir = members.require(hand_over_to) if hand_over_to is not None else None
    if len(members.list_all()) == 1:
        raise TeamRefused("The last team member cannot be removed: nobody could log in any more.")
    if heir is not None and heir.id == member.id:
        raise TeamRefused("Connections cannot be handed over to the person who leaves.")
    if heir is not None:
        return _hand_over(member, heir)
    names: list[str] = []
    while True:
        alone = _held_alone(member)
        if alone and not disconnect:
            held = ", ".join(alone.values())
            raise TeamRefused(
                f"{member.email} alone holds: {held}. Say --hand-over-to EMAIL, or --disconnect to end them."
            )
        for connection_id, name in alone.items():
            _end(connection_id)
            names.append(name)
        # A consent of theirs may have ended meanwhile: what it connected is ended too.
        if _remove_without_connections(member):
            return names


def _hand_over(member: Member, heir: Member) -> list[str]:
    with transaction():
        _lock_team()
        alone = _held_alone(member)
        for connection_id in alone:
            lifecycle.admit(connection_id, heir.id)
        _delete(member)
    return list(alone.values())


def _end(connection_id: int) -> None:
    try:
        end_connection(connection_id, erase=True)
    except NotFoundHere:
        return  # erased meanwhile


def _remove_without_connections(member: Member) -> bool:
    """Delete the member's row; False when there is a connection by now that nobody else holds."""
    with transaction():
        _lock_team()
        if _held_alone(member):
            return False
        _delete(member)
        return True


def _lock_team() -> None:
    """Lock all members for this transaction: until its end no consent of theirs makes a connection.

    :raises TeamRefused: only one is left, because another command removed the others.
    """
    if len(db.session.scalars(select(TeamMember.id).order_by(TeamMember.id).with_for_update()).all()) == 1:
        raise TeamRefused("The last team member cannot be removed: nobody could log in any more.")


def _delete(member: Member) -> None:
    for attempt in list(db.session.scalars(select(ConsentAttempt).filter_by(member_id=member.id))):
        attempts.erase(attempt)
    db.session.flush()
    db.session.execute(delete(TeamMember).where(TeamMember.id == member.id))


def _held_alone(member: Member) -> dict[int, str]:
    """Return the names of the connections that belong to this member and to nobody else, by their ids."""
    own = select(ConnectionMember.connection_id).filter_by(member_id=member.id)
    others = select(ConnectionMember.connection_id).where(ConnectionMember.member_id != member.id)
    query = select(Connection.id, Connection.display_name).order_by(Connection.id)
    rows = db.session.execute(query.where(Connection.id.in_(own), Connection.id.not_in(others)))
    return {row.id: row.display_name for row in rows}
