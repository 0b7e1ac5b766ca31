"""From stored payments to what the pages show of them: days, rows, totals, and how far each account is read."""

from __future__ import annotations

import json
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

from babel.numbers import format_decimal
from flask import url_for

from bunqflask import clock
from bunqflask.models import AccountSync, Connection, MonetaryAccount, Payment, PaymentChange
from bunqflask.services import changes, ledger, payment_sums, payments, progress, sync
from bunqflask.services.payment_search import Filter, Page
from bunqflask.services.payment_sums import Totals
from bunqflask.services.payments import Scope
from bunqflask.texts import gettext as _
from bunqflask.web import formats, reasons
from bunqflask.web.payment_filters import span_of, type_words
from bunqflask.web.presenters import Icon, icon

Direction = Literal["in", "out", "own"]
_MOST_GAPS = 5
_MOST_CHANGES = 3
_MOST_TOTALS = 500

_totals: OrderedDict[Hashable, list[Totals]] = OrderedDict()
_lock = threading.Lock()


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
    """How much a view shows, of how much, and what it adds up to in each currency."""

    shown: int
    shown_text: str
    all_text: str
    sums: list[Totals]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A place where payments do not add up, and what it seems to be; `url` is the address of its payment."""

    kind: ledger.Kind
    after: datetime | None
    before: datetime
    missing: Money
    url: str


@dataclass(frozen=True, kw_only=True)
class LateChanges:
    """Payments that of late changed, or came after later ones had been read; the newest by name and address."""

    days: int
    count: int
    newest: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class ReadingState:
    """How far the payments of one account are read and proved; all moments are UTC."""

    account_id: int
    name: str
    url: str
    icon: Icon
    level: Literal["ok", "warn", "neutral"]
    pill: str
    reading: bool
    kept_text: str | None = None
    # while it is read: of about how many, and in how many seconds bunq allows the next call
    expected_text: str | None = None
    next_call_s: int = 0
    verified_until: datetime | None = None
    verified_again: datetime | None = None
    gaps: list[Gap] = field(default_factory=list)
    more_gaps: int = 0
    read_at: datetime | None = None
    next_try_at: datetime | None = None
    why: str | None = None
    may_read: bool = True


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
    return str(format_decimal(value, locale=formats.LOCALE))


def local_day(moment: datetime) -> date:
    """The day on which a moment falls in this site's zone."""
    return moment.astimezone(formats.zone()).date()


def day_title(day: date, today: date) -> str:
    """A day as a heading: with Today or Yesterday, and with its year unless that is this one."""
    words = formats.day(day, "week") + ("" if day.year == today.year else f" {day.year}")
    if day == today:
        return _("Today, %(day)s") % {"day": words}
    return _("Yesterday, %(day)s") % {"day": words} if day == today - timedelta(days=1) else words


def row(payment: Payment, scope: Scope, *, several: bool) -> PaymentRow:
    """Show one payment as a line; `several` when payments of other accounts stand beside it."""
    own = payments.is_own(scope, payment)
    kind = type_words(payment.type)
    meta = [formats.name(scope.accounts[payment.account_id].description, 60)] if several else []
    if not payment.description.strip() or payment.type not in ("BUNQ", "EBA_SCT"):
        meta.append(kind)
    if payment.description.strip():
        meta.append(formats.name(payment.description))
    name = _counterparty(payment, scope) if own else formats.name(payment.counterparty_name)
    if not payment.counterparty_name.strip() and payment.counterparty_iban:
        name = formats.iban(payment.counterparty_iban)
    return PaymentRow(
        id=payment.id,
        url=url_for("payments.show", payment_row_id=payment.id),
        name=_("%(name)s (own account)") % {"name": name} if own else name,
        initials=formats.initials(name)[:2] or "?",
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


def result(scope: Scope, wanted: Filter, everything: Filter, stamp: Hashable) -> Result:
    """Count and add up what a view shows; `everything` is the same view without filters.

    :param stamp: what changes whenever payments do; as long as it stays, sums are not asked for again.
    """
    sums = _kept_totals(scope, wanted, stamp)
    shown = sum(each.count for each in sums)
    all_count = sum(each.count for each in _kept_totals(scope, everything, stamp))
    return Result(shown=shown, shown_text=number(shown), all_text=number(all_count), sums=sums)


def state(account: MonetaryAccount, sync_state: AccountSync | None, connection: Connection) -> ReadingState:
    """Show how far an account is read, in the order in which it matters: reading, trouble, gaps, fine."""
    reading = sync_state is not None and sync_state.lease_until is not None and sync_state.lease_until > clock.now()
    trouble, next_try_at = _trouble(sync_state, connection)
    level, words = _level(account, sync_state, connection, trouble=trouble, reading=reading)
    gaps = _gaps(account, sync_state.breaks[:_MOST_GAPS]) if sync_state else []
    known = sync_state.read_at if sync_state else None
    expected = progress.expected_total(account, sync_state) if reading and sync_state else None
    return ReadingState(
        account_id=account.id,
        name=formats.name(account.description),
        url=account_url(account),
        icon=icon(account.wrapper),
        level=level,
        pill=words,
        reading=reading,
        kept_text=number(payments.count(account)) if reading or known is None else None,
        expected_text=number(expected) if expected is not None else None,
        next_call_s=progress.next_call_in_s() if reading else 0,
        verified_until=_verified_until(account, sync_state),
        verified_again=_verified_again(account, sync_state),
        gaps=gaps,
        more_gaps=max(0, len(sync_state.breaks) - _MOST_GAPS) if sync_state else 0,
        read_at=known,
        next_try_at=next_try_at,
        why=_why(account, trouble, connection),
        may_read=connection.status == "active" and account.is_shared,
    )


def account_url(account: MonetaryAccount, **more: str) -> str:
    """The address of the payments of one account."""
    return url_for(
        "payments.index",
        connection_id=account.connection_id,
        monetary_account_id=account.monetary_account_id,
        **more,  # type: ignore[arg-type]
    )


def detail(payment: Payment, account: MonetaryAccount, raw: dict[str, Any], scope: Scope) -> PaymentDetail:
    """Show one payment with everything that is known of it."""
    other = payments.other_side(scope, payment, account)
    return PaymentDetail(
        row=row(payment, scope, several=False),
        payment=payment,
        account_name=formats.name(account.description),
        account_url=account_url(account),
        type_label=type_words(payment.type),
        balance_after=payment.balance_after,
        other_side=url_for("payments.show", payment_row_id=other.id) if other else None,
        raw=readable_json(raw),
        extra=_extra(raw),
        changes=changes.of_payment(payment),
    )


def late_changes(account: MonetaryAccount) -> LateChanges:
    """Tell how many payments of an account changed or came late, of late, and name the newest."""
    newest = changes.newest_of(account, _MOST_CHANGES)
    named = [
        (formats.name(each.counterparty_name), url_for("payments.show", payment_row_id=each.id)) for each in newest
    ]
    return LateChanges(days=changes.TOLD_FOR.days, count=changes.count(account) if newest else 0, newest=named)


def readable_json(raw: dict[str, Any]) -> str:
    """JSON to look at, with every sign that is invisible or turns the text around spelled out."""
    text = json.dumps(raw, ensure_ascii=False, indent=2, sort_keys=True)
    return "".join(
        sign if sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cf", "Co", "Cs") else f"\\u{ord(sign):04x}"
        for sign in text
    )


def _kept_totals(scope: Scope, wanted: Filter, stamp: Hashable) -> list[Totals]:
    key = (stamp, tuple(scope.ids), tuple(scope.ibans), wanted)
    with _lock:
        found = _totals.get(key)
    if found is None:
        found = payment_sums.totals(scope, wanted)
        with _lock:
            _totals[key] = found
            while len(_totals) > _MOST_TOTALS:
                _totals.popitem(last=False)
    return found


def _counterparty(payment: Payment, scope: Scope) -> str:
    """The name of our own account at the other side."""
    found = [each for each in scope.accounts.values() if each.iban and each.iban == payment.counterparty_iban]
    return formats.name(found[0].description if found else payment.counterparty_name)


def _day_sums(scope: Scope, wanted: Filter, found: set[date]) -> dict[date, list[Totals]]:
    """What whole days add up to, also those parts that are on other pages."""
    if not found:
        return {}
    sums = payment_sums.sums(scope, wanted, [span_of(day) for day in sorted(found)])
    return {local_day(since): each for since, each in sums.items()}


def _change(totals: Totals, *, several: bool) -> Money:
    """On one account the change of its balance; over several, transfers between them change nothing."""
    amount = totals.money_in + totals.money_out
    return Money(amount if several else amount + totals.own, totals.currency)


def _trouble(sync_state: AccountSync | None, connection: Connection) -> tuple[str | None, datetime | None]:
    """What keeps an account from being read, and the next try: its own trouble, else that of all its connection."""
    if sync_state is not None and sync_state.trouble:
        return sync_state.trouble, sync_state.next_try_at
    if connection.status == "active" and connection.trouble not in (None, "waiting"):
        return connection.trouble, connection.next_try_at
    return None, None


def _level(
    account: MonetaryAccount,
    sync_state: AccountSync | None,
    connection: Connection,
    *,
    trouble: str | None,
    reading: bool,
) -> tuple[Literal["ok", "warn", "neutral"], str]:
    if reading:
        return "neutral", _("Reading")
    if connection.status != "active" or not account.is_shared:
        return "neutral", _("No longer updated")
    if trouble == sync.NOT_LISTED:
        return "neutral", _("Not listed by bunq")
    if sync_state is None or sync_state.read_at is None:
        return "neutral", _("Not read yet") if sync_state is None or not sync_state.stretches else _("Read in part")
    if sync_state.breaks:
        return "warn", _("Something is missing")
    if trouble:
        return "warn", _("Not up to date")
    return "ok", _("Complete")


def _verified_until(account: MonetaryAccount, sync_state: AccountSync | None) -> datetime | None:
    """All of a history that adds up is verified until its last reading; else until the last that adds up."""
    if sync_state is None or sync_state.read_at is None:
        return None
    if not sync_state.breaks:
        return sync_state.read_at
    found = payments.with_previous(account, sync_state.verified_id) if sync_state.verified_id else []
    return found[0].created_at if found else None


def _verified_again(account: MonetaryAccount, sync_state: AccountSync | None) -> datetime | None:
    """From where on payments add up again, up to the newest; None when it is not known, or nothing is missing."""
    breaks = sync_state.breaks if sync_state else []
    if not breaks or len(breaks) >= ledger.MOST_BREAKS:
        return None
    found = payments.with_previous(account, int(breaks[-1][0]))
    return found[0].created_at if found else None


def _gaps(account: MonetaryAccount, breaks: Sequence[Sequence[Any]]) -> list[Gap]:
    return [
        Gap(
            kind=each.kind,
            after=each.before.created_at if each.before else None,
            before=each.payment.created_at,
            missing=Money(abs(each.difference), each.payment.currency),
            url=url_for("payments.show", payment_row_id=each.payment.id),
        )
        for each in ledger.explain(account, breaks)
    ]


def why_over(account: MonetaryAccount, connection: Connection) -> str | None:
    """Say why bunq shows us nothing more of an account; None while it does."""
    if connection.status == "lost":
        return _("%(name)s needs to approve again.") % {"name": formats.name(connection.display_name)}
    if connection.status != "active":
        return _("This connection was ended here.")
    return None if account.is_shared else _("This account is no longer shared with us.")


def _why(account: MonetaryAccount, trouble: str | None, connection: Connection) -> str | None:
    if over := why_over(account, connection):
        return over
    if trouble is None:
        return None
    if trouble == "waiting":
        return _("bunq asks us to wait for a moment.")
    title, lead, *_rest = reasons.trouble(trouble)
    return f"{title}. {lead}"


def _extra(raw: dict[str, Any]) -> list[tuple[str, str]]:
    """What bunq tells beside the usual, in words: all of it is in the raw JSON as well."""
    labels = {
        "merchant_reference": _("Merchant’s reference"),
        "batch_id": _("Batch"),
        "scheduled_id": _("Scheduled payment"),
    }
    return [(label, str(raw[key])) for key, label in labels.items() if raw.get(key) not in (None, "")]
