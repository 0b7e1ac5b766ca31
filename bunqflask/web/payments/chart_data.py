"""What the charts of payments show: the balance of an account by day, money in and out by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from babel.numbers import format_currency

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import repository, totals
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import reconciliation
from bunqflask.web.payments.filter_form import span_of, start_of
from bunqflask.web.payments.presenters import local_day
from bunqflask.web.ui import charts, formatting
from bunqflask.web.ui.charts import BarChart, Pair, Point, StepChart

_MONTHS = 12


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of a balance chart: what came in, went out, moved between own accounts, and the balance at its end."""

    day: date
    money_in: Decimal
    money_out: Decimal
    own: Decimal
    balance: Decimal
    sure: bool


@dataclass(frozen=True, kw_only=True)
class BalanceChart:
    """A balance over days, oldest first; `changes` are the days on which it moved, newest first."""

    drawing: StepChart
    days: list[Day]
    changes: list[Day]
    currency: str
    labels: list[str]

    @property
    def balances(self) -> list[Decimal]:
        return [day.balance for day in self.days]

    @property
    def all_sure(self) -> bool:
        return all(day.sure for day in self.days)


@dataclass(frozen=True, kw_only=True)
class Month:
    """Money in and out (not positive) of one month, own transfers apart."""

    first: date
    money_in: Decimal
    money_out: Decimal
    own: Decimal
    own_count: int


@dataclass(frozen=True, kw_only=True)
class MonthsChart:
    """Money in and out per month in one currency, oldest first."""

    drawing: BarChart
    months: list[Month]
    currency: str
    labels: list[str]


def balance(account: AccountBalance, scope: Scope, span: int) -> BalanceChart | None:
    """Show the balance of an account over the last days; None before there is a payment to draw it from."""
    state, today = db.session.get(AccountSync, account.id), local_day(clock.now())
    found = [today - timedelta(days=number) for number in range(span - 1, -1, -1)]
    sums = totals.sums(scope, Filter(account_id=account.id), [span_of(day) for day in found])
    by_day = {local_day(since): each[0] for since, each in sums.items()}
    start = repository.last_before(account.id, start_of(found[0]))
    known = repository.balances([each.last_id for each in by_day.values()])
    days: list[Day] = []
    before, last_id = (start.balance_after, start.id) if start else (None, 0)
    sure = start is None or reconciliation.is_verified(state, earlier_id=0, row_id=start.id)
    for day in found:
        of_day = by_day.get(day)
        if of_day is not None:
            before, sure = (
                known.get(of_day.last_id),
                reconciliation.is_verified(state, earlier_id=last_id, row_id=of_day.last_id),
            )
            last_id = of_day.last_id
        if before is not None:
            days.append(_day(day, of_day, before, sure=sure))
    if not days:
        return None
    drawing = charts.steps([Point(each.day, each.balance, each.sure) for each in days])
    return BalanceChart(
        drawing=drawing,
        days=days,
        changes=[day for day in reversed(days) if day.day in by_day or day is days[0]],
        currency=account.currency,
        labels=[_round(line.value, account.currency) for line in drawing.scale.lines],
    )


def months(scope: Scope, wanted: Filter) -> list[MonthsChart]:
    """Show money in and out per month, this month and the eleven before it; one chart for each currency."""
    firsts = _firsts(local_day(clock.now()).replace(day=1))
    edges = [start_of(first) for first in firsts]
    sums = totals.sums(scope, wanted, list(pairwise(edges)))
    currencies = sorted({each.currency for found in sums.values() for each in found})
    return [_months_of(currency, firsts[:-1], sums) for currency in currencies]


def _months_of(currency: str, firsts: Sequence[date], sums: dict[datetime, list[Totals]]) -> MonthsChart:
    zero = Decimal(0)
    shown = []
    for first in firsts:
        each = next((found for found in sums.get(start_of(first), []) if found.currency == currency), None)
        shown.append(
            Month(
                first=first,
                money_in=each.money_in if each else zero,
                money_out=each.money_out if each else zero,
                own=each.own if each else zero,
                own_count=each.own_count if each else 0,
            )
        )
    drawing = charts.bars([Pair(month.money_in, month.money_out) for month in shown])
    labels = [_round(line.value, currency) for line in drawing.scale.lines]
    return MonthsChart(drawing=drawing, months=shown, currency=currency, labels=labels)


def _day(day: date, totals: Totals | None, balance_after: Decimal, *, sure: bool) -> Day:
    zero = Decimal(0)
    return Day(
        day=day,
        money_in=totals.money_in if totals else zero,
        money_out=totals.money_out if totals else zero,
        own=totals.own if totals else zero,
        balance=balance_after,
        sure=sure,
    )


def _round(value: Decimal, currency: str) -> str:
    """A round amount without needless cents: €4,500."""
    text: str = format_currency(value, currency, locale=formatting.LOCALE, decimal_quantization=False)
    whole = value == value.to_integral_value()
    return (text.removesuffix(".00") if whole else text).replace("-", formatting.MINUS)


def _firsts(this: date) -> list[date]:
    """The first days of the last twelve months, and of the next one."""
    found = [(this + timedelta(days=32)).replace(day=1), this]
    while len(found) <= _MONTHS:
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found[::-1]
