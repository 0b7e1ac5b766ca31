"""Who may do what. Each rule exists once, as a question (`can_x`) and as a check that raises (`check_can_x`).

Rights are on accounts. A member holds an account by a consent of theirs, or by a hand-over; a share lets others read
it, and may begin with the payments of some day. What is outside a principal's rights does not exist for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    false,
    literal,
    or_,
    select,
)

from bunqflask.extensions import db, table_of
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    AccountHolder,
    AccountShare,
    AuditAccount,
    AuditEvent,
    Connection,
    Consent,
    ConsentGrantState,
    MonetaryAccount,
    TeamMember,
    TeamRole,
)
from bunqflask.services.account_rights import (
    AccountRight,
    Asker,
    accounts_with_rights,
    asker_of,
    is_valid_for,
    widest,
    within_token,
)
from bunqflask.services.principal import Principal

# So many members and tokens ask at about the same time.
MOST_STATEMENTS = 128


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


@dataclass(frozen=True)
class VisibleAccount:
    """An account that a principal may see, with their right on it."""

    row: MonetaryAccount
    right: AccountRight
    holder_name: str


def accounts_seen_by(principal: Principal) -> dict[int, VisibleAccount]:
    """Return all accounts that the principal may see, by our id of each, with their rights on them."""
    found: dict[int, VisibleAccount] = {}
    for row, is_held, first_day, holder_name in db.session.execute(_accounts_seen_by(asker_of(principal))):
        right = AccountRight(bool(is_held), first_day)
        also = (found[row.id].right,) if row.id in found else ()
        found[row.id] = VisibleAccount(row, widest((right, *also)), holder_name)
    return found


@lru_cache(maxsize=MOST_STATEMENTS)
def _accounts_seen_by(asker: Asker) -> Select[Any]:
    seen = accounts_with_rights(asker, MonetaryAccount).add_columns(Connection.display_name)
    seen = seen.join(Connection, Connection.id == MonetaryAccount.connection_id)
    return seen.execution_options(populate_existing=True)


def visible_accounts(principal: Principal) -> Select[int]:
    """Return a statement for our ids of the accounts that the principal may see; the condition behind every list."""
    return _visible_accounts(asker_of(principal))


@lru_cache(maxsize=MOST_STATEMENTS)
def _visible_accounts(asker: Asker) -> Select[int]:
    shared = select(AccountShare.account_id).where(*is_valid_for(asker))
    held = MonetaryAccount.id.in_(_held_accounts(asker))
    return select(MonetaryAccount.id).where(or_(held, MonetaryAccount.id.in_(shared)))


def held_accounts(principal: Principal) -> Select[int]:
    """Return a statement for our ids of the accounts that the principal holds: may sync, share and give up."""
    return _held_accounts(asker_of(principal))


@lru_cache(maxsize=MOST_STATEMENTS)
def _held_accounts(asker: Asker) -> Select[int]:
    of_token = within_token(asker, AccountHolder.account_id)
    return select(AccountHolder.account_id).where(AccountHolder.member_id == asker.id, *of_token)


def is_visible_to(principal: Principal) -> ColumnElement[bool]:
    """The condition that the principal may see a connection: one of its accounts, or a consent of their own on it."""
    return is_visible_to_asker(asker_of(principal))


@lru_cache(maxsize=MOST_STATEMENTS)
def is_visible_to_asker(asker: Asker) -> ColumnElement[bool]:
    """The same, for a statement that is built once for each asker."""
    of_accounts = select(MonetaryAccount.connection_id).where(MonetaryAccount.id.in_(_visible_accounts(asker)))
    return or_(Connection.id.in_(of_accounts), Connection.id.in_(_with_own_consent(asker)))


def can_manage(principal: Principal, connection_id: int) -> bool:
    """Tell whether the principal may sync, share, renew and end a connection, as far as their own rights on it go.

    They hold one of its accounts, or a consent of theirs works.
    """
    holds = select(MonetaryAccount.connection_id).where(MonetaryAccount.id.in_(held_accounts(principal)))
    query = select(literal(1)).where(
        or_(
            literal(connection_id).in_(holds),
            literal(connection_id).in_(_with_own_consent(asker_of(principal))),
        )
    )
    return can_connect(principal) and db.session.scalar(query) is not None


def check_can_manage(principal: Principal, connection_id: int) -> None:
    """Make sure of the same.

    :raises NotFoundHere: the principal may not.
    """
    if not can_manage(principal, connection_id):
        raise NotFoundHere


def check_holds(principal: Principal, account_ids: Iterable[int]) -> None:
    """Make sure that the principal holds all of some accounts.

    :raises NotFoundHere: they do not.
    """
    wanted = set(account_ids)
    query = held_accounts(principal).where(AccountHolder.account_id.in_(wanted))
    if set(db.session.scalars(query)) != wanted:
        raise NotFoundHere


def is_event_for(principal: Principal) -> ColumnElement[bool]:
    """The condition that an event of the audit trail concerns the principal: themselves, or an account they hold."""
    about_accounts = select(AuditAccount.event_id).where(AuditAccount.account_id.in_(held_accounts(principal)))
    return or_(
        AuditEvent.actor_id == principal.id,
        AuditEvent.subject_member_id == principal.id,
        AuditEvent.id.in_(about_accounts),
    )


@lru_cache(maxsize=MOST_STATEMENTS)
def _with_own_consent(asker: Asker) -> Select[int]:
    is_active = Consent.state == ConsentGrantState.ACTIVE
    query = select(Consent.connection_id).where(Consent.member_id == asker.id, is_active)
    # To a token with chosen accounts a connection without one of them does not exist.
    return query if asker.account_ids is None else query.where(false())


# Roles. A rule about a person takes that person second; none of them says whether an owner would be left, because
# that needs the database: see `services.team.roles`.


def has_access(now: datetime | BindParameter[Any]) -> ColumnElement[bool]:
    """The condition that a team member may use this site at all: neither locked, nor a guest whose access has ended."""
    member = table_of(TeamMember).c
    return and_(member.locked_at.is_(None), or_(member.ends_at.is_(None), member.ends_at > now))


def can_connect(principal: Principal) -> bool:
    """Tell whether the principal may connect bunq, and renew or end what is theirs."""
    return _is_no_guest(principal)


def check_can_connect(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    _check(can_connect(principal), _("Guests cannot connect bunq."))


def can_share(principal: Principal) -> bool:
    """Tell whether the principal may share what is theirs."""
    return _is_no_guest(principal)


def check_can_share(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    _check(can_share(principal), _("Guests cannot share accounts."))


def can_refresh(principal: Principal) -> bool:
    """Tell whether the principal may ask for a sync or a new import, which use up bunq's rate limit."""
    return _is_no_guest(principal)


def check_can_refresh(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    _check(can_refresh(principal), _("Guests cannot ask bunq for new data; this site does it automatically."))


def can_export(principal: Principal) -> bool:
    """Tell whether the principal may export what they see."""
    return _is_no_guest(principal) or principal.may_export


def check_can_export(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest who was not allowed to.
    """
    _check(can_export(principal), _("You were invited without the permission to export."))


def can_manage_people(principal: Principal) -> bool:
    """Tell whether the principal may invite people and manage some of them."""
    return principal.role in (TeamRole.OWNER, TeamRole.ADMIN)


def check_can_manage_people(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    _check(can_manage_people(principal), _("Only owners and admins manage people."))


def can_make_owner(principal: Principal) -> bool:
    """Tell whether the principal may make somebody an owner."""
    return principal.role is TeamRole.OWNER


def check_can_make_owner(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    _check(can_make_owner(principal), _("Only an owner can make somebody an owner."))


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
    _check(can_lock(principal, person), _("You cannot lock yourself. Another owner can do that."))


def can_remove(principal: Principal, person: Person) -> bool:
    """Tell whether the principal may remove a person; nobody removes themselves."""
    return _can_manage(principal, person) and person.id != principal.id


def check_can_remove(principal: Principal, person: Person) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal may not.
    """
    _check_can_manage(principal, person)
    _check(can_remove(principal, person), _("You cannot remove yourself. Another owner can do that."))


def can_see_team(principal: Principal) -> bool:
    """Tell whether the principal sees everybody of the team; a guest sees the people who run it."""
    return _is_no_guest(principal)


def check_can_see_team(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is a guest.
    """
    _check(can_see_team(principal), _("Guests see only the people who run the team."))


def can_hand_over_to(principal: Principal, person: Person) -> bool:
    """Tell whether the principal may hand a person what a leaving member alone holds.

    A guest holds nothing, and an admin does not get at the accounts of others by removing them.
    """
    return person.role is not TeamRole.GUEST and (person.id != principal.id or can_make_owner(principal))


def can_end_logins(principal: Principal) -> bool:
    """Tell whether the principal may see where everybody is logged in, and end those logins."""
    return principal.role is TeamRole.OWNER


def check_can_end_logins(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    _check(can_end_logins(principal), _("Only owners end the logins of others."))


def can_set_rules(principal: Principal) -> bool:
    """Tell whether the principal lays down rules for the whole team, such as that everybody needs a second factor."""
    return principal.role is TeamRole.OWNER


def check_can_set_rules(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    _check(can_set_rules(principal), _("Only owners set rules for the team."))


def can_read_metrics(principal: Principal) -> bool:
    """Tell whether the principal may read the numbers about this server, which count everybody's connections."""
    return principal.role in (TeamRole.OWNER, TeamRole.ADMIN)


def check_can_read_metrics(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    _check(can_read_metrics(principal), _("Only owners and admins read the numbers about this server."))


def can_see_doctor(principal: Principal) -> bool:
    """Tell whether the principal may see how this server stands with bunq, and have it checked."""
    return principal.role in (TeamRole.OWNER, TeamRole.ADMIN)


def check_can_see_doctor(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    _check(can_see_doctor(principal), _("Only owners and admins see how this server stands."))


def can_see_calls(principal: Principal) -> bool:
    """Tell whether the principal may see every call to bunq, which tells how much is read of each connection."""
    return principal.role is TeamRole.OWNER


def check_can_see_calls(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    _check(can_see_calls(principal), _("Only owners see the calls to bunq."))


def can_see_whole_audit_trail(principal: Principal) -> bool:
    """Tell whether the principal sees every event of the audit trail; all others see what concerns them."""
    return principal.role is TeamRole.OWNER


def check_can_see_whole_audit_trail(principal: Principal) -> None:
    """Make sure of the same.

    :raises NotPermitted: the principal is no owner.
    """
    _check(can_see_whole_audit_trail(principal), _("Only owners see the whole audit trail."))


def _is_no_guest(principal: Principal) -> bool:
    return principal.role is not TeamRole.GUEST


def _check(is_permitted: bool, text: str) -> None:
    if not is_permitted:
        raise NotPermitted(text)


def _can_manage(principal: Principal, person: Person) -> bool:
    """Tell whether the principal may manage a person at all: an admin manages everybody but owners."""
    return can_manage_people(principal) and (person.role is not TeamRole.OWNER or can_make_owner(principal))


def _check_can_manage(principal: Principal, person: Person) -> None:
    check_can_manage_people(principal)
    _check(_can_manage(principal, person), _("Only an owner can do this to an owner."))
