"""Late changes: payments that bunq changed after they were read, or told of only after later ones had been read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount, Payment, PaymentChange
from bunqflask.models.payments import ACCOUNT_BITS

# What sums of payments are made of.
SUMMED = ("created_at", "amount", "currency", "type", "counterparty_iban")

# By then the books of the quarter are closed; a payment's own page tells of its changes for good.
TOLD_FOR = timedelta(days=90)


def stored(account: MonetaryAccount, row_ids: Sequence[int]) -> Mapping[int, Any]:
    """Return what is kept of some payments that lie together, by their rows: what is noted or summed of it."""
    query = select(
        Payment.id,
        Payment.created_at,
        Payment.updated_at,
        Payment.amount,
        Payment.currency,
        Payment.balance_after,
        Payment.type,
        Payment.counterparty_iban,
    ).where(Payment.account_id == account.id, Payment.id.between(min(row_ids), max(row_ids)))
    return {row.id: row for row in db.session.execute(query)}


def notice(
    account: MonetaryAccount,
    rows: Sequence[Mapping[str, Any]],
    stored: Mapping[int, Any],
    known: Sequence[Sequence[Any]],
) -> list[PaymentChange]:
    """Return what is about to change in payments that books may already be made of: money or moment, not words.

    :param rows: payments as they will be stored, none of them older than what is stored.
    :param known: the stretches of history that were without a gap before; a new payment within one came late.
    """
    found = []
    for row in rows:
        was = stored.get(row["id"])
        if was is None:
            if _is_within(row["id"] >> ACCOUNT_BITS, known):
                found.append(_change(account, row, kind="late"))
        elif _differs(was, row):
            change = _change(account, row, kind="changed")
            change.amount_before, change.balance_before = was.amount, was.balance_after
            change.created_before = was.created_at
            found.append(change)
    return found


def newest_of(account: MonetaryAccount, limit: int) -> list[Payment]:
    """Return the payments of an account that changed or came late of late, the one noticed last first, each once."""
    noticed = func.max(PaymentChange.id).label("noticed")
    latest = (
        select(PaymentChange.payment_row_id, noticed)
        .where(*_of_late(account))
        .group_by(PaymentChange.payment_row_id)
        .subquery()
    )
    query = select(Payment).join(latest, latest.c.payment_row_id == Payment.id).order_by(latest.c.noticed.desc())
    return list(db.session.scalars(query.limit(limit)))


def count(account: MonetaryAccount) -> int:
    """Return how many payments of an account changed or came late, of late."""
    query = select(func.count(PaymentChange.payment_row_id.distinct())).where(*_of_late(account))
    return db.session.scalar(query) or 0


def of_payment(payment: Payment) -> list[PaymentChange]:
    """Return what changed in a payment since it was first read, oldest first."""
    query = select(PaymentChange).where(PaymentChange.payment_row_id == payment.id).order_by(PaymentChange.id)
    return list(db.session.scalars(query))


def _of_late(account: MonetaryAccount) -> list[ColumnElement[bool]]:
    return [PaymentChange.account_id == account.id, PaymentChange.noticed_at >= clock.now() - TOLD_FOR]


def _change(account: MonetaryAccount, row: Mapping[str, Any], *, kind: str) -> PaymentChange:
    return PaymentChange(account_id=account.id, payment_row_id=row["id"], noticed_at=clock.now(), kind=kind)


def _is_within(payment_id: int, known: Sequence[Sequence[Any]]) -> bool:
    return any(payment_id <= newest and (reaches_end or payment_id >= oldest) for newest, oldest, reaches_end in known)


def _differs(was: Any, row: Mapping[str, Any]) -> bool:
    # A balance that bunq did not tell is no other balance.
    balances = (was.balance_after, row["balance_after"])
    return (was.amount, was.currency, was.created_at) != (row["amount"], row["currency"], row["created_at"]) or (
        None not in balances and balances[0] != balances[1]
    )
