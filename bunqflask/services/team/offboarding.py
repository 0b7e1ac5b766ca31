"""Removing a team member, without leaving accounts behind that nobody holds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import AuditKind, ConsentAttempt, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.connections import rights
from bunqflask.services.consent import attempts
from bunqflask.services.consent.disconnect import end_all_of, remove_callbacks_of
from bunqflask.services.principal import Principal
from bunqflask.services.team import holdings, roles
from bunqflask.services.team.members import TeamRefused


class HeldAlone(TeamRefused):
    """A person alone holds accounts, and nothing was said about them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(_("This person alone holds: %(names)s.") % {"names": ", ".join(names)}, field="data")


def remove(principal: Principal, member_id: int, *, heir_id: int | None = None, disconnect: bool = False) -> list[str]:
    """Remove a person's login; return the names of accounts that were handed over or erased.

    Their own consents end. What others hold as well stays for them.

    :param heir_id: the team member who gets the accounts this person alone holds, with the permissions that cover them.
    :param disconnect: erase those accounts instead.
    :raises NotFoundHere: there is no such member.
    :raises NotPermitted: the principal may not.
    :raises HeldAlone: the person alone holds accounts, and nothing was said about them.
    :raises TeamRefused: no owner would be left, or the heir can inherit nothing.
    """
    if disconnect:
        with transaction():
            _check(principal, member_id)
        # Asks bunq, so it stands outside the transaction that removes.
        remove_callbacks_of(member_id)
    with transaction():
        actor, team = _check(principal, member_id)
        alone, names = rights.held_alone(member_id), holdings.held_alone(actor, member_id)
        handed_over: dict[str, Any] = {}
        if heir_id is not None:
            heir = roles.person(team, heir_id)
            _check_heir(actor, heir, member_id)
            rights.hand_over(member_id, heir_id, alone)
            handed_over = {"handed_over_to": heir.name, "account_ids": alone}
        elif alone and not disconnect:
            raise HeldAlone(names)
        end_all_of(member_id)
        _delete(team[member_id], **handed_over)
    return names


def _check(principal: Principal, member_id: int) -> tuple[Principal, roles.Team]:
    """Lock the team, and make sure that the principal, whom it returns as they are now, may remove this member."""
    team = roles.lock_team()
    actor, row = roles.both(principal, member_id, team)
    policy.check_can_remove(actor, row)
    roles.check_owner_remains(team, without=row)
    return actor, team


def _check_heir(principal: Principal, heir: TeamMember, member_id: int) -> None:
    if heir.id == member_id:
        raise TeamRefused(_("Accounts cannot be handed over to the person who leaves."), field="heir")
    if heir.locked_at is not None or heir.role is TeamRole.GUEST:
        raise TeamRefused(_("Accounts cannot be handed over to a guest or to a locked person."), field="heir")
    if not policy.can_hand_over_to(principal, heir):
        raise TeamRefused(_("Only an owner can hand accounts over to themselves. Choose somebody else."), field="heir")


def _delete(member: TeamMember, **about: Any) -> None:
    trail.record(
        AuditKind.MEMBER_REMOVED,
        actor_id=origin.current().member_id,
        subject=member.name,
        subject_member_id=member.id,
        **about,
    )
    for attempt in list(db.session.scalars(select(ConsentAttempt).filter_by(member_id=member.id))):
        attempts.erase(attempt)
    db.session.flush()
    db.session.execute(delete(TeamMember).where(TeamMember.id == member.id))
