"""Finding payments: the newest that a filter lets through, a page at a time, by booking time and then by id.

Few that fit are gathered by an index of words or of amounts and sorted; many are walked by booking time, from the
newest on, until the page is full. So the cost depends on the page, not on the length of the history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    func,
    select,
    true,
    tuple_,
    union_all,
)

from bunqflask.database.lists import is_one_of
from bunqflask.database.types import AMOUNT_DECIMALS
from bunqflask.extensions import db, table_of
from bunqflask.models import Payment
from bunqflask.services.payments import filters, fulltext, local_days, ranges, visibility
from bunqflask.services.payments.filters import Filter, unindexed
from bunqflask.services.payments.lines import PaymentLine, line_columns, line_of
from bunqflask.services.payments.ranges import Rows
from bunqflask.services.payments.repository import AccountScope

PAGE_SIZE = 50
# So many are gathered and sorted, and added up at once: finding words means reading each payment, amounts only an
# index. Both take about 10 ms; walking a history for words that are rarer takes longer.
MOST_BY_WORDS, MOST_BY_AMOUNTS = 2_000, 20_000
_SMALLEST, _LARGEST = Decimal(1).scaleb(-AMOUNT_DECIMALS), Decimal(10) ** 14
_SCALE = 10**AMOUNT_DECIMALS


class Way(StrEnum):
    """How payments are found."""

    BY_WORDS = "by_words"
    BY_AMOUNTS = "by_amounts"
    BY_TIME = "by_time"


# Of a timestamp in microseconds since 1970, and of a row id.
_CURSOR = re.compile(r"(-?\d{1,18})-(\d{1,19})", re.ASCII)
_payment = table_of(Payment).c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_ROW_ID = 2**63 - 1


@dataclass(frozen=True)
class Cursor:
    """The place of a payment in the order of lists; older payments follow."""

    time: datetime
    row_id: int

    @classmethod
    def from_text(cls, text: str) -> Cursor | None:
        """Return the place that a text names; None for a text that no list has written."""
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[2]) > _LARGEST_ROW_ID:
            return None
        try:
            return cls(_EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
        except OverflowError:
            return None

    @property
    def text(self) -> str:
        """The place as a text for an address."""
        return f"{(self.time - _EPOCH) // timedelta(microseconds=1)}-{self.row_id}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a list: what is older than a place, what is not older, or what is newer, which begins at the place."""

    older_than: Cursor | None = None
    down_to: Cursor | None = None
    newer_than: Cursor | None = None

    def conditions(self, payment: Any) -> list[ColumnElement[bool]]:
        """Return what it takes that a payment (a model or an alias of it) is in this part."""
        place = tuple_(payment.created_at, payment.id)
        found = []
        if self.older_than is not None:
            found.append(place < tuple_(self.older_than.time, self.older_than.row_id))
        if self.down_to is not None:
            found.append(place >= tuple_(self.down_to.time, self.down_to.row_id))
        if self.newer_than is not None:
            found.append(place > tuple_(self.newer_than.time, self.newer_than.row_id))
        return found

    def order(self, payment: Any) -> list[Any]:
        """Return in which order its payments come."""
        if self.newer_than is not None:
            return [payment.created_at.asc(), payment.id.asc()]
        return [payment.created_at.desc(), payment.id.desc()]


@dataclass(frozen=True)
class Page:
    """Payments, newest first, and the place after which older ones follow (None: there are none)."""

    lines: list[PaymentLine]
    older: Cursor | None


@dataclass(frozen=True)
class Search:
    """A filter applied to what a principal may see; what is counted to choose a way is counted once."""

    scope: AccountScope
    wanted: Filter

    @cached_property
    def account_ids(self) -> list[int]:
        """The rows of the accounts that the filter leaves of those in scope."""
        return self.scope.ids if self.wanted.account_ids is None else self.scope.once(self.wanted.account_ids)

    def visible(self, payment: Any) -> list[ColumnElement[bool]]:
        """Return the conditions that payments of these accounts are within the principal's rights."""
        return visibility.conditions([self.scope.accounts[each] for each in self.account_ids], payment)

    def first_day_of(self, account_id: int) -> date:
        """Return the first day of an account that the filter and the principal's rights let through."""
        return max(self.wanted.first, self.scope.accounts[account_id].first_day or local_days.FIRST_DAY)

    @cached_property
    def way(self) -> Way:
        """How its payments are found: by what finds few, else by time."""
        words, most = self.wanted.search, MOST_BY_WORDS
        if words and fulltext.count(words, self._query, self.account_ids, most + 1) <= most:
            return Way.BY_WORDS
        if self.wanted.limits_amounts and self._count_by_amounts() <= MOST_BY_AMOUNTS:
            return Way.BY_AMOUNTS
        return Way.BY_TIME

    @cached_property
    def conditions(self) -> list[ColumnElement[bool]]:
        """What the filter asks of a payment, but for days and accounts."""
        return filters.conditions(self.wanted, _payment)

    @cached_property
    def finds_many(self) -> bool:
        """Whether it finds so many that adding them up takes long."""
        return self.way == Way.BY_TIME and filters.conditions_on_totals(self.wanted) is None

    def page(self, *, after: Cursor | None = None, size: int = PAGE_SIZE) -> Page:
        """Return one page, newest first: of all, or of those that are older than a place."""
        found = self._lines(Part(older_than=after), size + 1)
        lines = found[:size]
        return Page(lines, Cursor(lines[-1].created_at, lines[-1].id) if len(found) > size else None)

    def down_to(self, place: Cursor, *, most: int) -> list[PaymentLine] | None:
        """Return all from the newest to a place, the payment there among them; None where they are more than `most`."""
        found = self._lines(Part(down_to=place), most + 1)
        return found if len(found) <= most else None

    def beside(self, place: Cursor) -> tuple[int | None, int | None]:
        """Return the rows of the next newer and of the next older payment."""
        if not self.account_ids:
            return None, None
        first = (self._first(part, 1).subquery() for part in (Part(newer_than=place), Part(older_than=place)))
        both = union_all(*(select(each.c.id) for each in first))
        query = select(_payment.id, _payment.created_at).where(_payment.id.in_(both))
        found = {(row.created_at, row.id) for row in db.session.connection().execute(query)}
        here = (place.time, place.row_id)
        newer, older = (each for each in found if each > here), (each for each in found if each < here)
        return next((row_id for _time, row_id in newer), None), next((row_id for _time, row_id in older), None)

    def _lines(self, part: Part, limit: int) -> list[PaymentLine]:
        if not self.account_ids:
            return []
        if part == Part() and self._are_all:
            asked = {"account_ids": ranges.written_ids(self.account_ids), "most": limit}
            newest = db.session.connection().execute(_newest(db.engine.dialect.name), asked).all()
            return [line_of(row, self.scope) for row in newest]
        query = select(*line_columns(_payment)).where(_payment.id.in_(self._first(part, limit)))
        found = db.session.connection().execute(query.order_by(*part.order(_payment))).all()
        return [line_of(row, self.scope) for row in found]

    def _first(self, part: Part, limit: int) -> Select[Any]:
        """A statement for the rows of the first payments of a part."""
        if self._are_surely_many:
            return self._first_of_all(part, limit)
        return self._first_of_each(part, limit) if self.way == Way.BY_TIME else self._first_of_few(part, limit)

    @property
    def _are_all(self) -> bool:
        """Whether it lets all payments of its accounts through."""
        is_limited = any(self.scope.accounts[each].first_day is not None for each in self.account_ids)
        return not is_limited and self.wanted == Filter(account_ids=self.wanted.account_ids)

    @cached_property
    def few(self) -> tuple[Any, list[ColumnElement[bool]]]:
        """Where its payments are gathered from, by words or by amounts, and the conditions that remain."""
        days, words = list(_within_days(self.wanted, unindexed(_payment.created_at))), self.wanted.search
        days += self.visible(_payment)
        if self.way == Way.BY_AMOUNTS or words is None:
            rest = filters.conditions(self.wanted, _payment, without=filters.OF_AMOUNTS)
            return self._from_amounts, [*rest, *days]
        of_accounts = is_one_of(unindexed(_payment.account_id), self.account_ids, BigInteger())
        rest = filters.conditions(self.wanted, _payment, without=("search",))
        return table_of(Payment), [_payment.id.in_(fulltext.row_ids(self._query)), of_accounts, *rest, *days]

    @cached_property
    def _query(self) -> str:
        words = self.wanted.search
        assert words is not None
        return fulltext.query_of(words)

    def _first_of_few(self, part: Part, limit: int) -> Select[Any]:
        source, asked = self.few
        query = select(_payment.id).select_from(source).where(*asked, *part.conditions(_payment))
        return query.order_by(*part.order(_payment)).limit(limit)

    @cached_property
    def _are_surely_many(self) -> bool:
        """Whether all payments may be walked together: enough of those in scope fit, so that a page is soon full.

        With n that fit among N, about 50 × N/n are looked at, and 50 of each account when they are walked apart.
        """
        if self.way != Way.BY_TIME or len(self.account_ids) == 1:
            return False
        return fulltext.counts_exactly() if self.wanted.search else self.wanted.limits_amounts

    def _first_of_all(self, part: Part, limit: int) -> Select[Any]:
        """The first that fit, by the index of booking times of all accounts."""
        of_accounts = is_one_of(unindexed(_payment.account_id), self.account_ids, BigInteger())
        asked = [of_accounts, *_within_days(self.wanted, _payment.created_at)]
        asked += self.visible(_payment)
        asked += self.conditions
        query = select(_payment.id).where(*asked, *part.conditions(_payment))
        return query.order_by(*part.order(_payment)).limit(limit)

    def _first_of_each(self, part: Part, limit: int) -> Select[Any]:
        """The first of each account by its index, then the first of those."""
        # Columns of the table: those of an alias of the model take three times as long to build.
        account, each = ranges.of_ids(self.account_ids), table_of(Payment).alias().c
        of_account = (
            select(each.id, each.created_at)
            .where(each.account_id == account["id"], *filters.conditions(self.wanted, each))
            .where(*_within_days(self.wanted, each.created_at), *self.visible(each), *part.conditions(each))
            .order_by(*part.order(each))
            .limit(limit)
        )
        if db.engine.dialect.name == "sqlite":
            # SQLite knows no LATERAL, but a subquery in a condition may depend on the row that it is asked for.
            ids = of_account.with_only_columns(each.id).correlate(account.from_clause)
            found = select(_payment.id).select_from(account.from_clause).join(table_of(Payment), _payment.id.in_(ids))
            return found.order_by(*part.order(_payment)).limit(limit)
        first = of_account.correlate(account.from_clause).lateral("first")
        found = select(first.c.id).select_from(account.from_clause).join(first, first.c.id.is_not(None))
        return found.order_by(*part.order(first.c)).limit(limit)

    def _count_by_amounts(self) -> int:
        some = select(_payment.id).select_from(self._from_amounts).limit(MOST_BY_AMOUNTS + 1)
        return db.session.scalar(select(func.count()).select_from(some.subquery())) or 0

    @cached_property
    def _from_amounts(self) -> Any:
        """The payments of the accounts with amounts that the filter lets through, by their index."""
        columns = {"account_id": BigInteger(), "lowest": BigInteger(), "highest": BigInteger()}
        rows = [
            (account_id, int(lowest * _SCALE), int(highest * _SCALE))
            for account_id in self.account_ids
            for lowest, highest in _amounts(self.wanted)
        ]
        of_account = Rows(columns, rows, "amount_range")
        is_within = (_payment.account_id == of_account["account_id"]) & _payment.amount.between(
            of_account["lowest"], of_account["highest"]
        )
        return of_account.from_clause.join(table_of(Payment), is_within)


@cache
def _newest(dialect: str) -> Select[Any]:
    """Return the statement for the newest payments of some accounts: the newest of each, then the newest of those.

    It is what the first page and the list of all payments ask for, so it is built once for each database.
    """
    account, each = ranges.of_ids(bindparam("account_ids", type_=Text)), table_of(Payment).alias("each").c
    most = bindparam("most", type_=Integer)
    of_account = (
        select(each.id)
        .where(each.account_id == account["id"])
        .order_by(each.created_at.desc(), each.id.desc())
        .limit(most)
        .correlate(account.from_clause)
    )
    if dialect == "sqlite":
        # SQLite knows no LATERAL, but a subquery in a condition may depend on the row that it is asked for.
        found = account.from_clause.join(table_of(Payment), _payment.id.in_(of_account))
    else:
        newest = of_account.lateral("newest")
        found = account.from_clause.join(newest, true()).join(table_of(Payment), _payment.id == newest.c.id)
    query = select(*line_columns(_payment)).select_from(found)
    return query.order_by(_payment.created_at.desc(), _payment.id.desc()).limit(most)


def _within_days(wanted: Filter, created_at: Any) -> Iterator[ColumnElement[bool]]:
    if wanted.first_day is not None:
        yield created_at >= local_days.start_of(wanted.first_day)
    if wanted.last_day is not None:
        yield created_at < local_days.end_of(wanted.last_day)


def _amounts(wanted: Filter) -> list[tuple[Decimal, Decimal]]:
    """Return the amounts that a filter lets through, as ranges apart from one another, both ends in them."""
    least, most = wanted.at_least or Decimal(0), wanted.at_most if wanted.at_most is not None else _LARGEST
    if wanted.direction:
        least = max(least, _SMALLEST)
    elif not least:
        return [(-most, most)]
    both = {"out": (-most, -least), "in": (least, most)}
    return [both[each] for each in both if wanted.direction in ("", each)]
