"""How collections look on pages, in a reminder and in a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

from bunqflask import clock
from bunqflask.exports.text import guarded, name_part
from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.models import InstructionState, Party
from bunqflask.services.instructions.collection_reading import CollectionView, ItemView
from bunqflask.web.instructions import presenters
from bunqflask.web.instructions.presenters import Pill
from bunqflask.web.ui import formatting

_COLUMNS = ("name", "payer", "amount", "currency", "state", "received", "paid_at", "link", "reference")


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """A person in the list of a collection."""

    id: int
    name: str
    payer: str
    amount: Decimal
    received: Decimal
    pill: Pill
    can_take_back: bool


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
        can_take_back=found.instruction.can_cancel and found.ended_at is None,
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
    found = item.instruction
    if item.ended_at is not None or found.state is not InstructionState.OPEN or found.share_url is None:
        return None
    days = max(0, (formatting.local_day(clock.now()) - formatting.local_day(found.opened_at or clock.now())).days)
    still = formatting.money((found.amount or Decimal(0)) - item.received, collection.currency)
    lines = [
        _("Hello %(name)s,") % {"name": item.name},
        "",
        _open_since(days) % {"amount": still, "what": collection.description, "n": days},
        _("You can pay here: %(address)s") % {"address": found.share_url},
        "",
        _("Kind regards,"),
        sender,
    ]
    text = "\n".join(lines)
    has_address = item.payer is not None and item.payer.type == "EMAIL"
    return Reminder(text, _mailto(item.payer.value, collection.name, text) if item.payer and has_address else "")


def file_name(collection: CollectionView) -> str:
    """Return what the file of a collection is called."""
    return f"{name_part(collection.name, longest=60) or 'collection'}.csv"


def to_csv(collection: CollectionView, items: Iterable[ItemView]) -> bytes:
    """Write a collection as a table that spreadsheets read, in which no text can become a formula."""
    stream = io.StringIO()
    rows = csv.writer(stream, delimiter=";")
    rows.writerow(_COLUMNS)
    for each in items:
        texts = (each.name, payer_text(each.payer))
        rows.writerow(
            (
                *map(guarded, texts),
                _number(each.instruction.amount),
                collection.currency,
                item_pill(each).text,
                _number(each.received),
                _time(each.paid_at),
                guarded(each.instruction.share_url or ""),
                each.instruction.reference,
            )
        )
    return b"\xef\xbb\xbf" + stream.getvalue().encode()


def _open_since(days: int) -> str:
    if days == 0:
        return _("%(amount)s for %(what)s is still open.")
    return ngettext(
        "%(amount)s for %(what)s is still open, since %(n)d day.",
        "%(amount)s for %(what)s is still open, since %(n)d days.",
        days,
    )


def _mailto(address: str, subject: str, text: str) -> str:
    # All signs that have a meaning in such an address are escaped: a payer's own address could add receivers.
    body = text.replace("\n", "\r\n")
    return f"mailto:{quote(address, safe='@')}?subject={quote(subject, safe='')}&body={quote(body, safe='')}"


def _number(amount: Decimal | None) -> str:
    return f"{amount or 0:.2f}".replace(".", ",")


def _time(when: datetime | None) -> str:
    return formatting.iso(when) if when is not None else ""
