"""Who is to hear of a draft: those for whom it waits, and those who prepared or approved it."""

from __future__ import annotations

from sqlalchemy import or_, select

from bunqflask.extensions import db
from bunqflask.models import Instruction, InstructionState
from bunqflask.services.instructions import rights
from bunqflask.services.principal import Principal


def waits_for(principal: Principal, instruction_id: int) -> bool:
    """Tell whether a draft waits for an approval that somebody may give who did not prepare it."""
    row = db.session.get(Instruction, instruction_id, populate_existing=True)
    if row is None or row.state is not InstructionState.PREPARED or row.sent_back or row.member_id == principal.id:
        return False
    account = rights.accounts_in_full(principal).get(row.account_id)
    return account is not None and rights.can_approve(principal, account, row.member_id)


def is_theirs(principal: Principal, instruction_id: int) -> bool:
    """Tell whether somebody prepared or approved a draft, and still sees its account in full."""
    is_own = or_(Instruction.member_id == principal.id, Instruction.approved_by_id == principal.id)
    query = select(Instruction.account_id).where(Instruction.id == instruction_id, is_own)
    return db.session.scalar(query) in rights.accounts_in_full(principal)
