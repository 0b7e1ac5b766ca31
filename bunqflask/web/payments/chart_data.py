"""What the charts of payments show: the balance of an account by day, money in and out by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from babel.numbers import format_currency

from bunqflask import clock
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, totals
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Search
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import balance_history
from bunqflask.services.sync.balance_history import DayBalance
from bunqflask.web.payments.place import Place
from bunqflask.web.ui import charts, formatting
from bunqflask.web.ui.charts import BarChart, Pair, Point, StepChart

_MONTHS = 12


@dataclass(frozen=True, kw_only=True)
class BalanceChart:
    """A balance over days, oldest first; `changes` are the days on which it moved, newest first."""

    drawing: StepChart
    days: list[DayBalance]
    changes: list[DayBalance]
    currency: str
    labels: list[str]

    @property
    def balances(self) -> list[Decimal]:
        return [day.balance for day in self.days]

    @property
    def all_sure(self) -> bool:
        return all(day.is_verified for day in self.days)


@dataclass(frozen=True, kw_only=True)
class Month:
    """Money in and out (not positive) of one month, own transfers apart; `url` leads to its payments.

    `is_running` tells that more can come: the month is not over.
    """

    first: date
    url: str
    is_running: bool
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
    today = local_days.day_of(clock.now())
    days = balance_history.of_days(account, scope, today - timedelta(days=span - 1), today)
    if not days:
        return None
    drawing = charts.steps([Point(each.day, each.balance, each.is_verified) for each in days])
    return BalanceChart(
        drawing=drawing,
        days=days,
        changes=[day for day in reversed(days) if day.has_payments or day is days[0]],
        currency=account.currency,
        labels=[_round(line.value, account.currency) for line in drawing.scale.lines],
    )


def months(search: Search, here: Place) -> list[MonthsChart]:
    """Show money in and out per month, the last twelve of those asked for; one chart for each currency."""
    shown = _months(search.wanted)
    first, last = max(shown[0], search.wanted.first), min(local_days.last_of_month(shown[-1]), search.wanted.last)
    wanted = replace(search.wanted, first_day=first, last_day=last)
    sums = totals.of_months(replace(search, wanted=wanted)) if first <= last else {}
    currencies = sorted({each.currency for found in sums.values() for each in found})
    return [_months_of(currency, shown, sums, here) for currency in currencies]


def _months_of(currency: str, months: Sequence[date], sums: dict[date, list[Totals]], here: Place) -> MonthsChart:
    by_month = {first: each for first, found in sums.items() for each in found if each.currency == currency}
    asked, now = here.asked, local_days.month_of(local_days.day_of(clock.now()))
    shown = []
    # Months before the first payment say nothing.
    for first in (each for each in months if each >= min(by_month)):
        each = by_month.get(first, Totals(currency))
        days = max(first, asked.wanted.first), min(local_days.last_of_month(first), asked.wanted.last)
        shown.append(
            Month(
                first=first,
                url=here.url(asked.with_days(*days)),
                is_running=first == now,
                money_in=each.money_in,
                money_out=each.money_out,
                own=each.own,
                own_count=each.own_count,
            )
        )
    drawing = charts.bars([Pair(month.money_in, month.money_out) for month in shown])
    labels = [_round(line.value, currency) for line in drawing.scale.lines]
    return MonthsChart(drawing=drawing, months=shown, currency=currency, labels=labels)


def _round(value: Decimal, currency: str) -> str:
    """A round amount without needless cents: €4,500."""
    text: str = format_currency(value, currency, locale=formatting.LOCALE, decimal_quantization=False)
    whole = value == value.to_integral_value()
    return (text.removesuffix(".00") if whole else text).replace("-", formatting.MINUS)


def _months(wanted: Filter) -> list[date]:
    """The first days of the last twelve months that a filter lets through, none after this one."""
    first, last = local_days.month_of(wanted.first), min(wanted.last, local_days.day_of(clock.now()))
    found = [local_days.month_of(last)]
    while len(found) < _MONTHS and found[-1] > first:
        found.append(local_days.month_of(found[-1] - timedelta(days=1)))
    return found[::-1]
