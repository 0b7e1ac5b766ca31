"""What bunq's balance of an account holds that its payments do not."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount, Payment


def after_newest(account_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balance after the newest payment of each account that has one: one index look-up each."""
    newest = (
        select(Payment.id)
        .where(Payment.account_id == MonetaryAccount.id)
        .order_by(Payment.id.desc())
        .limit(1)
        .correlate(MonetaryAccount)
        .scalar_subquery()
    )
    query = (
        select(MonetaryAccount.id, Payment.balance_after)
        .join(Payment, Payment.id == newest)
        .where(MonetaryAccount.id.in_(account_ids))
    )
    return {row.id: row.balance_after for row in db.session.execute(query)} if account_ids else {}


def difference(balance: Decimal | None, after_newest_payment: Decimal | None) -> Decimal | None:
    """Return bunq's balance less the balance after the newest payment; None where one of them is unknown."""
    if balance is None or after_newest_payment is None:
        return None
    return balance - after_newest_payment
