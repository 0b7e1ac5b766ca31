"""Who may prepare, approve and see instructions. Guests never do; to all others they are part of an account.

Drafts and notes can be prepared by those who see an account in full: a draft is approved by another member and then
accepted by the holder at bunq. What asks others for money, or moves it, takes more.
"""

from __future__ import annotations

from sqlalchemy import func, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Ability, Instruction, InstructionKind, TeamMember, TeamRole
from bunqflask.services import policy
from bunqflask.services.policy import NotFoundHere, NotPermitted, VisibleAccount
from bunqflask.services.principal import Principal

ABILITY_OF = {
    InstructionKind.DRAFT: Ability.DRAFTS,
    InstructionKind.REQUEST: Ability.REQUESTS,
    InstructionKind.LINK: Ability.LINKS,
    InstructionKind.TRANSFER: Ability.TRANSFERS,
    InstructionKind.NOTE: Ability.NOTES,
    InstructionKind.FILE: Ability.NOTES,
    InstructionKind.CARD: Ability.CARDS,
}
# Prepared by those who see the account in full.
_OF_READERS = (InstructionKind.DRAFT, InstructionKind.NOTE, InstructionKind.FILE)
# For those who hold the account here alone, whatever their role.
_OF_HOLDERS = (InstructionKind.TRANSFER, InstructionKind.CARD)


def may_see_instructions(principal: Principal) -> bool:
    """Tell whether there are instructions for the principal at all: not for guests."""
    return principal.role is not TeamRole.GUEST


def accounts_in_full(principal: Principal) -> dict[int, VisibleAccount]:
    """Return the accounts of which the principal sees all payments, by our ids; none to a guest."""
    if not may_see_instructions(principal):
        return {}
    return {key: each for key, each in policy.accounts_seen_by(principal).items() if each.right.first_day is None}


def account_in_full(principal: Principal, account_id: int) -> VisibleAccount:
    """Return an account of which the principal sees all payments.

    :raises NotFoundHere: they do not, or they are a guest.
    """
    found = accounts_in_full(principal).get(account_id)
    if found is None:
        raise NotFoundHere
    return found


def can_prepare(principal: Principal, account: VisibleAccount, kind: InstructionKind) -> bool:
    """Tell whether somebody who sees an account in full may prepare an instruction on it."""
    if kind in _OF_READERS:
        return True
    return account.right.is_held or (kind not in _OF_HOLDERS and _runs_team(principal))


def check_can_prepare(principal: Principal, account_id: int, kind: InstructionKind) -> VisibleAccount:
    """Make sure of the same, and return the account.

    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they see it, and may not.
    """
    account = account_in_full(principal, account_id)
    if not can_prepare(principal, account, kind):
        raise NotPermitted(_("The account is shared with you to read. One of its holders, or an owner, can do this."))
    return account


def can_approve(principal: Principal, account: VisibleAccount, prepared_by_id: int | None) -> bool:
    """Tell whether the principal may approve a draft: somebody else than who prepared it, unless they are alone."""
    return decides(principal, account) and (principal.id != prepared_by_id or is_alone(principal))


def decides(principal: Principal, account: VisibleAccount) -> bool:
    """Tell whether drafts of others on an account are the principal's to approve, to send back and to take back."""
    return account.right.is_held or _runs_team(principal)


def is_alone(principal: Principal) -> bool:
    """Tell whether the principal is the only one here but guests and locked members: nobody else can approve."""
    query = select(func.count()).select_from(TeamMember).where(policy.has_access(clock.now()))
    return db.session.scalar(query.where(TeamMember.role != TeamRole.GUEST, TeamMember.id != principal.id)) == 0


def why_not_sent(instruction: Instruction) -> str:
    """Return why an instruction must not be sent although it is ready, for the log; empty when it may be.

    Rights are asked for once more: who prepared or approved it may have lost them since.
    """
    kind = instruction.kind
    if (preparer := member_with_access(instruction.member_id)) is None:
        return "who prepared it has no access any more"
    account = accounts_in_full(preparer).get(instruction.account_id)
    if account is None or not can_prepare(preparer, account, kind):
        return "who prepared it lost the right on the account"
    if kind is InstructionKind.DRAFT:
        approver = member_with_access(instruction.approved_by_id)
        seen = accounts_in_full(approver).get(instruction.account_id) if approver is not None else None
        if approver is None or seen is None or not can_approve(approver, seen, instruction.member_id):
            return "who approved it may not any more"
    return ""


def member_with_access(member_id: int | None) -> TeamMember | None:
    """Return a member who may log in now; None for one who was locked or removed."""
    query = select(TeamMember).where(TeamMember.id == member_id, policy.has_access(clock.now()))
    return db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def _runs_team(principal: Principal) -> bool:
    return principal.role in (TeamRole.OWNER, TeamRole.ADMIN)
