"""Cards as their pages show them: what each is called, its state in words, and changes of cards."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bunqflask.i18n import gettext as _
from bunqflask.models import CardBody, InstructionState
from bunqflask.services.instructions.cards import CardOfAccount
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.web.instructions import presenters
from bunqflask.web.instructions.presenters import Pill


@dataclass(frozen=True, kw_only=True)
class ShownCard:
    """A card in a list. Limits are for a day, in `currency`; None: bunq does not say.

    `label` names it in a sentence. `can_freeze`, `can_unfreeze` and `can_limit` are what can be done with it now.
    """

    id: int
    connection_id: int
    label: str
    name: str
    second_line: str
    last_four: str
    product: str
    pill: Pill
    account_id: int
    account_name: str
    currency: str
    limit: Decimal | None
    limit_atm: Decimal | None
    can_freeze: bool
    can_unfreeze: bool
    can_limit: bool


@dataclass(frozen=True, kw_only=True)
class ShownChange:
    """A change of a card, and how far it is; `changes_soon` while bunq is still to be asked, or to answer."""

    found: InstructionView
    title: str
    about: str
    pill: Pill
    explanation: str
    can_cancel: bool
    changes_soon: bool


def present(found: CardOfAccount) -> ShownCard:
    """Return a card for its list."""
    product = found.product.replace("_", " ").capitalize() or _("Card")
    return ShownCard(
        id=found.card_id,
        connection_id=found.connection_id,
        label=f"{product} ··{found.last_four}" if found.last_four else product,
        name=found.name,
        second_line=found.second_line,
        last_four=found.last_four,
        product=product,
        pill=_pill(found),
        account_id=found.account_id,
        account_name=found.account_name,
        currency=found.currency,
        limit=found.limit,
        limit_atm=found.limit_atm,
        can_freeze=found.is_in_use and not found.is_frozen,
        can_unfreeze=found.is_in_use and found.is_frozen,
        can_limit=found.is_in_use,
    )


def change(found: InstructionView) -> ShownChange:
    """Return a change of a card for its page.

    :raises ValueError: it is none.
    """
    if not isinstance(found.body, CardBody):
        raise ValueError(f"instruction {found.id} is no change of a card")
    row = presenters.row(found)
    return ShownChange(
        found=found,
        title=row.title,
        about=row.about,
        pill=row.pill,
        explanation=presenters.explanation(found),
        can_cancel=found.can_cancel and found.state is InstructionState.WAITING,
        changes_soon=presenters.changes_soon(found),
    )


def _pill(found: CardOfAccount) -> Pill:
    if not found.is_in_use:
        return Pill("", found.state_text.replace("_", " ").capitalize() or _("Not in use"), "minus")
    return Pill("warn", _("Frozen"), "lock") if found.is_frozen else Pill("ok", _("In use"), "tick")
