"""From stored payments to what the pages show of them: days, rows, totals, and all that is known of one."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

from babel.numbers import format_decimal
from flask import url_for

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.models import Payment, PaymentChange
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import repository, search, totals
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter, Page
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import late_changes
from bunqflask.web.payments.filter_form import span_of, type_words
from bunqflask.web.ui import formatting

Direction = Literal["in", "out", "own"]


@dataclass(frozen=True)
class Money:
    """An amount in its currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, kw_only=True)
class PaymentRow:
    """One payment as a line of the list; `account` is named where several accounts are listed."""

    id: int
    url: str
    name: str
    initials: str
    direction: Direction
    amount: Decimal
    currency: str
    meta: list[str]


@dataclass(frozen=True, kw_only=True)
class DayGroup:
    """The payments of one day; `continued` when the page before has begun it."""

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


@dataclass(frozen=True, kw_only=True)
class PaymentDetail:
    """One payment with all that is known of it; `other_side` is the address of the same transfer over there."""

    row: PaymentRow
    payment: Payment
    account_name: str
    account_url: str
    type_label: str
    balance_after: Decimal | None
    other_side: str | None
    raw: str
    extra: list[tuple[str, str]]
    changes: list[PaymentChange]


def number(value: int) -> str:
    """A count as people write it: 1,412."""
    return str(format_decimal(value, locale=formatting.LOCALE))


def local_day(moment: datetime) -> date:
    """The day on which a moment falls in this site's zone."""
    return moment.astimezone(formatting.zone()).date()


def day_title(day: date, today: date) -> str:
    """A day as a heading: with Today or Yesterday, and with its year unless that is this one."""
    words = formatting.day(day, "week") + ("" if day.year == today.year else f" {day.year}")
    if day == today:
        return _("Today, %(day)s") % {"day": words}
    return _("Yesterday, %(day)s") % {"day": words} if day == today - timedelta(days=1) else words


def row(payment: Payment, scope: Scope, *, several: bool) -> PaymentRow:
    """Show one payment as a line; `several` when payments of other accounts stand beside it."""
    own = repository.is_own(scope, payment)
    kind = type_words(payment.type)
    meta = [formatting.name(scope.accounts[payment.account_id].name, 60)] if several else []
    if not payment.description.strip() or payment.type not in ("BUNQ", "EBA_SCT"):
        meta.append(kind)
    if payment.description.strip():
        meta.append(formatting.name(payment.description))
    name = _counterparty(payment, scope) if own else formatting.name(payment.counterparty_name)
    if not payment.counterparty_name.strip() and payment.counterparty_iban:
        name = formatting.iban(payment.counterparty_iban)
    return PaymentRow(
        id=payment.id,
        url=url_for("payments.show", payment_row_id=payment.id),
        name=_("%(name)s (own account)") % {"name": name} if own else name,
        initials=formatting.initials(name)[:2] or "?",
        direction="own" if own else "in" if payment.amount > 0 else "out",
        amount=payment.amount,
        currency=payment.currency,
        meta=meta,
    )


def days(page: Page, scope: Scope, wanted: Filter, *, before: Payment | None = None) -> list[DayGroup]:
    """Group a page by day, with what each whole day adds up to under the same filter.

    :param before: the last payment of the page before this one, if there is one.
    """
    several = wanted.account_id is None
    today = local_day(clock.now())
    groups = [(day, list(found)) for day, found in groupby(page.payments, lambda each: local_day(each.created_at))]
    sums = _day_sums(scope, wanted, {day for day, _found in groups})
    shown = []
    for position, (day, found) in enumerate(groups):
        totals = [_change(each, several=several) for each in sums.get(day, [])]
        shown.append(
            DayGroup(
                id=f"day-{found[0].id}",
                day=day,
                title=day_title(day, today),
                totals=totals,
                rows=[row(each, scope, several=several) for each in found],
                continued=position == 0 and before is not None and local_day(before.created_at) == day,
            )
        )
    return shown


def result(scope: Scope, wanted: Filter, everything: Filter, *, waits: bool) -> Result:
    """Show what a view adds up to; without `waits`, a search that finds much is left to be added up later."""
    stored = sum(each.count for each in totals.totals(scope, everything))
    if wanted == everything:
        found = totals.totals(scope, wanted)
    elif not waits and search.finds_many(scope, wanted):
        return Result(shown=None, shown_text=_("Many"), all_text=number(stored), sums=[])
    else:
        found = totals.totals(scope, wanted)
    shown = sum(each.count for each in found)
    return Result(shown=shown, shown_text=number(shown), all_text=number(stored), sums=found)


def account_url(account: AccountBalance, **more: str) -> str:
    """The address of the payments of one account."""
    return url_for(
        "payments.index",
        connection_id=account.connection_id,
        monetary_account_id=account.monetary_account_id,
        **more,  # type: ignore[arg-type]
    )


def detail(payment: Payment, account: AccountBalance, raw: dict[str, Any], scope: Scope) -> PaymentDetail:
    """Show one payment with everything that is known of it."""
    other = repository.other_side(scope, payment, account)
    return PaymentDetail(
        row=row(payment, scope, several=False),
        payment=payment,
        account_name=formatting.name(account.name),
        account_url=account_url(account),
        type_label=type_words(payment.type),
        balance_after=payment.balance_after,
        other_side=url_for("payments.show", payment_row_id=other.id) if other else None,
        raw=readable_json(raw),
        extra=_extra(raw),
        changes=late_changes.of_payment(payment),
    )


def readable_json(raw: dict[str, Any]) -> str:
    """JSON to look at, with every sign that is invisible or turns the text around spelled out."""
    text = json.dumps(raw, ensure_ascii=False, indent=2, sort_keys=True)
    return "".join(
        sign if sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Co", "Cs") else f"\\u{ord(sign):04x}"
        for sign in text
    )


def _counterparty(payment: Payment, scope: Scope) -> str:
    """The name of our own account at the other side."""
    found = [each for each in scope.accounts.values() if each.iban and each.iban == payment.counterparty_iban]
    return formatting.name(found[0].name if found else payment.counterparty_name)


def _day_sums(scope: Scope, wanted: Filter, found: set[date]) -> dict[date, list[Totals]]:
    """What whole days add up to, also those parts that are on other pages."""
    if not found:
        return {}
    sums = totals.sums(scope, wanted, [span_of(day) for day in sorted(found)])
    return {local_day(since): each for since, each in sums.items()}


def _change(totals: Totals, *, several: bool) -> Money:
    """On one account the change of its balance; over several, transfers between them change nothing."""
    amount = totals.money_in + totals.money_out
    return Money(amount if several else amount + totals.own, totals.currency)


def _extra(raw: dict[str, Any]) -> list[tuple[str, str]]:
    """What bunq tells beside the usual, in words: all of it is in the raw JSON as well."""
    labels = {
        "merchant_reference": _("Merchant’s reference"),
        "batch_id": _("Batch"),
        "scheduled_id": _("Scheduled payment"),
    }
    return [(label, str(raw[key])) for key, label in labels.items() if raw.get(key) not in (None, "")]
