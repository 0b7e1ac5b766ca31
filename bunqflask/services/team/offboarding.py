"""Removing a team member, without leaving connections behind that nobody can manage."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, ConsentAttempt, TeamMember
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.consent import attempts
from bunqflask.services.consent.disconnect import disconnect as end_connection
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.team import holdings, roles
from bunqflask.services.team.members import TeamRefused


class HeldAlone(TeamRefused):
    """A person alone holds connections, by name in `names`, and nothing was said about them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(_("This person alone holds: %(names)s.") % {"names": ", ".join(names)}, field="data")
        self.names = names


def remove(principal: Principal, member_id: int, *, heir_id: int | None = None, disconnect: bool = False) -> list[str]:
    """Remove a person's login; return the names of connections that were handed over or ended.

    :param heir_id: the team member who gets the connections this person alone holds.
    :param disconnect: end those connections instead, and erase what was imported.
    :raises NotFoundHere: there is no such member.
    :raises NotPermitted: the principal may not.
    :raises HeldAlone: the person alone holds connections, and nothing was said about them.
    :raises TeamRefused: no owner would be left, or the heir can inherit nothing.
    """
    if heir_id is not None:
        return _hand_over(principal, member_id, heir_id)
    names: list[str] = []
    while True:
        # A consent of theirs may end while connections are disconnected: what it connected is ended too.
        alone = _remove_without_connections(principal, member_id)
        if not alone:
            return names
        if not disconnect:
            raise HeldAlone(list(alone.values()))
        for connection_id, name in alone.items():
            _end(connection_id)
            names.append(name)


def _hand_over(principal: Principal, member_id: int, heir_id: int) -> list[str]:
    with transaction():
        team = _check(principal, member_id)
        heir = roles.person(team, heir_id)
        if heir_id == member_id:
            raise TeamRefused(_("Connections cannot be handed over to the person who leaves."), field="heir")
        if heir.locked_at is not None or not policy.can_inherit(heir):
            raise TeamRefused(_("Connections cannot be handed over to a guest or to a locked person."), field="heir")
        names = holdings.hand_over(member_id, heir_id)
        _delete(team[member_id], handed_over_to=heir.name)
    return names


def _remove_without_connections(principal: Principal, member_id: int) -> dict[int, str]:
    """Delete the member's row; where there are connections that nobody else holds, return them and change nothing."""
    with transaction():
        team = _check(principal, member_id)
        alone = holdings.held_alone(member_id)
        if not alone:
            _delete(team[member_id])
        return alone


def _check(principal: Principal, member_id: int) -> roles.Team:
    """Lock the team, and make sure that the principal may remove this member."""
    team = roles.lock_team()
    actor, row = roles.both(principal, member_id, team)
    policy.check_can_remove(actor, row)
    roles.check_owner_remains(team, without=row)
    return team


def _end(connection_id: int) -> None:
    try:
        end_connection(connection_id, erase=True)
    except NotFoundHere:
        return  # erased meanwhile


def _delete(member: TeamMember, **facts: Any) -> None:
    trail.record(
        AuditKind.MEMBER_REMOVED,
        actor_id=origin.current().member_id,
        subject=member.name,
        subject_member_id=member.id,
        **facts,
    )
    for attempt in list(db.session.scalars(select(ConsentAttempt).filter_by(member_id=member.id))):
        attempts.erase(attempt)
    db.session.flush()
    db.session.execute(delete(TeamMember).where(TeamMember.id == member.id))
