"""What a list of payments is narrowed to: each filter once, as the conditions on payments and on aggregates."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, exists, func, not_, or_

from bunqflask.models import Note, PaymentRaw, PaymentTotal
from bunqflask.services.payments import fulltext, local_days
from bunqflask.services.payments.fulltext import Words


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a list of payments is narrowed to; empty shows all. Amounts are sizes, without a sign; days are local.

    `amount` is what the words mean when they are an amount: payments of that size are found too. Without `account_ids`
    it lets all accounts through.
    """

    words: str = ""
    amount: Decimal | None = None
    account_ids: frozenset[int] | None = None
    first_day: date | None = None
    last_day: date | None = None
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    direction: Literal["", "in", "out"] = ""
    type: str = ""
    # a file that came with the payment, or that a stored note on it brings
    receipt: Literal["", "known", "missing"] = ""

    @property
    def search(self) -> Words | None:
        """The words to look for, if there are any."""
        return Words.of(self.words, self.amount)

    @property
    def limits_amounts(self) -> bool:
        return self.at_least is not None or self.at_most is not None or self.direction != ""

    @property
    def first(self) -> date:
        """The first day that it lets through."""
        return self.first_day or local_days.FIRST_DAY

    @property
    def last(self) -> date:
        """The last day that it lets through."""
        return self.last_day or local_days.LAST_DAY


def unindexed(column: Any) -> Any:
    """Return a column in a way that no index knows, where the planners would choose the wrong one."""
    return func.coalesce(column, column)


def _size_of(payment: Any) -> Any:
    return func.abs(unindexed(payment.amount), type_=payment.amount.type)


def _has_receipt(payment: Any, value: str) -> ColumnElement[bool]:
    """The condition that a file of a payment is known, or that none is."""
    of_note = exists().where(Note.payment_row_id == payment.id, Note.kind == "attachment")
    # bunq writes an empty list where nothing came along.
    listed = func.coalesce(PaymentRaw.data["attachment"].as_string(), "[]")
    own = exists().where(PaymentRaw.id == payment.id, listed != "[]")
    return or_(of_note, own) if value == "known" else not_(or_(of_note, own))


@dataclass(frozen=True)
class FilterField:
    """One filter that a payment passes or not.

    :param of_payment: the condition on a payment (a model or an alias of it), given the filter's value.
    :param of_total: the condition on aggregates; None when they do not tell, so that payments are added up.
    """

    name: str
    of_payment: Callable[[Any, Any], ColumnElement[bool]]
    of_total: Callable[[Any], ColumnElement[bool]] | None = None


# Days and accounts are not among them: they are where to look, not what to look for. Amounts are asked for in a way
# that no index knows: `search` uses theirs where it helps, and elsewhere planners would leave the order of time for it.
FIELDS = (
    FilterField(
        "direction",
        lambda payment, value: unindexed(payment.amount) > 0 if value == "in" else unindexed(payment.amount) < 0,
        lambda value: PaymentTotal.direction == (1 if value == "in" else -1),
    ),
    FilterField("type", lambda payment, value: payment.type == value, lambda value: PaymentTotal.type == value),
    FilterField("at_least", lambda payment, value: _size_of(payment) >= value),
    FilterField("at_most", lambda payment, value: _size_of(payment) <= value),
    FilterField("receipt", _has_receipt),
    FilterField("search", lambda payment, value: fulltext.contains(payment, value)),
)
# The filters by amount, all of which its index answers.
OF_AMOUNTS = ("direction", "at_least", "at_most")


def conditions(wanted: Filter, payment: Any, *, without: Collection[str] = ()) -> list[ColumnElement[bool]]:
    """Return what a filter asks of a payment.

    :param without: the filters that are asked for in another way.
    """
    return [each.of_payment(payment, value) for each, value in _used(wanted) if each.name not in without]


def conditions_on_totals(wanted: Filter) -> list[ColumnElement[bool]] | None:
    """Return what a filter asks of an aggregate; None when aggregates cannot answer it."""
    found = []
    for each, value in _used(wanted):
        if each.of_total is None:
            return None
        found.append(each.of_total(value))
    return found


def _used(wanted: Filter) -> list[tuple[FilterField, Any]]:
    values = [(each, getattr(wanted, each.name)) for each in FIELDS]
    return [(each, value) for each, value in values if value not in (None, "")]
