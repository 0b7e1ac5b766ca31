"""What payments add up to by whole years, months and days, kept so that a long history need not be gone through again.

A kept sum is never changed. Whatever changes a payment takes the sums of its time away, in the same transaction, and
the next reading makes them anew; until then what is missing is added up from the payments themselves. A span says
itself from when to when it is, so another time zone only makes sums that nobody asks for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, func, insert, or_, select
from sqlalchemy.orm import aliased

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db, table_of
from bunqflask.models import MonetaryAccount, Payment, SpanSum, SummedSpan
from bunqflask.services.payments import time_ranges
from bunqflask.services.payments.time_ranges import Span

Unit = Literal["year", "month", "day"]
# What is kept, the largest first, and how long each is at least.
_UNITS: tuple[tuple[Unit, timedelta], ...] = (
    ("year", timedelta(days=364)),
    ("month", timedelta(days=27)),
    ("day", timedelta(hours=22)),
)

# A month with more payments than these is summed by days too; others are quickly gone through.
_MANY = 300
# What is older, or later than the end of next year, has a wrong moment, and is not worth all the months until then.
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
# How long others may have to wait for the lock on the database while sums are made.
_LOCK_S = 0.05
_account = table_of(MonetaryAccount).c
_LOCK = select(_account.id).where(_account.id == bindparam("account_id")).with_for_update(key_share=True)
_span = table_of(SummedSpan).c
_FORGET = delete(table_of(SummedSpan)).where(
    _span.account_id == bindparam("account_id"), _span.since <= bindparam("last"), _span.before > bindparam("first")
)
_COLUMNS = ["span_id", "currency", "direction", "type", "own_iban", "count", "amount", "first_id", "last_id"]


@dataclass(frozen=True)
class Kept:
    """A kept sum: of one currency, in one span of time of one account; of nothing where there is no payment."""

    account_id: int
    since: datetime
    before: datetime
    currency: str
    count: int
    money_in: Decimal | None
    money_out: Decimal | None
    own: Decimal | None
    own_count: int
    first_id: int
    last_id: int


def taken(
    gaps: dict[int, list[Span]], *, own_ibans: Sequence[str] = (), direction: int | None = None, type: str = ""
) -> Iterator[Kept]:
    """Yield what is kept of some time of some accounts, and take that time out of the gaps of each account.

    :param own_ibans: the accounts to which payments are counted apart.
    :param direction: of money in (1) or out (-1) only; as `type`, of one type only.
    """
    asked = [SpanSum.direction == direction] if direction else []
    asked += [SpanSum.type == type] if type else []
    for unit, shortest in _UNITS:
        wide = {
            account_id: left
            for account_id, left in gaps.items()
            if any(before - since >= shortest for since, before in left)
        }
        if not wide:
            continue
        kept = _read(unit, wide, own_ibans, asked)
        for account_id, left in wide.items():
            of_account = [each for each in kept if each.account_id == account_id]
            parts = time_ranges.chosen(left, {(each.since, each.before) for each in of_account})
            gaps[account_id] = time_ranges.without(left, parts)
            found = set(parts)
            yield from (each for each in of_account if each.count and (each.since, each.before) in found)


def _read(
    unit: Unit, wide: dict[int, list[Span]], own_ibans: Sequence[str], asked: Sequence[ColumnElement[bool]]
) -> list[Kept]:
    own, within = SpanSum.own_iban.in_(own_ibans), time_ranges.joined(each for left in wide.values() for each in left)
    query = (
        select(
            SummedSpan.account_id,
            SummedSpan.since,
            SummedSpan.before,
            func.coalesce(SpanSum.currency, ""),
            func.coalesce(func.sum(SpanSum.count), 0),
            func.sum(SpanSum.amount).filter(SpanSum.direction == 1, ~own),
            func.sum(SpanSum.amount).filter(SpanSum.direction == -1, ~own),
            func.sum(SpanSum.amount).filter(own),
            func.coalesce(func.sum(SpanSum.count).filter(own), 0),
            func.coalesce(func.min(SpanSum.first_id), 0),
            func.coalesce(func.max(SpanSum.last_id), 0),
        )
        .outerjoin(SpanSum, and_(SpanSum.span_id == SummedSpan.id, *asked))
        .where(SummedSpan.account_id.in_(list(wide)), SummedSpan.unit == unit)
        .where(or_(*(_is_within(span) for span in within)))
        .group_by(SummedSpan.id, SpanSum.currency)
    )
    return [Kept(*row) for row in db.session.execute(query)]


def _is_within(span: Span) -> ColumnElement[bool]:
    since, before = span
    return and_(SummedSpan.since >= since, SummedSpan.since < before, SummedSpan.before <= before)


def lock(account_id: int) -> None:
    """Keep other workers from changing an account's payments or their sums until the transaction ends."""
    # SQLite's transactions that write come one after the other anyway.
    connection = db.session.connection()
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK, {"account_id": account_id})


def forget(account_id: int, moments: Iterable[datetime]) -> None:
    """Delete the sums of the time in which payments change, within the caller's transaction."""
    touched = sorted(moments)
    if touched:
        between = {"account_id": account_id, "first": touched[0], "last": touched[-1]}
        db.session.connection().execute(_FORGET, between)


def rebuild(account_id: int) -> None:
    """Make the sums of an account that are missing, in short transactions, so that no other writer waits long."""
    with transaction():
        account = db.session.get(MonetaryAccount, account_id)
        if account is None:
            return
        lock(account_id)
        _tell_apart(account)
        missing, at_once = _missing_months(account), 1
    while missing:
        started = time.monotonic()
        with transaction():
            lock(account_id)
            _add(account, "month", missing[:at_once], _of_payments(account))
            _add(account, "day", _days_of_many(account, missing[:at_once]), _of_payments(account))
        missing = missing[at_once:]
        at_once = max(1, at_once * 2 if time.monotonic() - started < _LOCK_S else at_once // 2)
    with transaction():
        lock(account_id)
        _add(account, "year", _years(account), _of_months(account))


def forget_gone() -> None:
    """Forget the IBANs of accounts that are no longer here. Takes part in the caller's transaction.

    Sums that tell them apart are still right: they are only finer than anybody asks for.
    """
    known = set(db.session.scalars(select(MonetaryAccount.iban)))
    for account in db.session.scalars(select(MonetaryAccount).order_by(MonetaryAccount.id)):
        left = [iban for iban in account.known_ibans or [] if iban in known]
        if left != (account.known_ibans or []):
            account.known_ibans = left


def _tell_apart(account: MonetaryAccount) -> None:
    """Sums made before an account of ours was known do not tell the payments to it apart: make them again."""
    ibans = {iban for iban in db.session.scalars(select(MonetaryAccount.iban)) if iban}
    if not ibans <= set(account.known_ibans or []):
        _delete(account)
        account.known_ibans = sorted(ibans.union(account.known_ibans or []))


def _missing_months(account: MonetaryAccount) -> list[Span]:
    """Return the months of an account's payments that are not summed, the newest first."""
    months, kept = _months(account), _kept(account, "month")
    if not kept <= set(months):
        # Made for another time zone, whose days are of no use either.
        _delete(account)
        kept = set()
    return [month for month in reversed(months) if month not in kept]


def _months(account: MonetaryAccount) -> list[Span]:
    """Return the months from an account's first payment to its last."""
    of_account = select(Payment.created_at).where(Payment.account_id == account.id)
    first, last = (
        db.session.scalar(of_account.order_by(order).limit(1))
        for order in (Payment.created_at.asc(), Payment.created_at.desc())
    )
    found: list[Span] = []
    if first is None or last is None:
        return found
    zone = _zone()
    begins = max(first, _EARLIEST).astimezone(zone).date().replace(day=1)
    while _start_of(begins, zone) <= last and begins.year <= clock.now().year + 1:
        following = (begins + timedelta(days=31)).replace(day=1)
        found.append((_start_of(begins, zone), _start_of(following, zone)))
        begins = following
    return found


def _years(account: MonetaryAccount) -> list[Span]:
    """Return the years all of whose months are summed, as far as they have payments."""
    zone, kept = _zone(), _kept(account, "month")
    whole: dict[int, bool] = {}
    for month in _months(account):
        year = month[0].astimezone(zone).year
        whole[year] = whole.get(year, True) and month in kept
    first_days = ((date(year, 1, 1), date(year + 1, 1, 1)) for year, is_whole in whole.items() if is_whole)
    return [(_start_of(first, zone), _start_of(following, zone)) for first, following in first_days]


def _days_of_many(account: MonetaryAccount, months: Sequence[Span]) -> list[Span]:
    """Return the days of those months that have many payments."""
    query = (
        select(SummedSpan.since, SummedSpan.before)
        .join(SpanSum, SpanSum.span_id == SummedSpan.id)
        .where(SummedSpan.account_id == account.id, SummedSpan.unit == "month")
        .where(SummedSpan.since.in_([since for since, _before in months]))
        .group_by(SummedSpan.id)
        .having(func.sum(SpanSum.count) > _MANY)
    )
    zone, found = _zone(), []
    for since, before in db.session.execute(query):
        day = since.astimezone(zone).date()
        while (begins := _start_of(day, zone)) < before:
            day += timedelta(days=1)
            found.append((begins, _start_of(day, zone)))
    return found


def _add(account: MonetaryAccount, unit: Unit, wanted: Sequence[Span], sums: Select[Any]) -> None:
    """Keep sums of those spans of which none are kept; `sums` makes them, joined to the spans."""
    kept = _kept(account, unit)
    fresh = [
        {"account_id": account.id, "unit": unit, "since": since, "before": before}
        for since, before in wanted
        if (since, before) not in kept
    ]
    if fresh:
        span_ids = list(db.session.scalars(insert(SummedSpan).returning(SummedSpan.id), fresh))
        db.session.execute(insert(SpanSum).from_select(_COLUMNS, sums.where(SummedSpan.id.in_(span_ids))))


def _of_payments(account: MonetaryAccount) -> Select[Any]:
    own = Payment.counterparty_iban.in_(account.known_ibans or [])
    return (
        select(
            SummedSpan.id,
            Payment.currency,
            case((Payment.amount > 0, 1), (Payment.amount < 0, -1), else_=0).label("direction"),
            Payment.type,
            case((own, Payment.counterparty_iban), else_="").label("own_iban"),
            func.count(),
            func.sum(Payment.amount),
            func.min(Payment.id),
            func.max(Payment.id),
        )
        .where(Payment.account_id == account.id)
        .where(Payment.created_at >= SummedSpan.since, Payment.created_at < SummedSpan.before)
        .group_by(SummedSpan.id, Payment.currency, "direction", Payment.type, "own_iban")
    )


def _of_months(account: MonetaryAccount) -> Select[Any]:
    month = aliased(SummedSpan)
    kind = (SpanSum.currency, SpanSum.direction, SpanSum.type, SpanSum.own_iban)
    sums = (func.sum(SpanSum.count), func.sum(SpanSum.amount), func.min(SpanSum.first_id), func.max(SpanSum.last_id))
    query = cast(Select[Any], select(SummedSpan.id, *kind, *sums))
    return (
        query.where(month.account_id == account.id, month.unit == "month", SpanSum.span_id == month.id)
        .where(month.since >= SummedSpan.since, month.before <= SummedSpan.before)
        .group_by(SummedSpan.id, *kind)
    )


def _kept(account: MonetaryAccount, unit: Unit) -> set[Span]:
    query = select(SummedSpan.since, SummedSpan.before).filter_by(account_id=account.id, unit=unit)
    return {(row.since, row.before) for row in db.session.execute(query)}


def _delete(account: MonetaryAccount) -> None:
    gone = delete(SummedSpan).where(SummedSpan.account_id == account.id)
    db.session.execute(gone.execution_options(synchronize_session=False))


def _zone() -> ZoneInfo:
    chosen: ZoneInfo = current_app.config["TIME_ZONE"]
    return chosen


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
