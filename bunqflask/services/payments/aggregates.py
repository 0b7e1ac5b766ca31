"""Aggregates: totals of payments per local day, month and year, so that a long history need not be added up again.

A change of a payment deletes the aggregates of its old and its new month, and of their years, in the same transaction
and marks the months as stale; the rebuild after a sync makes them again. Until then a stale month is added up from its
payments, and its year from its months. So an aggregate may be missing, but never wrong. Aggregates of another time zone
are not used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, cast, delete, func, insert, literal, select

from bunqflask.database.lists import is_listed, listed
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db, table_of
from bunqflask.models import AggregateState, MonetaryAccount, Payment, PaymentTotal, StaleMonth, Unit
from bunqflask.services.payments import local_days, ranges
from bunqflask.services.payments.ranges import TimeRange

# How long others may have to wait for the lock on the database while aggregates are made.
_LOCK_S = 0.05
_KEY = ("currency", "direction", "type", "own_iban")
_COLUMNS = ["account_id", "unit", "start", *_KEY, "count", "amount"]

_account = table_of(MonetaryAccount).c
_total = table_of(PaymentTotal).c
_state, _stale = table_of(AggregateState), table_of(StaleMonth)
_USABLE = (
    select(_state.c.account_id, cast(_state.c.own_ibans, Text), _stale.c.month)
    .select_from(_state.outerjoin(_stale, _stale.c.account_id == _state.c.account_id))
    .where(is_listed(_state.c.account_id, "account_ids", BigInteger()))
    .where(_state.c.time_zone == bindparam("time_zone"))
)
_LOCK = select(_account.id).where(_account.id == bindparam("of_account")).with_for_update(key_share=True)
_FORGET = delete(table_of(PaymentTotal)).where(
    _total.account_id == bindparam("of_account"),
    _total.unit == bindparam("of_unit"),
    _total.start.between(bindparam("first"), bindparam("last")),
)


@dataclass(frozen=True)
class Usable:
    """The accounts whose aggregates can be used, each with the months that are stale."""

    stale: dict[int, frozenset[date]] = field(default_factory=dict)

    def __contains__(self, account_id: int) -> bool:
        return account_id in self.stale

    def of(self, account_ids: Iterable[int]) -> Usable:
        """Return those of some accounts only."""
        return Usable({each: self.stale[each] for each in account_ids if each in self.stale})


def usable(account_ids: Sequence[int], own_ibans: Iterable[str]) -> Usable:
    """Tell which aggregates can be used: those of this time zone that count these IBANs apart."""
    asked, found = set(own_ibans), dict[int, set[date]]()
    counts_all_apart: dict[str, bool] = {}  # by what is stored: it is the same for nearly all accounts
    of_accounts = {"account_ids": listed(account_ids), "time_zone": local_days.zone().key}
    for account_id, known, month in db.session.connection().execute(_USABLE, of_accounts).all():
        if known not in counts_all_apart:
            counts_all_apart[known] = asked <= set(json.loads(known))
        if counts_all_apart[known]:
            found.setdefault(account_id, set()).update([month] if month else [])
    return Usable({account_id: frozenset(months) for account_id, months in found.items()})


def lock(account_id: int) -> None:
    """Keep other workers from changing an account's payments or aggregates until the transaction ends."""
    # SQLite's transactions that write come one after the other anyway.
    connection = db.session.connection()
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK, {"of_account": account_id})


def forget(account_id: int, timestamps: Iterable[datetime]) -> None:
    """Delete the aggregates of the months in which payments change, within the caller's transaction."""
    months = sorted({local_days.month_of(local_days.day_of(each)) for each in timestamps})
    if not months:
        return
    _delete_totals(account_id, months)
    _mark_stale(account_id, months)


def rebuild(account_id: int) -> None:
    """Make the aggregates of an account that are missing, in short transactions, so that no other writer waits long."""
    with transaction():
        if db.session.get(MonetaryAccount, account_id) is None:
            return
        lock(account_id)
        _renew_state(account_id)
        query = select(StaleMonth.month).where(StaleMonth.account_id == account_id)
        left = list(db.session.scalars(query.order_by(StaleMonth.month.desc())))
    at_once = 1
    while left:
        started = time.monotonic()
        with transaction():
            lock(account_id)
            _add_up(account_id, left[:at_once])
        left = left[at_once:]
        at_once = max(1, at_once * 2 if time.monotonic() - started < _LOCK_S else at_once // 2)


def forget_gone() -> None:
    """Forget the IBANs of accounts that are no longer here. Takes part in the caller's transaction.

    Aggregates that count them apart stay right: they are only finer than anybody asks for.
    """
    here = own_ibans()
    for state in db.session.scalars(select(AggregateState)):
        left = [iban for iban in state.own_ibans if iban in here]
        if left != state.own_ibans:
            state.own_ibans = left


def own_ibans(*of_accounts: ColumnElement[bool]) -> set[str]:
    """Return all IBANs of the accounts here for which these conditions hold."""
    query = select(MonetaryAccount.iban, MonetaryAccount.other_ibans).where(*of_accounts)
    return {iban for first, others in db.session.execute(query) for iban in (first, *others) if iban}


def _renew_state(account_id: int) -> None:
    """Make all months stale if the aggregates are of another time zone, or do not count all accounts here apart."""
    ibans = own_ibans()
    state, zone = db.session.get(AggregateState, account_id), local_days.zone().key
    if state is not None and state.time_zone == zone and ibans <= set(state.own_ibans):
        return
    db.session.execute(delete(PaymentTotal).where(PaymentTotal.account_id == account_id))
    db.session.execute(delete(StaleMonth).where(StaleMonth.account_id == account_id))
    _mark_stale(account_id, _months(account_id))
    if state is None:
        state = AggregateState(account_id=account_id)
        db.session.add(state)
    state.time_zone, state.own_ibans = zone, sorted(ibans)
    db.session.flush()


def _months(account_id: int) -> list[date]:
    """Return the months in which an account has payments, by one look-up in the index for each."""
    found: list[date] = []
    times = select(Payment.created_at).where(Payment.account_id == account_id).order_by(Payment.created_at).limit(1)
    first = db.session.scalar(times)
    while first is not None:
        found.append(local_days.month_of(local_days.day_of(first)))
        ends = local_days.end_of(local_days.last_of_month(found[-1]))
        first = db.session.scalar(times.where(Payment.created_at >= ends))
    return found


def _mark_stale(account_id: int, months: Sequence[date]) -> None:
    if months:
        rows = [{"account_id": account_id, "month": month} for month in months]
        db.session.execute(insert_into(StaleMonth).on_conflict_do_nothing(), rows)


def _delete_totals(account_id: int, months: Sequence[date]) -> None:
    """Delete the aggregates of months, of their days, and of their years."""
    values = []
    for month in months:
        last = local_days.last_of_month(month)
        values += [(Unit.DAY, month, last), (Unit.MONTH, month, month)]
    values += [(Unit.YEAR, year, year) for year in {local_days.year_of(month) for month in months}]
    rows = [{"of_account": account_id, "of_unit": unit, "first": first, "last": last} for unit, first, last in values]
    db.session.connection().execute(_FORGET, rows)


def _add_up(account_id: int, wanted: Sequence[date]) -> None:
    """Make the aggregates of those of some months that are stale: days from payments, months from days, and years."""
    state = db.session.get(AggregateState, account_id, populate_existing=True)
    is_stale = (StaleMonth.account_id == account_id, StaleMonth.month.in_(wanted))
    months = list(db.session.scalars(select(StaleMonth.month).where(*is_stale)))
    if state is None or state.time_zone != local_days.zone().key or not months:
        return
    _delete_totals(account_id, months)
    days = [
        TimeRange(account_id, day, local_days.start_of(day), local_days.end_of(day))
        for month in months
        for day in local_days.days(month, local_days.last_of_month(month))
    ]
    _store(_of_days(days, state.own_ibans))
    for month in months:
        _store(_from_smaller(account_id, Unit.DAY, Unit.MONTH, month, local_days.last_of_month(month)))
    db.session.execute(delete(StaleMonth).where(*is_stale))
    # A year is there as soon as, and only while, none of its months is stale.
    left = db.session.scalars(select(StaleMonth.month).where(StaleMonth.account_id == account_id))
    incomplete = {local_days.year_of(month) for month in left}
    for year in {local_days.year_of(month) for month in months} - incomplete:
        _store(_from_smaller(account_id, Unit.MONTH, Unit.YEAR, year, local_days.last_of_year(year)))


def _store(totals: Any) -> None:
    db.session.execute(insert(PaymentTotal).from_select(_COLUMNS, totals))


def _of_days(days: Sequence[TimeRange], own_ibans: Sequence[str]) -> Any:
    each, own = ranges.of_times(days), Payment.counterparty_iban.in_(own_ibans)
    direction = case((Payment.amount > 0, 1), (Payment.amount < 0, -1), else_=0).label("direction")
    own_iban = case((own, Payment.counterparty_iban), else_="").label("own_iban")
    unit = literal(Unit.DAY, PaymentTotal.unit.type)
    return (
        select(
            Payment.account_id, unit, each["start"].label("start"), Payment.currency, direction, Payment.type, own_iban,
            func.count(), func.sum(Payment.amount),
        )
        .select_from(each.from_clause)
        .join(Payment, (Payment.account_id == each["account_id"]) & (Payment.created_at >= each["since"])
              & (Payment.created_at < each["before"]))
        .group_by(Payment.account_id, "start", Payment.currency, "direction", Payment.type, "own_iban")
    )  # fmt: skip


def _from_smaller(account_id: int, smaller: Unit, unit: Unit, start: date, last: date) -> Any:
    """The totals of a period as the sums of those of the smaller periods in it."""
    key = [getattr(PaymentTotal, name) for name in _KEY]
    made = (literal(unit, PaymentTotal.unit.type), literal(start, PaymentTotal.start.type))
    return (
        select(PaymentTotal.account_id, *made, *key, func.sum(PaymentTotal.count), func.sum(PaymentTotal.amount))
        .where(PaymentTotal.account_id == account_id, PaymentTotal.unit == smaller)
        .where(PaymentTotal.start.between(start, last))
        .group_by(PaymentTotal.account_id, *key)
    )
