"""The team as its page shows it: roles in words, and what the person in front of it may do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import g, url_for

from bunqflask import clock
from bunqflask.devices import device
from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import TeamRole
from bunqflask.services import policy
from bunqflask.services.principal import Principal
from bunqflask.services.team import holdings, invitations, presence, roles
from bunqflask.services.team.invitations import OpenInvitation
from bunqflask.services.team.members import Member
from bunqflask.web.ui import formatting

_ICONS = {TeamRole.OWNER: "key", TeamRole.ADMIN: "shield", TeamRole.MEMBER: "joint", TeamRole.GUEST: "clock"}


@dataclass(frozen=True, kw_only=True)
class RolePill:
    """A role in one or two words."""

    kind: str
    text: str
    icon: str


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A team member as one line; `change_url` is None for those whom the reader may not manage.

    `sees` says how many accounts they see, to those who manage people; it is empty for all others.
    """

    id: int
    name: str
    email: str
    initials: str
    is_you: bool
    pill: RolePill
    rights: str
    sees: str
    is_locked: bool
    is_last_owner: bool
    last_login_at: datetime | None
    shows_last_login: bool
    change_url: str | None


@dataclass(frozen=True, kw_only=True)
class InvitationRow:
    """An open invitation as one line."""

    id: int
    label: str
    role: str
    inviter: str | None
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None
    may_change: bool


@dataclass(frozen=True, kw_only=True)
class LoginRow:
    """A browser in which a team member is logged in."""

    id: int
    name: str
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    is_this: bool
    end_url: str | None


def team(found: list[Member]) -> list[PersonRow]:
    """Show team members to the person who asks."""
    last_owner = last_owner_of(found)
    counted = holdings.count_seen() if policy.can_manage_people(g.team_member) else None
    return [person(each, is_last_owner=each.id == last_owner, sees=_sees(each, counted)) for each in found]


def last_owner_of(team: list[Member]) -> int | None:
    """Return the id of the only owner who can log in, or None where there are several."""
    owners = [each.id for each in team if each.role is TeamRole.OWNER and each.locked_at is None]
    return owners[0] if len(owners) == 1 else None


def person(member: Member, *, is_last_owner: bool, sees: str = "") -> PersonRow:
    """Show a team member to the person who asks."""
    may_change = policy.can_change_role(g.team_member, member, TeamRole.MEMBER)
    return PersonRow(
        id=member.id,
        name=member.name,
        email=member.email,
        initials=formatting.initials(member.name),
        is_you=member.id == g.team_member.id,
        pill=role_pill(member.role, member.ends_at),
        rights=rights_of(member.role, may_export=member.may_export),
        sees=sees,
        is_locked=member.locked_at is not None,
        is_last_owner=is_last_owner,
        last_login_at=member.last_login_at,
        shows_last_login=policy.can_manage_people(g.team_member) or member.id == g.team_member.id,
        change_url=url_for("people.show", member_id=member.id) if may_change else None,
    )


def _sees(member: Member, counted: tuple[dict[int, int], int] | None) -> str:
    has_ended = member.ends_at is not None and member.ends_at <= clock.now()
    if counted is None or has_ended or member.locked_at is not None:
        return ""
    seen, total = counted
    text = ngettext("sees %(n)d of %(total)d account", "sees %(n)d of %(total)d accounts", total)
    return text % {"n": seen.get(member.id, 0), "total": total}


def counts(found: list[Member]) -> str:
    """Say how many there are of each role: "1 owner · 2 members"."""
    number = Counter(each.role for each in found)
    shown = {
        TeamRole.OWNER: ngettext("%(n)d owner", "%(n)d owners", number[TeamRole.OWNER]),
        TeamRole.ADMIN: ngettext("%(n)d admin", "%(n)d admins", number[TeamRole.ADMIN]),
        TeamRole.MEMBER: ngettext("%(n)d member", "%(n)d members", number[TeamRole.MEMBER]),
        TeamRole.GUEST: ngettext("%(n)d guest", "%(n)d guests", number[TeamRole.GUEST]),
    }
    return " · ".join(text % {"n": number[role]} for role, text in shown.items() if number[role])


def open_invitations() -> list[InvitationRow]:
    """Return the open invitations that the person who asks may see."""
    return [_invitation(each) for each in invitations.list_open(g.team_member)]


def logins() -> list[LoginRow]:
    """Return where people are logged in, as far as the person who asks may see it."""
    may_end = policy.can_end_logins(g.team_member)
    return [
        LoginRow(
            id=each.id,
            name=each.name,
            device=device(each.user_agent),
            address=each.address,
            created_at=each.created_at,
            last_seen_at=each.last_seen_at,
            is_this=each.id == g.login.id,
            end_url=url_for("people.end_login", login_id=each.id) if may_end and each.id != g.login.id else None,
        )
        for each in presence.list_for(g.team_member)
    ]


def offered_roles() -> list[tuple[str, str]]:
    """Return the roles that the person who asks may give, with their names."""
    return [(role.value, role_name(role)) for role in TeamRole if policy.can_invite(g.team_member, role)]


def guest_days() -> tuple[str, str]:
    """Return the first and the last day on which a guest's access may end."""
    today = clock.now().astimezone(formatting.zone()).date()
    return str(today), str(today + roles.LONGEST_GUEST)


def role_name(role: TeamRole) -> str:
    """Name a role."""
    return {
        TeamRole.OWNER: _("Owner"),
        TeamRole.ADMIN: _("Admin"),
        TeamRole.MEMBER: _("Member"),
        TeamRole.GUEST: _("Guest"),
    }[role]


def role_pill(role: TeamRole, ends_at: datetime | None) -> RolePill:
    """Show a role; a guest's with its last day."""
    if ends_at is None:
        kind = "info" if role in (TeamRole.OWNER, TeamRole.ADMIN) else "neutral"
        return RolePill(kind=kind, text=role_name(role), icon=_ICONS[role])
    day = formatting.day(roles.last_day_of(ends_at), "short")
    if ends_at <= clock.now():
        return RolePill(kind="warn", text=_("Guest, ended %(day)s") % {"day": day}, icon="clock")
    return RolePill(kind="neutral", text=_("Guest until %(day)s") % {"day": day}, icon="clock")


def rights_of(role: TeamRole, *, may_export: bool) -> str:
    """Say in one sentence what a role may do."""
    if role is TeamRole.GUEST:
        return (
            _("Reads what is shared with them by name; may export")
            if may_export
            else _("Reads what is shared with them by name; may not export")
        )
    return {
        TeamRole.OWNER: _("Runs the team, also its owners and everybody’s logins"),
        TeamRole.ADMIN: _("Invites and manages everybody but owners"),
        TeamRole.MEMBER: _("Connects bunq; sees what is theirs or shared with them"),
    }[role]


@dataclass(frozen=True)
class _Anybody:
    """A principal of a role, and of nothing else: what the rules say about all of that role."""

    role: TeamRole
    id: int = 0
    email: str = ""
    name: str = ""
    may_export: bool = False


def rights_table() -> list[tuple[str, list[str]]]:
    """Return what each role may do, in the order of `TeamRole`, as the rules themselves answer."""
    everybody = [_Anybody(role) for role in TeamRole]

    def row(right: str, rule: Callable[[Principal], bool], otherwise: str = "") -> tuple[str, list[str]]:
        return right, [_("yes") if rule(each) else otherwise or _("no") for each in everybody]

    return [
        row(_("Read what is shared with them"), policy.can_see_team, _("by name, until a date")),
        row(_("Export"), policy.can_export, _("if allowed")),
        row(_("Connect bunq, share their own accounts"), policy.can_connect),
        row(_("Ask bunq for an update"), policy.can_refresh),
        row(_("Invite people, change roles, lock, remove"), policy.can_manage_people),
        row(_("Make owners, change owners"), policy.can_make_owner),
        row(_("See and end everybody’s logins"), policy.can_end_logins),
        row(_("See the whole audit trail"), policy.can_see_whole_audit_trail),
    ]


def rights_in_lines(role: TeamRole, *, may_export: bool) -> list[str]:
    """Say to an invited person what they will be able to do, one sentence each."""
    if role is TeamRole.GUEST:
        exports = _("You can export them.") if may_export else _("You cannot export them.")
        return [_("You can read the accounts and payments that people here share with you by name."), exports]
    lines = [
        _("You can connect your own bunq accounts. Only you can see them until you share them."),
        _("You can read and export what people here share with you."),
    ]
    if role is not TeamRole.MEMBER:
        lines.append(_("You can invite people, change their roles, lock and remove them."))
    if role is TeamRole.OWNER:
        lines.append(_("You can make owners, and see and end everybody’s logins."))
    return lines


def _invitation(invitation: OpenInvitation) -> InvitationRow:
    return InvitationRow(
        id=invitation.id,
        label=invitation.label,
        role=role_pill(invitation.role, invitation.ends_at).text,
        inviter=invitation.inviter,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
        opened_at=invitation.opened_at,
        may_change=policy.can_invite(g.team_member, invitation.role),
    )
