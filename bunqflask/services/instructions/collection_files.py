"""Collections for people to send and to keep: the text of a reminder, and a table for a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from babel.numbers import format_currency

from bunqflask import clock
from bunqflask.exports.table import Cell, Table
from bunqflask.exports.text import name_part
from bunqflask.i18n import gettext as _
from bunqflask.i18n import ngettext
from bunqflask.services.instructions.collection_reading import CollectionView, ItemView, PersonState
from bunqflask.services.payments import local_days

# The columns that a table can have, in their order.
_CELLS: dict[str, Callable[[CollectionView, ItemView], Cell]] = {
    "name": lambda _all, each: each.name,
    "payer": lambda _all, each: each.payer.value if each.payer else "",
    "amount": lambda _all, each: each.instruction.amount,
    "currency": lambda all_, _each: all_.currency,
    "state": lambda _all, each: each.state.value,
    "received": lambda _all, each: each.received,
    "paid_at": lambda _all, each: _time(each.paid_at),
    "link": lambda _all, each: each.instruction.share_url,
    "reference": lambda _all, each: each.instruction.reference,
}
COLUMNS = tuple(_CELLS)
_BYTE_ORDER_MARK = "\ufeff"


def reminder(collection: CollectionView, item: ItemView, sender: str) -> str | None:
    """Return a reminder for somebody who has not paid; None where there is nothing to pay by, or a payment is coming.

    :param sender: the name that stands below it.
    """
    found = item.instruction
    if item.state not in (PersonState.OPEN, PersonState.PAID_IN_PART) or found.ended_at or found.share_url is None:
        return None
    days = max(0, (local_days.day_of(clock.now()) - local_days.day_of(found.opened_at or clock.now())).days)
    still = format_currency((found.amount or Decimal(0)) - item.received, collection.currency, locale="en")
    lines = [
        _("Hello %(name)s,") % {"name": item.name},
        "",
        _open_since(days) % {"amount": still, "what": collection.description, "n": days},
        _("You can pay here: %(address)s") % {"address": found.share_url},
        "",
        _("Kind regards,"),
        sender,
    ]
    return "\n".join(lines)


def file_name(collection: CollectionView) -> str:
    """Return what the file of a collection is called."""
    return f"{name_part(collection.name, longest=60) or 'collection'}.csv"


def to_csv(collection: CollectionView, items: Iterable[ItemView], columns: Sequence[str], *, has_commas: bool) -> bytes:
    """Write a collection as a table that spreadsheets read, in which no text can become a formula.

    :param columns: some of `COLUMNS`.
    :param has_commas: write 12,50 and put semicolons between the cells; else 12.50 and commas.
    """
    chosen = tuple(each for each in COLUMNS if each in columns)
    table = Table(chosen, [[_CELLS[name](collection, each) for name in chosen] for each in items])
    separator, mark = (";", ",") if has_commas else (",", ".")
    return (_BYTE_ORDER_MARK + table.as_csv(separator=separator, mark=mark)).encode()


def _open_since(days: int) -> str:
    if days == 0:
        return _("%(amount)s for %(what)s is still open.")
    return ngettext(
        "%(amount)s for %(what)s is still open, since %(n)d day.",
        "%(amount)s for %(what)s is still open, since %(n)d days.",
        days,
    )


def _time(when: datetime | None) -> str:
    return when.astimezone(local_days.zone()).isoformat(timespec="seconds") if when is not None else ""
