"""Adding up payments: money in and out per currency, of all that is found or of days and months apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select, union_all

from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services import payment_index
from bunqflask.services.payment_index import Words
from bunqflask.services.payment_search import Filter, account_ids, conditions, of_amounts, rows_of_few_amounts
from bunqflask.services.payments import Scope

# From a moment up to before another.
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Totals:
    """What payments add up to in one currency; transfers between own accounts are counted apart.

    `last_id` is the row of the newest of them.
    """

    currency: str
    count: int
    money_in: Decimal
    money_out: Decimal
    own: Decimal
    own_count: int
    last_id: int


def totals(scope: Scope, wanted: Filter) -> list[Totals]:
    """Add up the payments in scope, per currency; transfers between own accounts are not money in or out."""
    return [found for _, found in _summed(scope, wanted, literal_column("0"), [])]


def sums(scope: Scope, wanted: Filter, spans: Sequence[Span]) -> dict[datetime, list[Totals]]:
    """Add up the payments of spans of time, in order and apart, in one pass; keyed by the beginnings."""
    edges = sorted({edge for span in spans for edge in span})
    within = or_(*(and_(Payment.created_at >= since, Payment.created_at < before) for since, before in _joined(spans)))
    bounds = None
    if wanted.words:
        # A search is told which rows the spans can hold, or it would find all there are.
        rows = select(func.min(Payment.id), func.max(Payment.id))
        rows = rows.where(Payment.account_id.in_(account_ids(scope, wanted)), within)
        lowest, highest = db.session.execute(rows).one()
        bounds = (lowest or 0, highest or 0)
    found: dict[datetime, list[Totals]] = {}
    for number, each in _summed(scope, wanted, _between(edges[1:-1]), [within], bounds):
        found.setdefault(edges[number], []).append(each)
    return found


def _summed(
    scope: Scope,
    wanted: Filter,
    group: ColumnElement[Any],
    more: Sequence[ColumnElement[bool]],
    bounds: tuple[int, int] | None = None,
) -> list[tuple[int, Totals]]:
    ids = account_ids(scope, wanted)
    if not ids:
        return []
    words, few = Words.of(wanted.words, wanted.amount), rows_of_few_amounts(ids, wanted)
    more = [*conditions(wanted), *more]
    if few is not None:
        more.append(Payment.id.in_(union_all(*few)))
        more += [payment_index.read_in(words)] if words else []
    else:
        more += of_amounts(wanted)
        more += [payment_index.matched(words, bounds or (0, 2**63 - 1))] if words else []
    # What names the rows is quicker than an index of the accounts, which this keeps from being used.
    account = Payment.account_id + 0 if few is not None or words is not None else Payment.account_id
    own, amount, zero = Payment.counterparty_iban.in_(scope.ibans), Payment.amount, Decimal(0)
    foreign = or_(~own, Payment.counterparty_iban.is_(None))
    query = (
        select(
            group.label("number"),
            Payment.currency,
            func.count().label("count"),
            func.sum(amount).filter(amount > 0, foreign).label("money_in"),
            func.sum(amount).filter(amount < 0, foreign).label("money_out"),
            func.sum(amount).filter(own).label("own"),
            func.count().filter(own).label("own_count"),
            func.max(Payment.id).label("last_id"),
        )
        .where(account.in_(ids), *more)
        .group_by("number", Payment.currency)
        .order_by("number", Payment.currency)
    )
    return [
        (
            row.number,
            Totals(
                row.currency,
                row[2],
                row.money_in or zero,
                row.money_out or zero,
                row.own or zero,
                row.own_count,
                row.last_id,
            ),
        )
        for row in db.session.execute(query)
    ]


def _joined(spans: Sequence[Span]) -> list[Span]:
    """The same time in as few spans as possible."""
    found: list[Span] = []
    for since, before in spans:
        if found and found[-1][1] == since:
            found[-1] = (found[-1][0], before)
        else:
            found.append((since, before))
    return found


def _between(moments: Sequence[datetime], first: int = 0) -> ColumnElement[Any]:
    """How many of the moments, in order, are past at a payment: a tree of questions, so that few are asked."""
    if not moments:
        return literal_column(str(first))
    middle = len(moments) // 2
    earlier, later = _between(moments[:middle], first), _between(moments[middle + 1 :], first + middle + 1)
    return case((Payment.created_at < moments[middle], earlier), else_=later)
