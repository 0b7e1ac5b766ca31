"""What people do with cards: freeze them, use them again, set limits. Never a PIN."""

from __future__ import annotations

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import CardBody, Instruction, InstructionKind
from bunqflask.services.instructions import preparing
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.principal import Principal


def change_within(principal: Principal, account_id: int, body: CardBody) -> Instruction:
    """Let a card be changed, within the caller's transaction; one change of a card at a time.

    Whether the card pays from the account is known by bunq, and looked at before it is changed.

    :param account_id: our id of the account that it pays from, which the principal holds.
    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they do not hold it, or it is switched off (`AbilityOff`).
    :raises InstructionRefused: a limit is none, or another change is on its way.
    """
    row = preparing.prepare_within(principal, account_id, body)
    query = select(Instruction).filter_by(connection_id=row.connection_id, kind=InstructionKind.CARD, ended_at=None)
    for other in db.session.scalars(query.where(Instruction.id != row.id)):
        if isinstance(other.body, CardBody) and other.body.card_id == body.card_id:
            raise InstructionRefused(_("This card is being changed just now. Try again in a minute."))
    return row
