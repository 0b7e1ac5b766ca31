"""How collections look on pages."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

from bunqflask.i18n import gettext as _
from bunqflask.models import Party
from bunqflask.services.instructions import collection_files
from bunqflask.services.instructions.collection_reading import CollectionView, ItemView
from bunqflask.web.instructions import presenters
from bunqflask.web.instructions.presenters import Pill
from bunqflask.web.ui import formatting


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """A person in the list of a collection."""

    id: int
    name: str
    payer: str
    amount: Decimal
    received: Decimal
    pill: Pill
    instruction_id: int
    can_ask_again: bool


@dataclass(frozen=True)
class Reminder:
    """A text that a member copies and sends; `mailto` begins it in their mail program, where there is an address."""

    text: str
    mailto: str


def collection_pill(found: CollectionView) -> Pill:
    """Return how far a collection is, in words."""
    if found.closed_at is None:
        return Pill("info", _("%(n)d of %(all)d paid") % {"n": found.paid, "all": found.people}, "clock")
    if found.paid == found.people:
        return Pill("ok", _("All paid"), "tick")
    return Pill("", _("Closed, %(n)d of %(all)d paid") % {"n": found.paid, "all": found.people}, "tick")


def item_row(found: ItemView) -> ItemRow:
    """Return a person as a row of the list."""
    return ItemRow(
        id=found.id,
        name=found.name,
        payer=payer_text(found.payer),
        amount=found.instruction.amount or Decimal(0),
        received=found.received,
        pill=item_pill(found),
        instruction_id=found.instruction.id,
        can_ask_again=found.can_ask_again,
    )


def item_pill(found: ItemView) -> Pill:
    """Return whether somebody has paid, or how far their request or link is."""
    if found.paid_at is not None:
        return Pill("ok", _("Paid"), "tick")
    if found.received:
        return Pill("warn", _("Paid in part"), "clock")
    return presenters.pill(found.instruction)


def payer_text(payer: Party | None) -> str:
    """Return whom a person is asked by, as it is read."""
    if payer is None:
        return ""
    return formatting.iban(payer.value) if payer.type == "IBAN" else payer.value


def reminder(collection: CollectionView, item: ItemView, sender: str) -> Reminder | None:
    """Return a reminder for somebody who has not paid; None where there is nothing to pay by."""
    text = collection_files.reminder(collection, item, sender)
    if text is None:
        return None
    has_address = item.payer is not None and item.payer.type == "EMAIL"
    return Reminder(text, _mailto(item.payer.value, collection.name, text) if item.payer and has_address else "")


def columns() -> list[tuple[str, str]]:
    """Return the columns that a file of a collection can have, with what they are called on the page."""
    names = {
        "name": _("Name"),
        "payer": _("Email, phone number or IBAN"),
        "amount": _("Amount"),
        "currency": _("Currency"),
        "state": _("State"),
        "received": _("Came in"),
        "paid_at": _("When it was seen as paid"),
        "link": _("Address to share"),
        "reference": _("Reference"),
    }
    return [(each, names[each]) for each in collection_files.COLUMNS]


def _mailto(address: str, subject: str, text: str) -> str:
    # All signs that have a meaning in such an address are escaped: a payer's own address could add receivers.
    body = text.replace("\n", "\r\n")
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}&body={quote(body, safe='')}"
