"""Finding payments: what a view asks for, and the newest of what it finds, a page at a time.

The work should grow with the page, not with the history. So a page is walked from its newest end where much is found,
and put in order where little is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, union_all

from bunqflask import clock
from bunqflask.database.types import AMOUNT_DECIMALS
from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services.payments import aggregates, fulltext, time_ranges
from bunqflask.services.payments.fulltext import Words
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.time_ranges import EVER, NEVER, Span

PAGE_SIZE = 50
# So many payments are put in order sooner than as many are found among all others.
_FEW = 10_000
_LARGEST = 2**63 - 1
# Of a longer time, what is kept of it tells sooner which rows are in it.
_LONG = timedelta(days=62)
# From an amount to another, both among them; None for no end.
Range = tuple[Decimal | None, Decimal | None]
_SMALLEST = Decimal(1).scaleb(-AMOUNT_DECIMALS)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a view of payments is narrowed to; empty shows all. Amounts are sizes, without a sign.

    `amount` is what the words mean when they are an amount: payments of that size are found too.
    """

    words: str = ""
    amount: Decimal | None = None
    account_id: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    direction: Literal["", "in", "out"] = ""
    type: str = ""


@dataclass(frozen=True)
class Page:
    """Payments, newest first, and the row id below which the older ones begin (None: there are none)."""

    payments: list[Payment]
    older_id: int | None


def list_page(scope: Scope, wanted: Filter, *, older_id: int | None = None, size: int = PAGE_SIZE) -> Page:
    """Return one page of the payments in scope, newest first, as bunq numbers them."""
    ids = account_ids(scope, wanted)
    bounds = rows_between(ids, wanted.since or EVER, wanted.before or NEVER) if ids else None
    if bounds is None:
        return Page([], None)
    lowest, highest = bounds
    found = _newest(ids, wanted, (lowest, highest if older_id is None else min(highest, older_id - 1)), size + 1)
    more = len(found) > size
    return Page(found[:size], found[size - 1].id if more else None)


def finds_many(scope: Scope, wanted: Filter) -> bool:
    """Tell quickly whether the words of a filter are in so many payments that adding them up takes long."""
    words, ids = Words.of(wanted.words, wanted.amount), account_ids(scope, wanted)
    bounds = rows_between(ids, wanted.since or EVER, wanted.before or NEVER) if words and ids else None
    return words is not None and bounds is not None and fulltext.finds_many(words, ids, bounds)


def account_ids(scope: Scope, wanted: Filter) -> list[int]:
    """Return the rows of the accounts that a filter leaves of those in scope."""
    if wanted.account_id is not None:
        return [wanted.account_id] if wanted.account_id in scope.accounts else []
    return scope.ids


def rows_between(ids: list[int], since: datetime, before: datetime) -> tuple[int, int] | None:
    """Return the lowest and the highest row in a span of time; None when there is none.

    Rows are in order of bunq's ids, which is nearly that of time, but a payment may have come late.
    """
    if (since, before) == (EVER, NEVER):
        return 0, _LARGEST
    gaps = {each: [(since, before)] for each in ids}
    found: list[tuple[int | None, int | None]] = []
    if min(before, clock.now()) - since > _LONG:
        found += [(each.first_id, each.last_id) for each in aggregates.taken(gaps)]
    # In a sum, so that PostgreSQL does not look for the lowest row by going through all of them.
    ends = select(func.min(Payment.id + 0), func.max(Payment.id + 0))
    rest = [ends.where(Payment.account_id.in_(some), is_in(span)) for span, some in time_ranges.shared(gaps).items()]
    found += [(first, last) for first, last in db.session.execute(union_all(*rest))] if rest else []
    lowest = min((first for first, _last in found if first is not None), default=None)
    highest = max((last for _first, last in found if last is not None), default=None)
    return None if lowest is None or highest is None else (lowest, highest)


def is_in(span: Span) -> ColumnElement[bool]:
    """The condition that a payment is in a span of time."""
    since, before = span
    begun = true() if since == EVER else Payment.created_at >= since
    return and_(begun, true() if before == NEVER else Payment.created_at < before)


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """What a filter asks of a payment beside its amount and its words.

    Of moments so that no index of them is used: it would find many, and then sort them.
    """
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(seen_by_no_index(Payment.created_at) >= wanted.since)
    if wanted.before is not None:
        found.append(seen_by_no_index(Payment.created_at) < wanted.before)
    if wanted.type:
        found.append(Payment.type == wanted.type)
    return found


def of_amounts(wanted: Filter) -> list[ColumnElement[bool]]:
    """What a filter asks of a payment's amount, in the same way."""
    ranges = amounts(wanted)
    return [] if ranges is None else [or_(*(within_range(seen_by_no_index(Payment.amount), *each) for each in ranges))]


def are_few(ids: list[int], ranges: Sequence[Range]) -> bool:
    """Tell whether few payments of some accounts have amounts in some ranges."""
    some = [select(each.limit(_FEW + 1).subquery()) for each in _rows_with(ids, ranges)]
    found = union_all(*some).limit(_FEW + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(found)) or 0) <= _FEW


def amounts(wanted: Filter) -> list[Range] | None:
    """Return the amounts that a filter lets through, as ranges apart from one another; None when it is all."""
    least, most = wanted.at_least or Decimal(0), wanted.at_most
    if wanted.direction:
        least = max(least, _SMALLEST)
    elif wanted.at_least is None and most is None:
        return None
    if not least:
        return [(None if most is None else -most, most)]
    money_out = (None if most is None else -most, -least)
    return [each for way, each in (("out", money_out), ("in", (least, most))) if wanted.direction in ("", way)]


def within_range(amount: Any, least: Decimal | None, most: Decimal | None) -> ColumnElement[bool]:
    """The condition that an amount is in a range, both ends in it."""
    return and_(true() if least is None else amount >= least, true() if most is None else amount <= most)


def seen_by_no_index(column: Any) -> Any:
    """A column in a way that no index knows."""
    return func.coalesce(column, column)


def _newest(ids: list[int], wanted: Filter, bounds: tuple[int, int], limit: int) -> list[Payment]:
    words, asked = Words.of(wanted.words, wanted.amount), conditions(wanted)
    ranges = amounts(wanted)
    if ranges is not None and are_few(ids, ranges):
        asked += [(Payment.id + 0).between(*bounds), *([fulltext.read_in(words)] if words else [])]
        return _first_of([each.where(*asked) for each in _rows_with(ids, ranges)], limit)
    asked += of_amounts(wanted)
    if words is not None:
        return fulltext.newest(words, ids, bounds, asked, limit)
    # The newest of each account, by its index, then the newest of those.
    of_each = [
        select(Payment.id).where(Payment.account_id == each, Payment.id.between(*bounds), *asked) for each in ids
    ]
    return _first_of([select(each.order_by(Payment.id.desc()).limit(limit).subquery()) for each in of_each], limit)


def _first_of(rows: list[Select[Any]], limit: int) -> list[Payment]:
    found = union_all(*rows).subquery()
    newest = select(found.c.id).order_by(found.c.id.desc()).limit(limit)
    return list(db.session.scalars(select(Payment).where(Payment.id.in_(newest)).order_by(Payment.id.desc())))


def _rows_with(ids: list[int], ranges: Sequence[Range]) -> list[Select[Any]]:
    return [
        select(Payment.id).where(Payment.account_id == account_id, within_range(Payment.amount, *each))
        for account_id in ids
        for each in ranges
    ]
