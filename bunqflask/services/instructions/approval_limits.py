"""What may be approved of drafts in one day, of a connection in all and by one person."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import case, func, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Instruction, InstructionKind, InstructionState
from bunqflask.services.instructions import abilities
from bunqflask.services.payments import local_days
from bunqflask.services.policy import NotPermitted
from bunqflask.services.principal import Principal

_MOVES_NOTHING = (InstructionState.CANCELLED, InstructionState.FAILED, InstructionState.REJECTED)


@dataclass(frozen=True)
class Limits:
    """What may be approved of drafts in one day, in euros, and what was: in all, and by one person; None: any sum."""

    in_all: Decimal | None
    by_one: Decimal | None
    approved: Decimal
    approved_by_you: Decimal


def limits_today(principal: Principal, connection_id: int, *, lock: bool = False) -> Limits:
    """Return a connection's limits, and how much of them this local day has used up.

    :param lock: let no other approval of the connection pass until the caller's transaction has ended.
    """
    in_all, by_one = abilities.limits_of(connection_id, lock=lock)
    if in_all is None and by_one is None:
        return Limits(in_all, by_one, Decimal(0), Decimal(0))
    day = local_days.start_of(local_days.day_of(clock.now()))
    is_own = case((Instruction.approved_by_id == principal.id, Instruction.amount), else_=None)
    query = select(func.sum(Instruction.amount), func.sum(is_own))
    query = query.filter_by(connection_id=connection_id, kind=InstructionKind.DRAFT)
    query = query.where(Instruction.approved_at >= day, Instruction.state.not_in(_MOVES_NOTHING))
    approved, by_you = db.session.execute(query).one()
    return Limits(in_all, by_one, approved or Decimal(0), by_you or Decimal(0))


def check(principal: Principal, connection_id: int, amount: Decimal) -> None:
    """Make sure that an approval keeps the connection's limits for this local day, within the caller's transaction.

    :raises NotPermitted: it does not.
    """
    limits = limits_today(principal, connection_id, lock=True)
    if limits.in_all is not None and limits.approved + amount > limits.in_all:
        raise NotPermitted(
            _(
                "With it more would be approved today than the limit of this connection allows. Approve it tomorrow, "
                "or ask an owner to raise the limit."
            )
        )
    if limits.by_one is not None and limits.approved_by_you + amount > limits.by_one:
        raise NotPermitted(_("With it you would approve more today than one person may. Somebody else can approve it."))
