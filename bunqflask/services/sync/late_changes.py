"""Late changes: payments that bunq changed after their import, or listed only after later ones had been imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select

from bunqflask import clock
from bunqflask.extensions import db, table_of
from bunqflask.models import CoveredRange, LateChangeKind, Payment, PaymentChange
from bunqflask.models.payments import payment_id_of
from bunqflask.services.sync import coverage
from bunqflask.services.sync.payment_rows import Row

# What aggregates are made of.
summed_of = attrgetter("created_at", "amount", "currency", "type", "counterparty_iban")

# By then the books of the quarter are closed; a payment's own page shows its changes for good.
SHOWN_FOR = timedelta(days=90)

_payment = table_of(Payment).c


@dataclass(frozen=True)
class LatePayment:
    """A payment that changed or came late, by its row and by its other side."""

    row_id: int
    counterparty_name: str


_STORED = select(
    _payment.id,
    _payment.created_at,
    _payment.updated_at,
    _payment.amount,
    _payment.currency,
    _payment.balance_after,
    _payment.type,
    _payment.counterparty_iban,
).where(
    _payment.account_id == bindparam("account_id"), _payment.id.between(bindparam("first_id"), bindparam("last_id"))
)


def stored(account_id: int, first_id: int, last_id: int) -> Mapping[int, Any]:
    """Return those columns of neighbouring payments that late changes and aggregates depend on, by their rows."""
    within = {"account_id": account_id, "first_id": first_id, "last_id": last_id}
    return {row.id: row for row in db.session.connection().execute(_STORED, within)}


def notice(
    account_id: int,
    rows: Iterable[Row],
    stored: Mapping[int, Any],
    covered: Sequence[CoveredRange],
) -> list[PaymentChange]:
    """Return the late changes that rows will make: of amount, balance or time, not of texts.

    :param rows: payments as they will be stored, none of them older than what is stored.
    :param covered: the ranges that were covered before; a new payment within one came late.
    """
    found = []
    for row in rows:
        was = stored.get(row.id)
        if was is None:
            if coverage.contains(covered, payment_id_of(row.id)):
                found.append(_change(account_id, row.id, kind=LateChangeKind.LATE))
        elif _differs(was, row):
            change = _change(account_id, row.id, kind=LateChangeKind.CHANGED)
            change.amount_before, change.balance_before = was.amount, was.balance_after
            change.created_before = was.created_at
            found.append(change)
    return found


def newest_of(account_id: int, since: datetime, limit: int) -> list[LatePayment]:
    """Return the payments of an account that changed or came late of late, the one noticed last first, each once.

    :param since: payments before it are left out.
    """
    noticed = func.max(PaymentChange.id)
    query = (
        select(Payment.id, Payment.counterparty_name)
        .join(PaymentChange, PaymentChange.payment_row_id == Payment.id)
        .where(*_within_days(account_id), Payment.created_at >= since)
        .group_by(Payment.id, Payment.counterparty_name)
        .order_by(noticed.desc())
    )
    return [LatePayment(*row) for row in db.session.execute(query.limit(limit))]


def count(account_id: int, since: datetime) -> int:
    """Return how many payments of an account, those before `since` left out, changed or came late in that time."""
    query = select(func.count(PaymentChange.payment_row_id.distinct())).where(*_within_days(account_id))
    query = query.join(Payment, Payment.id == PaymentChange.payment_row_id).where(Payment.created_at >= since)
    return db.session.scalar(query) or 0


def _within_days(account_id: int) -> list[ColumnElement[bool]]:
    return [PaymentChange.account_id == account_id, PaymentChange.noticed_at >= clock.now() - SHOWN_FOR]


def _change(account_id: int, row_id: int, *, kind: LateChangeKind) -> PaymentChange:
    return PaymentChange(account_id=account_id, payment_row_id=row_id, noticed_at=clock.now(), kind=kind)


def _differs(was: Any, row: Row) -> bool:
    # A balance that bunq did not list is no other balance.
    balances = (was.balance_after, row.balance_after)
    return (was.amount, was.currency, was.created_at) != (row.amount, row.currency, row.created_at) or (
        None not in balances and balances[0] != balances[1]
    )
