"""Adding up payments: money in and out per currency, of all that is found, of months or of days.

Aggregates answer as far as they can; the rest, such as stale months, is added up from the payments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, Text, bindparam, func, null, select

from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db, table_of
from bunqflask.models import Payment, PaymentTotal, Unit
from bunqflask.services.payments import aggregates, filters, local_days, ranges
from bunqflask.services.payments.lines import PaymentLine
from bunqflask.services.payments.ranges import PeriodRange, TimeRange
from bunqflask.services.payments.repository import AccountScope
from bunqflask.services.payments.search import Page, Search, Way

_ZERO = Decimal(0)
# Before all days: the key of what is added up to one total.
_ALL = date(1, 1, 1)


_payment = table_of(Payment).c
_SUMS = (
    _payment.currency,
    is_listed(_payment.counterparty_iban, "own_ibans", Text()).label("is_own"),
    (_payment.amount > 0).label("is_in"),
    func.count(),
    func.sum(_payment.amount),
)
_PARTS = (_payment.currency, "is_own", "is_in")


class Totals(msgspec.Struct, frozen=True):
    """What payments add up to in one currency; transfers between own accounts are counted apart."""

    currency: str
    count: int = 0
    money_in: Decimal = _ZERO
    money_out: Decimal = _ZERO
    own: Decimal = _ZERO
    own_count: int = 0

    @classmethod
    def of_part(cls, currency: str, is_own: bool, is_in: bool, count: int, amount: Decimal) -> Totals:
        """Make them of payments that are all own transfers, or all money in, or all money out."""
        if is_own:
            return cls(currency, int(count), own=amount, own_count=int(count))
        return cls(currency, int(count), amount, _ZERO) if is_in else cls(currency, int(count), _ZERO, amount)

    @classmethod
    def of_line(cls, line: PaymentLine) -> Totals:
        """Make them of one payment."""
        if line.is_own:
            return cls(line.currency, 1, own=line.amount, own_count=1)
        return cls(line.currency, 1, max(line.amount, _ZERO), min(line.amount, _ZERO))

    def plus(self, other: Totals) -> Totals:
        """Return what both add up to together, in the same currency."""
        return Totals(
            self.currency,
            self.count + other.count,
            self.money_in + other.money_in,
            self.money_out + other.money_out,
            self.own + other.own,
            self.own_count + other.own_count,
        )


def of_all(search: Search) -> list[Totals]:
    """Add up all that a search finds, per currency."""
    return _by_period(search, None).get(_ALL, [])


def of_page(page: Page) -> list[Totals]:
    """Add up the payments of a page, per currency: all that a search finds, where the page holds all of it."""
    return _merged(Totals.of_line(each) for each in page.lines)


def count_of(search: Search) -> int:
    """Return how many payments a search finds that asks for nothing but accounts; sooner than adding them up."""
    usable = search.scope.usable_aggregates.of(search.account_ids)
    asked = {"periods": ranges.written_periods(_periods_of(search, usable, None))}
    counted = db.session.connection().scalar(_count_of_periods(db.engine.dialect.name), asked)
    times = list(_times_without_aggregates(search, usable, None))
    rest = _of_payments(times, search.scope, search.conditions) if times else ()
    return int(counted or 0) + sum(each.count for _start, each in rest)


def of_months(search: Search) -> dict[date, list[Totals]]:
    """Add up all that a search finds by months, keyed by their first days, without those of nothing."""
    return _by_period(search, Unit.MONTH)


def of_days(search: Search) -> dict[date, list[Totals]]:
    """Add up all that a search finds by days, without those of nothing."""
    return _by_period(search, Unit.DAY)


def of_days_of(page: Page, search: Search) -> dict[date, list[Totals]]:
    """Add up the days of a page: its payments themselves, and for its last day also those on the next page.

    The first day of a page that begins within a day is not whole.
    """
    found = {}
    for day, lines in groupby(page.lines, key=lambda each: local_days.day_of(each.created_at)):
        found[day] = _merged(Totals.of_line(each) for each in lines)
    if page.older is not None:
        last = local_days.day_of(page.older.time)
        of_last = ((each, max(last, search.first_day_of(each))) for each in search.account_ids)
        times = [_time_range(each, first, last, start=_ALL) for each, first in of_last if first <= last]
        found[last] = _merged(each for _start, each in _of_payments(times, search.scope, search.conditions))
    return found


def of_times(times: Sequence[TimeRange], scope: AccountScope) -> list[tuple[date, Totals]]:
    """Add up the payments of ranges of time, per currency and by what names the ranges."""
    return list(_of_payments(times, scope, ()))


def _by_period(search: Search, unit: Unit | None) -> dict[date, list[Totals]]:
    """Add up what a search finds by periods, keyed by their first days, or all of it, keyed by `_ALL`."""
    found = sorted(_parts(search, unit), key=lambda each: each[0])
    return {start: _merged(each for _start, each in some) for start, some in groupby(found, key=lambda each: each[0])}


def _parts(search: Search, unit: Unit | None) -> Iterator[tuple[date, Totals]]:
    wanted, asked = search.wanted, filters.conditions_on_totals(search.wanted)
    if asked is None and unit is None and (wanted.search or search.way == Way.BY_AMOUNTS):
        yield from _of_few(search)
        return
    usable = aggregates.Usable()
    if asked is not None:
        usable = search.scope.usable_aggregates.of(search.account_ids)
        yield from _of_aggregates(search, usable, asked, unit)
    times = list(_times_without_aggregates(search, usable, unit))
    if times:
        yield from _of_payments(times, search.scope, search.conditions)


def _of_few(search: Search) -> Iterator[tuple[date, Totals]]:
    source, conditions = search.few
    query = select(*_SUMS).select_from(source).where(*conditions).group_by(*_PARTS)
    rows = db.session.connection().execute(query, {"own_ibans": listed(search.scope.ibans)})
    yield from ((_ALL, Totals.of_part(*row)) for row in rows)


def _of_aggregates(
    search: Search, usable: aggregates.Usable, asked: Sequence[ColumnElement[bool]], unit: Unit | None
) -> Iterator[tuple[date, Totals]]:
    """Yield what the aggregates say, from the largest periods that lie within the days of the search."""
    periods = _periods_of(search, usable, unit)
    if not periods:
        return
    query = _narrowed(_sums_of_periods(db.engine.dialect.name, by_period=unit is not None), asked)
    given = {"periods": ranges.written_periods(periods), "own_ibans": listed(search.scope.ibans)}
    for start, *part in db.session.connection().execute(query, given):
        if unit is None:
            yield _ALL, Totals.of_part(*part)
        else:
            yield start if unit == Unit.DAY else local_days.month_of(start), Totals.of_part(*part)


def _periods_of(search: Search, usable: aggregates.Usable, unit: Unit | None) -> list[PeriodRange]:
    """Return the periods whose aggregates answer a search."""
    last = search.wanted.last
    asked_of = {
        account_id: (search.first_day_of(account_id), frozenset(month.year for month in stale))
        for account_id, stale in usable.stale.items()
    }
    # Most accounts are asked for the same days, and have no stale month or one in the same year.
    found = {each: list(_periods(each[0], last, unit, each[1])) for each in set(asked_of.values()) if each[0] <= last}
    return [PeriodRange(account_id, *each) for account_id in asked_of for each in found.get(asked_of[account_id], ())]


@cache
def _sums_of_periods(_dialect: str, *, by_period: bool) -> Select[Any]:
    """Return the statement that adds up aggregates, by their periods or all together; each database has its own."""
    total, found = table_of(PaymentTotal).c, _totals_in_periods()
    is_own = is_listed(total.own_iban, "own_ibans", Text()).label("is_own")
    is_in = (total.direction > 0).label("is_in")
    start = total.start if by_period else null()
    return (
        select(start, total.currency, is_own, is_in, func.sum(total.count), func.sum(total.amount))
        .select_from(found)
        .group_by(*((total.start,) if by_period else ()), total.currency, "is_own", "is_in")
    )


@cache
def _count_of_periods(_dialect: str) -> Select[Any]:
    return select(func.sum(table_of(PaymentTotal).c.count)).select_from(_totals_in_periods())


def _totals_in_periods() -> FromClause:
    period, total = ranges.of_periods(bindparam("periods", type_=Text)), table_of(PaymentTotal).c
    is_within = (total.account_id == period["account_id"]) & (total.unit == period["unit"])
    is_within &= total.start.between(period["first"], period["last"])
    return period.from_clause.join(table_of(PaymentTotal), is_within)


def _periods(
    first: date, last: date, unit: Unit | None, stale_years: Collection[int]
) -> Iterator[tuple[Unit, date, date]]:
    """Yield the periods between two days, the first and the last of each kind: days, whole months, whole years.

    Larger periods than are asked for do not tell, and neither do years with a stale month.
    """
    first_month, last_month = local_days.month_of(first), local_days.month_of(last)
    if first != first_month and first > local_days.FIRST_DAY:
        first_month = local_days.last_of_month(first_month) + local_days.A_DAY
    if last < min(local_days.last_of_month(last_month), local_days.LAST_DAY):
        last_month = local_days.month_of(last_month - local_days.A_DAY)
    if unit == Unit.DAY or first_month > last_month:
        yield Unit.DAY, first, last
        return
    if first < first_month:
        yield Unit.DAY, first, first_month - local_days.A_DAY
    if local_days.last_of_month(last_month) < last:
        yield Unit.DAY, local_days.last_of_month(last_month) + local_days.A_DAY, last
    if unit == Unit.MONTH:
        yield Unit.MONTH, first_month, last_month
        return

    def is_whole(year: int) -> bool:
        return first_month <= date(year, 1, 1) and date(year, 12, 1) <= last_month and year not in stale_years

    for whole, some in groupby(range(first_month.year, last_month.year + 1), key=is_whole):
        years = list(some)
        if whole:
            yield Unit.YEAR, date(years[0], 1, 1), date(years[-1], 1, 1)
        else:
            yield Unit.MONTH, max(first_month, date(years[0], 1, 1)), min(last_month, date(years[-1], 12, 1))


def _times_without_aggregates(search: Search, usable: aggregates.Usable, unit: Unit | None) -> Iterator[TimeRange]:
    """Yield the times of each account that no aggregate covers, by periods if these are asked for."""
    last = search.wanted.last
    for account_id in search.account_ids:
        first = search.first_day_of(account_id)
        if account_id not in usable:
            missing = [(first, last)]
        else:
            whole = ((month, local_days.last_of_month(month)) for month in sorted(usable.stale[account_id]))
            missing = [(max(first, since), min(last, until)) for since, until in whole]
        for since, until in missing:
            if since <= until:
                yield from _split(account_id, since, until, unit)


def _split(account_id: int, first: date, last: date, unit: Unit | None) -> Iterator[TimeRange]:
    if unit is None:
        yield _time_range(account_id, first, last, start=_ALL)
    elif unit == Unit.DAY:
        yield from (_time_range(account_id, day, day, start=day) for day in local_days.days(first, last))
    else:
        for month in local_days.months(first, last):
            until = min(last, local_days.last_of_month(month))
            yield _time_range(account_id, max(first, month), until, start=month)


def _time_range(account_id: int, first: date, last: date, *, start: date) -> TimeRange:
    return TimeRange(account_id, start, local_days.start_of(first), local_days.end_of(last))


def _of_payments(
    times: Sequence[TimeRange], scope: AccountScope, asked: Sequence[ColumnElement[bool]]
) -> Iterator[tuple[date, Totals]]:
    """Yield what payments in ranges of time add up to, by what names the ranges."""
    query = _narrowed(_sums_of_times(db.engine.dialect.name), asked)
    given = {"times": ranges.written_times(times), "own_ibans": listed(scope.ibans)}
    for start, *part in db.session.connection().execute(query, given):
        yield start, Totals.of_part(*part)


@cache
def _sums_of_times(_dialect: str) -> Select[Any]:
    """Return the statement that adds up payments in ranges of time; each database has its own."""
    time = ranges.of_times(bindparam("times", type_=Text))
    is_within = (_payment.account_id == time["account_id"]) & (_payment.created_at >= time["since"])
    return (
        select(time["start"].label("start"), *_SUMS)
        .select_from(time.from_clause)
        .join(table_of(Payment), is_within & (_payment.created_at < time["before"]))
        .group_by("start", *_PARTS)
    )


def _narrowed(query: Select[Any], asked: Sequence[ColumnElement[bool]]) -> Select[Any]:
    # `where` copies a statement, and what SQLAlchemy has found out about it is forgotten.
    return query.where(*asked) if asked else query


def _merged(some: Iterable[Totals]) -> list[Totals]:
    found: dict[str, Totals] = {}
    for each in some:
        before = found.get(each.currency)
        found[each.currency] = each if before is None else before.plus(each)
    return [found[currency] for currency in sorted(found)]
