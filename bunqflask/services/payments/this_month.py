"""The running month at a glance: money in and out compared with the same days of last month, and the newest payments.

An account that is seen through two connections counts once. Transfers between the principal's own accounts are counted
apart, and currencies are never added up. The first page asks for this each time, so its statements are made once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, Text, bindparam, func, or_, select

from bunqflask import clock
from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db, table_of
from bunqflask.models import AccountSync, ErrorKind, PaymentTotal, Unit
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, totals, visibility
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.lines import PaymentLine
from bunqflask.services.payments.ranges import TimeRange
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Search
from bunqflask.services.payments.totals import Totals

NEWEST = 5

_sync, _total = table_of(AccountSync).c, table_of(PaymentTotal).c
_is_now = _total.start >= bindparam("first")
_OF_DAYS = (
    select(
        _is_now.label("is_now"),
        _total.currency,
        is_listed(_total.own_iban, "own_ibans", Text()).label("is_own"),
        (_total.direction > 0).label("is_in"),
        func.sum(_total.count),
        func.sum(_total.amount),
    )
    .where(is_listed(_total.account_id, "account_ids", BigInteger()), _total.unit == Unit.DAY)
    .where(_total.start.between(bindparam("first_before"), bindparam("last")))
    .where(or_(_is_now, _total.start <= bindparam("last_before")))
    .group_by("is_now", _total.currency, "is_own", "is_in")
)
_IMPORTED = select(func.count()).where(
    is_listed(_sync.id, "account_ids", BigInteger()),
    or_(_sync.synced_at.is_not(None), _sync.error_kind == ErrorKind.NOT_LISTED),
)


@dataclass(frozen=True, kw_only=True)
class Days:
    """Local days, the first and the last of them."""

    first: date
    last: date


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one currency's payments of this month add up to, and those of the same days of last month.

    `before` is None where the principal may not see all of these days.
    """

    now: Totals
    before: Totals | None


@dataclass(frozen=True, kw_only=True)
class ThisMonth:
    """The running month up to today, beside the same days of last month; the newest payments, newest first.

    `is_complete` tells that the history of each account was imported to its end once.
    """

    days: Days
    days_before: Days
    changes: tuple[Change, ...]
    newest: tuple[PaymentLine, ...]
    is_complete: bool


def of(scope: Scope) -> ThisMonth:
    """Return the running month of all accounts in a scope."""
    today = local_days.day_of(clock.now())
    days = Days(first=local_days.month_of(today), last=today)
    days_before = same_days_of_last_month(today)
    newest = Search(scope, Filter()).page(size=NEWEST).lines
    return ThisMonth(
        days=days,
        days_before=days_before,
        changes=tuple(_changes(scope, days, days_before)) if newest else (),
        newest=tuple(newest),
        is_complete=_is_complete(scope),
    )


def same_days_of_last_month(today: date) -> Days:
    """Return last month from its first day to the day that today's is, or to its end where it is shorter."""
    end = local_days.month_of(today) - local_days.A_DAY
    return Days(first=local_days.month_of(end), last=end.replace(day=min(today.day, end.day)))


def _changes(scope: Scope, days: Days, days_before: Days) -> list[Change]:
    now, before = dict[str, Totals](), dict[str, Totals]()
    for is_now, each in _parts(scope, days, days_before):
        found = now if is_now else before
        found[each.currency] = found[each.currency].plus(each) if each.currency in found else each
    all_visible = all(_shows_all_since(scope.accounts[each], days_before.first) for each in scope.ids)
    return [
        Change(
            now=now.get(currency, Totals(currency)),
            before=before.get(currency, Totals(currency)) if all_visible else None,
        )
        for currency in sorted({*now, *before})
    ]


def _parts(scope: Scope, days: Days, days_before: Days) -> Iterator[tuple[bool, Totals]]:
    """Yield totals, and whether they are of this month: from aggregates of days, else from payments."""
    usable, months = scope.usable_aggregates, {days.first, days_before.first}
    summed = [
        each
        for each in scope.ids
        if each in usable
        and usable.stale[each].isdisjoint(months)
        and _shows_all_since(scope.accounts[each], days_before.first)
    ]
    if summed:
        of_days = {
            "account_ids": listed(summed),
            "own_ibans": listed(scope.ibans),
            "first": days.first,
            "last": days.last,
            "first_before": days_before.first,
            "last_before": days_before.last,
        }
        for is_now, *part in db.session.connection().execute(_OF_DAYS, of_days):
            yield bool(is_now), Totals.of_part(*part)
    rest = [scope.accounts[each] for each in sorted({*scope.ids} - {*summed})]
    if rest:
        times = [_time_range(account, each) for account in rest for each in (days, days_before)]
        yield from ((start == days.first, each) for start, each in totals.of_times(times, scope))


def _shows_all_since(account: AccountBalance, day: date) -> bool:
    return account.first_day is None or account.first_day <= day


def _time_range(account: AccountBalance, days: Days) -> TimeRange:
    since = max(local_days.start_of(days.first), visibility.since(account))
    return TimeRange(account.id, days.first, since, local_days.end_of(days.last))


def _is_complete(scope: Scope) -> bool:
    covered = [each for each in scope.ids if scope.accounts[each].is_covered]
    return db.session.connection().scalar(_IMPORTED, {"account_ids": listed(covered)}) == len(covered)
