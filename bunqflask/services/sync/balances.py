"""What bunq's balance of an account holds that its payments do not."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount, Payment
from bunqflask.services.sync import coverage


def after_newest(account_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balance after the newest payment of each account: one index look-up each.

    It is zero for an account whose whole history is imported and holds no payment, and None where bunq gave none.
    Accounts without payments whose history is not known are left out.
    """
    newest = (
        select(Payment.id)
        .where(Payment.account_id == MonetaryAccount.id)
        .order_by(Payment.id.desc())
        .limit(1)
        .correlate(MonetaryAccount)
        .scalar_subquery()
    )
    query = (
        select(
            MonetaryAccount.id,
            Payment.id.label("payment"),
            Payment.balance_after,
            AccountSync.covered,
            AccountSync.newest_id,
            AccountSync.newest_balance,
        )
        .outerjoin(Payment, Payment.id == newest)
        .outerjoin(AccountSync, AccountSync.id == MonetaryAccount.id)
        .where(MonetaryAccount.id.in_(account_ids))
    )
    rows = db.session.execute(query) if account_ids else ()
    return {row.id: _after(row) for row in rows if row.payment is not None or coverage.is_complete(row.covered or ())}


def _after(row: Any) -> Decimal | None:
    if row.payment is None:
        return Decimal(0)
    # Of payments booked together, the last by bunq's number is not always the last by its balance.
    known: Decimal | None = row.newest_balance if row.payment == row.newest_id else row.balance_after
    return known


def differences(account_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return bunq's balance less the balance after the newest payment of some accounts, as both are stored now."""
    query = select(MonetaryAccount.id, MonetaryAccount.balance).where(MonetaryAccount.id.in_(account_ids))
    newest = after_newest(account_ids)
    return {row.id: difference(row.balance, newest.get(row.id)) for row in db.session.execute(query)}


def difference(balance: Decimal | None, after_newest_payment: Decimal | None) -> Decimal | None:
    """Return bunq's balance less the balance after the newest payment; None where one of them is unknown."""
    if balance is None or after_newest_payment is None:
        return None
    return balance - after_newest_payment
