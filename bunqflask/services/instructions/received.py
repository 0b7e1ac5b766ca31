"""What came in by links: the payments that bunq names, as far as they are imported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.models.payments import row_id


@dataclass(frozen=True)
class ReceivedPayment:
    """A payment that came of a link; `row_id` is ours, the amount positive and in `currency`."""

    row_id: int
    created_at: datetime
    amount: Decimal
    currency: str
    name: str


def by_payments(account_id: int, payment_ids: Iterable[int]) -> list[ReceivedPayment]:
    """Return the imported payments of an account of ours among some ids of bunq's, the oldest first."""
    ids = [row_id(each, account_id) for each in payment_ids]
    query = select(Payment).where(Payment.id.in_(ids), Payment.amount > 0).order_by(Payment.created_at, Payment.id)
    return [
        ReceivedPayment(each.id, each.created_at, each.amount, each.currency, each.counterparty_name)
        for each in db.session.scalars(query)
    ]
