"""Who may do what. Each rule exists once, as a question (`can_x`) and as a check that raises (`check_can_x`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import BindParameter, ColumnElement, Select, and_, or_, select

from bunqflask.extensions import table_of
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    AuditAccount,
    AuditEvent,
    Connection,
    ConnectionMember,
    MonetaryAccount,
    TeamMember,
    TeamRole,
)
from bunqflask.services.principal import Principal


class NotFoundHere(Exception):
    """There is no such row, or the principal may not see it: one error for both, so that ids cannot be probed."""


class NotPermitted(Exception):
    """The principal's role does not allow an action; the text says which, for a person."""


class Person(Protocol):
    """A team member about whom a rule decides."""

    @property
    def id(self) -> int: ...
    @property
    def role(self) -> TeamRole: ...


def is_visible_to(principal: Principal) -> ColumnElement[bool]:
    """The condition that the principal may see a connection: it belongs to them, or is shared with the team."""
    own = select(ConnectionMember.connection_id).where(ConnectionMember.member_id == principal.id)
    return or_(Connection.id.in_(own), Connection.shared_at.is_not(None))


def can_manage(principal: Principal, connection: Connection) -> bool:
    """Tell whether the principal may share, renew and end a connection: they consented to it, or confirmed a consent.

    The connection's members have to be loaded.
    """
    return can_connect(principal) and any(each.member_id == principal.id for each in connection.members)


def check_can_manage(principal: Principal, connection: Connection) -> None:
    """Make sure of the same.

    :raises NotFoundHere: the principal may not.
    """
    if not can_manage(principal, connection):
        raise NotFoundHere


def is_event_for(principal: Principal) -> ColumnElement[bool]:
    """The condition that an event of the audit trail concerns the principal: themselves, or an account they hold."""
    about_accounts = select(AuditAccount.event_id).where(AuditAccount.account_id.in_(held_accounts(principal)))
    return or_(
        AuditEvent.actor_id == principal.id,
        AuditEvent.subject_member_id == principal.id,
        AuditEvent.id.in_(about_accounts),
    )


def visible_accounts(principal: Principal) -> Select[int]:
    """Return a statement for our ids of the accounts that the principal may see."""
    connections = select(Connection.id).where(is_visible_to(principal))
    return select(MonetaryAccount.id).where(MonetaryAccount.connection_id.in_(connections))


def held_accounts(principal: Principal) -> Select[int]:
    """Return a statement for our ids of the accounts that are the principal's own."""
    own = select(ConnectionMember.connection_id).where(ConnectionMember.member_id == principal.id)
    return select(MonetaryAccount.id).where(MonetaryAccount.connection_id.in_(own))


# Roles. A rule about a person takes that person second; none of them says whether an owner would be left, because
# that needs the database: see `services.team.roles`.


def has_access(now: datetime | BindParameter[Any]) -> ColumnElement[bool]:
    """The condition that a team member may use this site at all: neither locked, nor a guest whose access has ended."""
    member = table_of(TeamMember).c
    return and_(member.locked_at.is_(None), or_(member.ends_at.is_(None), member.ends_at > now))


def can_connect(principal: Principal) -> bool:
    """Tell whether the principal may connect bunq, and renew or end what is theirs."""
    return principal.role is not TeamRole.GUEST


def check_can_connect(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    if not can_connect(principal):
        raise NotPermitted(_("Guests cannot connect bunq."))


def can_share(principal: Principal) -> bool:
    """Tell whether the principal may share what is theirs."""
    return principal.role is not TeamRole.GUEST


def check_can_share(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    if not can_share(principal):
        raise NotPermitted(_("Guests cannot share accounts."))


def can_refresh(principal: Principal) -> bool:
    """Tell whether the principal may ask for a sync or a new import, which use up bunq's rate limit."""
    return principal.role is not TeamRole.GUEST


def check_can_refresh(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    if not can_refresh(principal):
        raise NotPermitted(_("Guests cannot ask bunq for new data; this site does it automatically."))


def can_export(principal: Principal) -> bool:
    """Tell whether the principal may export what they see."""
    return principal.role is not TeamRole.GUEST or principal.may_export


def check_can_export(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest who was not allowed to.
    """
    if not can_export(principal):
        raise NotPermitted(_("You were invited without the permission to export."))


def can_manage_people(principal: Principal) -> bool:
    """Tell whether the principal may invite people and manage some of them."""
    return principal.role in (TeamRole.OWNER, TeamRole.ADMIN)


def check_can_manage_people(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    if not can_manage_people(principal):
        raise NotPermitted(_("Only owners and admins manage people."))


def can_make_owner(principal: Principal) -> bool:
    """Tell whether the principal may make somebody an owner."""
    return principal.role is TeamRole.OWNER


def check_can_make_owner(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    if not can_make_owner(principal):
        raise NotPermitted(_("Only an owner can make somebody an owner."))


def can_invite(principal: Principal, role: TeamRole) -> bool:
    """Tell whether the principal may invite somebody with this role."""
    return can_manage_people(principal) and (role is not TeamRole.OWNER or can_make_owner(principal))


def check_can_invite(principal: Principal, role: TeamRole) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal manages nobody, or nobody of this role.
    """
    check_can_manage_people(principal)
    if role is TeamRole.OWNER:
        check_can_make_owner(principal)


def can_change_role(principal: Principal, person: Person, role: TeamRole) -> bool:
    """Tell whether the principal may give a person a role: an admin neither makes owners nor changes them."""
    return _can_manage(principal, person) and (role is not TeamRole.OWNER or can_make_owner(principal))


def check_can_change_role(principal: Principal, person: Person, role: TeamRole) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal may not.
    """
    _check_can_manage(principal, person)
    if role is TeamRole.OWNER:
        check_can_make_owner(principal)


def can_lock(principal: Principal, person: Person) -> bool:
    """Tell whether the principal may lock and unlock a person; nobody locks themselves out."""
    return _can_manage(principal, person) and person.id != principal.id


def check_can_lock(principal: Principal, person: Person) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal may not.
    """
    _check_can_manage(principal, person)
    if not can_lock(principal, person):
        raise NotPermitted(_("You cannot lock yourself. Another owner can do that."))


def can_remove(principal: Principal, person: Person) -> bool:
    """Tell whether the principal may remove a person; nobody removes themselves."""
    return _can_manage(principal, person) and person.id != principal.id


def check_can_remove(principal: Principal, person: Person) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal may not.
    """
    _check_can_manage(principal, person)
    if not can_remove(principal, person):
        raise NotPermitted(_("You cannot remove yourself. Another owner can do that."))


def can_see_team(principal: Principal) -> bool:
    """Tell whether the principal sees everybody of the team; a guest sees the people who run it."""
    return principal.role is not TeamRole.GUEST


def check_can_see_team(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    if not can_see_team(principal):
        raise NotPermitted(_("Guests see only the people who run the team."))


def can_inherit(person: Person) -> bool:
    """Tell whether a person can be handed what a leaving member alone holds."""
    return person.role is not TeamRole.GUEST


def can_end_logins(principal: Principal) -> bool:
    """Tell whether the principal may see where everybody is logged in, and end those logins."""
    return principal.role is TeamRole.OWNER


def check_can_end_logins(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    if not can_end_logins(principal):
        raise NotPermitted(_("Only owners end the logins of others."))


def can_see_whole_audit_trail(principal: Principal) -> bool:
    """Tell whether the principal sees every event of the audit trail; all others see what concerns them."""
    return principal.role is TeamRole.OWNER


def check_can_see_whole_audit_trail(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    if not can_see_whole_audit_trail(principal):
        raise NotPermitted(_("Only owners see the whole audit trail."))


def _can_manage(principal: Principal, person: Person) -> bool:
    """Tell whether the principal may manage a person at all: an admin manages everybody but owners."""
    return can_manage_people(principal) and (person.role is not TeamRole.OWNER or can_make_owner(principal))


def _check_can_manage(principal: Principal, person: Person) -> None:
    check_can_manage_people(principal)
    if not _can_manage(principal, person):
        raise NotPermitted(_("Only an owner can do this to an owner."))
