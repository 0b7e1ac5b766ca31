"""The balance of an account at the end of each day, and whether it is verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Select, Text, bindparam, select

from bunqflask.extensions import db, table_of
from bunqflask.models import AccountSync, Payment
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days, ranges, totals, visibility
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.ranges import TimeRange
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Search
from bunqflask.services.payments.totals import Totals
from bunqflask.services.sync import reconciliation


@dataclass(frozen=True, kw_only=True)
class DayBalance:
    """One local day of an account: what came in, went out (not positive), moved between own accounts, and the balance
    at its end; `has_payments` tells that the balance may have changed.
    """

    day: date
    money_in: Decimal
    money_out: Decimal
    own: Decimal
    balance: Decimal
    is_verified: bool
    has_payments: bool


def of_days(account: AccountBalance, scope: Scope, first: date, last: date) -> list[DayBalance]:
    """Return the days of an account from one to another, as far as a balance is known, oldest first."""
    state = db.session.get(AccountSync, account.id)
    wanted = Filter(account_ids=frozenset((account.id,)), first_day=first, last_day=last)
    sums, ends = totals.of_days(Search(scope, wanted)), _last_payments(account, first, last)
    found: list[DayBalance] = []
    balance, earlier_id, is_verified = None, 0, True
    before = first - timedelta(days=1)
    for day in (before, *local_days.days(first, last)):
        end = ends.get(day)
        if end is not None:
            is_verified = reconciliation.is_verified(state, earlier_id=earlier_id, row_id=end.id)
            balance, earlier_id = end.balance_after, end.id
        if balance is not None and day != before:
            of_day = sums.get(day) or [Totals(account.currency)]
            found.append(_day(day, of_day[0], balance, is_verified=is_verified, has_payments=end is not None))
    return found


def _day(day: date, of_day: Totals, balance: Decimal, *, is_verified: bool, has_payments: bool) -> DayBalance:
    return DayBalance(
        day=day,
        money_in=of_day.money_in,
        money_out=of_day.money_out,
        own=of_day.own,
        balance=balance,
        is_verified=is_verified,
        has_payments=has_payments,
    )


def _last_payments(account: AccountBalance, first: date, last: date) -> dict[date, Any]:
    """Return the last payment of each day that has one, and under the day before them the last one until then."""
    before, since = first - timedelta(days=1), visibility.since(account)
    times = [
        TimeRange(account.id, before, since, local_days.end_of(before)),
        *(TimeRange(account.id, day, max(since, local_days.start_of(day)), local_days.end_of(day))
          for day in local_days.days(first, last)),
    ]  # fmt: skip
    rows = db.session.connection().execute(
        _last_in_times(db.engine.dialect.name), {"times": ranges.written_times(times)}
    )
    return {row.start: row for row in rows}


@cache
def _last_in_times(_dialect: str) -> Select[Any]:
    """Return the statement for the last payment in each of some ranges of time; each database has its own."""
    time, payment, each = (
        ranges.of_times(bindparam("times", type_=Text)),
        table_of(Payment),
        table_of(Payment).alias("each").c,
    )
    newest = (
        select(each.id)
        .where(each.account_id == time["account_id"])
        .where(each.created_at >= time["since"], each.created_at < time["before"])
        .order_by(each.created_at.desc(), each.id.desc())
        .limit(1)
        .correlate(time.from_clause)
        .scalar_subquery()
    )
    query = select(time["start"].label("start"), payment.c.id, payment.c.balance_after)
    return query.select_from(time.from_clause).join(payment, payment.c.id == newest)
