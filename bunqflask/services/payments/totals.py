"""Adding up payments: money in and out per currency, of all that is found or of days and months apart.

Whole months and days are taken from the sums that are kept, as far as these answer; the rest is added up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal_column, or_, select, union_all

from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services.payments import aggregates, fulltext, time_ranges
from bunqflask.services.payments.fulltext import Words
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import (
    Filter,
    account_ids,
    amounts,
    are_few,
    of_amounts,
    rows_between,
    seen_by_no_index,
    within_range,
)
from bunqflask.services.payments.time_ranges import EVER, NEVER, Span

_DIRECTIONS = {"": None, "in": 1, "out": -1}


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

    @classmethod
    def of(
        cls,
        currency: str,
        count: int,
        money_in: Decimal | None,
        money_out: Decimal | None,
        own: Decimal | None,
        own_count: int,
        last_id: int,
    ) -> Totals:
        """Make them of what a database says, whose sum of nothing is null."""
        zero = Decimal(0)
        return cls(currency, int(count), money_in or zero, money_out or zero, own or zero, int(own_count), last_id)

    def plus(self, other: Totals) -> Totals:
        """Return what both add up to together, in the same currency."""
        return Totals(
            self.currency,
            self.count + other.count,
            self.money_in + other.money_in,
            self.money_out + other.money_out,
            self.own + other.own,
            self.own_count + other.own_count,
            max(self.last_id, other.last_id),
        )


def totals(scope: Scope, wanted: Filter) -> list[Totals]:
    """Add up the payments in scope, per currency; transfers between own accounts are not money in or out."""
    [found] = _summed(scope, wanted, [(EVER, NEVER)])
    return found


def sums(scope: Scope, wanted: Filter, asked: Sequence[Span]) -> dict[datetime, list[Totals]]:
    """Add up the payments of spans of time, in order and apart; keyed by the beginnings, without those of nothing."""
    found = _summed(scope, wanted, asked)
    return {since: each for (since, _before), each in zip(asked, found, strict=True) if each}


def _summed(scope: Scope, wanted: Filter, asked: Sequence[Span]) -> list[list[Totals]]:
    limits = (wanted.since or EVER, wanted.before or NEVER)
    within = [time_ranges.both(each, limits) for each in asked]
    gaps = {each: [span for span in within if span[0] < span[1]] for each in account_ids(scope, wanted)}
    found: list[tuple[int, Totals]] = []
    if not (wanted.words or _has_sizes(wanted)):
        found += _kept(scope, wanted, within, gaps)
    found += _counted(scope, wanted, within, {account_id: left for account_id, left in gaps.items() if left})
    by_number: list[dict[str, Totals]] = [{} for _ in asked]
    for number, each in found:
        before = by_number[number].get(each.currency)
        by_number[number][each.currency] = each if before is None else before.plus(each)
    return [[each[currency] for currency in sorted(each)] for each in by_number]


def _kept(
    scope: Scope, wanted: Filter, within: Sequence[Span], gaps: dict[int, list[Span]]
) -> Iterable[tuple[int, Totals]]:
    """Yield what is kept of spans of time, and take it out of the gaps of each account."""
    # What is kept of an account must tell the transfers apart that are own ones to this member.
    useful = {each: gaps[each] for each in gaps if set(scope.ibans) <= set(scope.accounts[each].known_ibans or [])}
    beginnings = [since for since, _before in within]
    for each in aggregates.taken(
        useful, own_ibans=scope.ibans, direction=_DIRECTIONS[wanted.direction], type=wanted.type
    ):
        of_it = (each.count, each.money_in, each.money_out, each.own, each.own_count, each.last_id)
        yield bisect_right(beginnings, each.since) - 1, Totals.of(each.currency, *of_it)
    gaps |= useful


def _counted(
    scope: Scope, wanted: Filter, within: Sequence[Span], gaps: dict[int, list[Span]]
) -> Iterable[tuple[int, Totals]]:
    """Yield what payments add up to in what is left of the spans, from the payments themselves."""
    parts = list(_parts(wanted, gaps)) if gaps else []
    if not parts:
        return
    edges = sorted({edge for span in within for edge in span} - {EVER, NEVER})
    numbers = {bisect_right(edges, since): number for number, (since, before) in enumerate(within) if since < before}
    number = _past(edges) if len(numbers) > 1 else literal_column(str(next(iter(numbers))))
    own, amount = Payment.counterparty_iban.in_(scope.ibans), Payment.amount
    foreign = or_(~own, Payment.counterparty_iban.is_(None))
    query = select(
        number.label("number"),
        Payment.currency,
        func.count(),
        func.sum(amount).filter(amount > 0, foreign),
        func.sum(amount).filter(amount < 0, foreign),
        func.sum(amount).filter(own),
        func.count().filter(own),
        func.max(Payment.id),
    )
    queries = [query.where(*part).group_by("number", Payment.currency) for part in parts]
    for each, *sums_of_it in db.session.execute(union_all(*queries)):
        yield numbers[each], Totals.of(*sums_of_it)


def _parts(wanted: Filter, gaps: dict[int, list[Span]]) -> Iterable[list[ColumnElement[bool]]]:
    """Yield conditions that lead to all payments, apart from one another.

    Each has one index to go by: neither database finds its way where one thing or another is asked.
    """
    words, ids = Words.of(wanted.words, wanted.amount), list(gaps)
    ranges = amounts(wanted) if _has_sizes(wanted) else None
    if words and ranges is not None and not are_few(ids, ranges):
        ranges = None
    asked = [seen_by_no_index(Payment.type) == wanted.type] if wanted.type else []
    account, moment = Payment.account_id, Payment.created_at
    if ranges is not None:
        moment = seen_by_no_index(moment)
        asked += [fulltext.read_in(words)] if words else []
    else:
        asked += of_amounts(wanted)
    if words and ranges is None:
        account = seen_by_no_index(account)
        bounds = rows_between(
            ids, min(left[0][0] for left in gaps.values()), max(left[-1][1] for left in gaps.values())
        )
        if bounds is None:
            return
        asked.append(fulltext.matched(words, bounds))
    for (since, before), some in time_ranges.shared(gaps).items():
        place = [account.in_(some), *([moment >= since] if since != EVER else [])]
        place += [moment < before] if before != NEVER else []
        for each in ranges if ranges is not None else [(None, None)]:
            yield [*asked, *place, within_range(Payment.amount, *each)]


def _has_sizes(wanted: Filter) -> bool:
    return wanted.at_least is not None or wanted.at_most is not None


def _past(moments: Sequence[datetime], first: int = 0) -> ColumnElement[Any]:
    """How many of the moments, in order, are past at a payment: a tree of questions, so that few are asked."""
    if not moments:
        return literal_column(str(first))
    middle = len(moments) // 2
    earlier, later = _past(moments[:middle], first), _past(moments[middle + 1 :], first + middle + 1)
    return case((Payment.created_at < moments[middle], earlier), else_=later)
