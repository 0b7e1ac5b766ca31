"""From the read models of payments to what the pages show of them: days, rows, totals, and all that is known of one."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

import msgspec
from flask import url_for
from markupsafe import Markup

from bunqflask import clock, invisible
from bunqflask.i18n import gettext as _
from bunqflask.services.payments import local_days, totals
from bunqflask.services.payments.lines import ChangeOfPayment, Direction, PaymentDetail, PaymentLine
from bunqflask.services.payments.search import Cursor, Page, Search
from bunqflask.services.payments.tokenizer import search_text
from bunqflask.services.payments.totals import Totals
from bunqflask.web.payments import filter_form
from bunqflask.web.payments.filter_form import account_label, type_label
from bunqflask.web.payments.place import Place, account_url
from bunqflask.web.ui import formatting
from bunqflask.web.ui.icons import icon

_FOREIGN = re.compile(
    r"(?:^|\s)(\d{1,12}(?:\.\d{1,4})?) ([A-Z]{3}), (1 [A-Z]{3} = \d[\d.]{0,15} [A-Z]{3})\s*$", re.ASCII
)
_TYPE_ICONS = {
    "BUNQ": "accounts",
    "EBA_SCT": "bank",
    "EBA_SDD": "file",
    "IDEAL": "browser",
    "MASTERCARD": "card",
    "MAESTRO": "card",
    "FIS": "card",
    "SWIFT": "external",
    "INTEREST": "investment",
}


@dataclass(frozen=True)
class Money:
    """An amount in its currency."""

    amount: Decimal
    currency: str


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One payment as a line of the list; `account` is named where several accounts are listed, `text` may be empty."""

    id: int
    url: str
    name: str
    time: str
    kind: Markup
    direction: Direction
    amount: Decimal
    currency: str
    text: str
    account: str | None


@dataclass(frozen=True, kw_only=True)
class DayGroup:
    """The payments of one day; `continued` when the page before has begun it: that page shows its total."""

    id: str
    day: date
    title: str
    totals: list[Money]
    rows: list[PaymentRow]
    continued: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """How much a view shows, of how much, and what it adds up to in each currency.

    `shown` is None where so much is found that the page does not wait for it to be added up.
    """

    shown: int | None
    shown_text: str
    all_text: str
    sums: list[Totals]


@dataclass(frozen=True)
class Foreign:
    """What a purchase cost in a foreign currency, and at which rate, as bunq words it."""

    amount: Decimal
    currency: str
    rate: str


@dataclass(frozen=True, kw_only=True)
class PaymentView:
    """One payment with all that is known of it.

    `other_side` is the address of the same transfer over there; `alike_url` that of all with the same other side.
    """

    row: PaymentRow
    account_name: str
    account_url: str
    type_label: str
    bunq_type: str
    bunq_id: int
    created_at: datetime
    updated_at: datetime
    description: str
    counterparty_name: str
    counterparty_iban: str | None
    balance_after: Decimal | None
    other_side: str | None
    alike_url: str | None
    foreign: Foreign | None
    raw: str
    extra: list[tuple[str, str]]
    changes: tuple[ChangeOfPayment, ...]
    withdrawn_at: datetime | None


def day_title(day: date, today: date) -> str:
    """A day as a heading: with its weekday or Today or Yesterday, and with its year unless that is this one."""
    # With both, the heading is too long for a phone.
    named = {today: _("Today, %(day)s"), today - timedelta(days=1): _("Yesterday, %(day)s")}.get(day, "%(day)s")
    words = formatting.day(day, "week" if named == "%(day)s" else "day_month")
    return named % {"day": words + ("" if day.year == today.year else f" {day.year}")}


def row(line: PaymentLine, urls: tuple[str, str], account: str | None) -> PaymentRow:
    """Show one payment as a line.

    :param urls: what stands before and after the row id in its address.
    :param account: the name of its account, where payments of others stand beside it.
    """
    name = formatting.name(line.own_account_name if line.is_own else line.counterparty_name)
    if not line.counterparty_name.strip() and line.counterparty_iban:
        name = formatting.iban(line.counterparty_iban)
    before, after = urls
    return PaymentRow(
        id=line.id,
        url=f"{before}{line.id}{after}",
        name=_("%(name)s (own account)") % {"name": name} if line.is_own else name,
        time=formatting.clock(line.created_at),
        kind=_own_kind() if line.is_own else _kind(line.type),
        direction=line.direction,
        amount=line.amount,
        currency=line.currency,
        text=_without_name(line),
        account=account,
    )


def _without_name(line: PaymentLine) -> str:
    """The description, without the other side's name at its beginning: that stands beside it already."""
    text, name = formatting.one_line(line.description), formatting.one_line(line.counterparty_name)
    if name and text[: len(name)].casefold() == name.casefold() and not text[len(name) : len(name) + 1].isalnum():
        return text[len(name) :].lstrip(" ,;:.-–—/")
    return text


@lru_cache(64)
def _kind(kind: str) -> Markup:
    return _labelled_icon(_TYPE_ICONS.get(kind, "unknown"), type_label(kind))


@cache
def _own_kind() -> Markup:
    return _labelled_icon("own", _("Own transfer"))


def _labelled_icon(name: str, label: str) -> Markup:
    frame = Markup('<span class="kind" role="img" aria-label="{0}" title="{0}">{1}</span>')
    return frame.format(label, icon(name))


def days(page: Page, search: Search, urls: tuple[str, str], *, after: Cursor | None = None) -> list[DayGroup]:
    """Group a page by day, with what each whole day adds up to under the same filter.

    :param urls: what stands before and after the row id in the addresses of its payments.
    :param after: the place at which the page before this one ended, if there is one.
    """
    several, today = len(search.account_ids) > 1, local_days.day_of(clock.now())
    labels = _account_labels(search) if several else {}
    sums = totals.of_days_of(page, search)
    begun = local_days.day_of(after.time) if after else None
    return [
        DayGroup(
            id=f"day-{lines[0].id}",
            day=day,
            title=day_title(day, today),
            totals=[_change(each, several=several) for each in sums[day]],
            rows=[row(each, urls, labels.get(each.account_id)) for each in lines],
            continued=day == begun,
        )
        for day, lines in (
            (day, list(lines)) for day, lines in groupby(page.lines, lambda each: local_days.day_of(each.created_at))
        )
    ]


def _account_labels(search: Search) -> dict[int, str]:
    """The names of the accounts of a search, with the end of the IBAN where two have the same."""
    accounts = [search.scope.accounts[each] for each in search.account_ids]
    counts = Counter(each.name for each in accounts)
    return {
        each.id: account_label(each) if counts[each.name] > 1 else formatting.name(each.name, 60) for each in accounts
    }


def result(search: Search, everything: Search, whole: Page | None, *, waits: bool) -> Result:
    """Show what a view adds up to; without `waits`, a search that finds much is left to be added up later.

    :param whole: the page, if it holds all that is found.
    """
    stored = None if search == everything else formatting.number(totals.count_of(everything))
    if whole is None and stored is not None and not waits and search.finds_many:
        return Result(shown=None, shown_text=_("Many"), all_text=stored, sums=[])
    found = totals.of_all(search) if whole is None else totals.of_page(whole)
    shown = sum(each.count for each in found)
    return Result(
        shown=shown, shown_text=formatting.number(shown), all_text=stored or formatting.number(shown), sums=found
    )


def place_title(here: Place) -> str:
    """Name a list as its payments' back links do: by its account and filters."""
    title = _("Payments")
    if here.account is not None:
        title = _("Payments of %(name)s") % {"name": formatting.name(here.account.name)}
    if not here.asked.chips:
        return title
    return f"{title}: {formatting.name(', '.join(chip.text for chip in here.asked.chips), 60)}"


def detail(payment: PaymentDetail, urls: tuple[str, str]) -> PaymentView:
    """Show one payment with everything that is known of it."""
    line, other = payment.line, payment.other_side_id
    kinds = [formatting.name(each, 40) for each in (line.type, payment.sub_type) if each]
    return PaymentView(
        row=row(line, urls, None),
        account_name=formatting.name(payment.account.name),
        account_url=account_url(payment.account),
        type_label=type_label(line.type),
        bunq_type=" / ".join(kinds),
        bunq_id=payment.payment_id,
        created_at=line.created_at,
        updated_at=payment.updated_at,
        description=line.description,
        counterparty_name=line.counterparty_name,
        counterparty_iban=line.counterparty_iban,
        balance_after=payment.balance_after,
        other_side=url_for("payments.show", payment_row_id=other) if other is not None else None,
        alike_url=_alike_url(line),
        foreign=foreign(line.description),
        raw=readable_json(payment.raw),
        extra=_extra(payment.raw),
        changes=payment.changes,
        withdrawn_at=payment.withdrawn_at,
    )


def foreign(description: str) -> Foreign | None:
    """Return the facts of a purchase in a foreign currency, which bunq writes at the end of the description."""
    found = _FOREIGN.search(description)
    return Foreign(Decimal(found[1]), found[2], found[3]) if found else None


def _alike_url(line: PaymentLine) -> str | None:
    """The address of all payments with the same other side: by its IBAN, or by its name where it has none."""
    words = line.counterparty_iban or line.counterparty_name
    return url_for("payments.home", q=words[: filter_form.LONGEST]) if search_text(words) else None


def readable_json(raw: dict[str, Any]) -> str:
    """JSON to look at, with every sign that is invisible or turns the text around spelled out."""
    return invisible.spell_out(json.dumps(raw, ensure_ascii=False, indent=2, sort_keys=True))


def _change(of_day: Totals, *, several: bool) -> Money:
    """On one account the change of its balance; over several, transfers between them change nothing."""
    amount = of_day.money_in + of_day.money_out
    return Money(amount if several else amount + of_day.own, of_day.currency)


def _extra(raw: dict[str, Any]) -> list[tuple[str, str]]:
    """What bunq tells beside the usual, in words: all of it is in the raw JSON as well."""
    labels = {
        "merchant_reference": _("Merchant’s reference"),
        "batch_id": _("Batch"),
        "scheduled_id": _("Scheduled payment"),
    }
    return [(label, str(raw[key])) for key, label in labels.items() if raw.get(key) not in (None, "")]
