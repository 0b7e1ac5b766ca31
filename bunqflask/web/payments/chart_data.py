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
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Search
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import balance_history
from bunqflask.services.sync.balance_history import DayBalance
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


def months(search: Search) -> list[MonthsChart]:
    """Show money in and out per month, this month and the eleven before it; one chart for each currency."""
    shown, last = _months(), local_days.day_of(clock.now())
    wanted = replace(
        search.wanted,
        first_day=max(shown[0], search.wanted.first),
        last_day=min(local_days.last_of_month(last), search.wanted.last),
    )
    sums = totals.of_months(replace(search, wanted=wanted)) if wanted.first <= wanted.last else {}
    currencies = sorted({each.currency for found in sums.values() for each in found})
    return [_months_of(currency, shown, sums) for currency in currencies]


def _months_of(currency: str, months: Sequence[date], sums: dict[date, list[Totals]]) -> MonthsChart:
    shown = []
    for first in months:
        found = (each for each in sums.get(first, []) if each.currency == currency)
        each = next(found, Totals(currency))
        shown.append(
            Month(
                first=first,
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


def _months() -> list[date]:
    """The first days of the last twelve months, this one included."""
    found = [local_days.month_of(local_days.day_of(clock.now()))]
    while len(found) < _MONTHS:
        found.append(local_days.month_of(found[-1] - timedelta(days=1)))
    return found[::-1]
