"""What bunq's balance of an account holds that its payments do not."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, select

from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db, table_of
from bunqflask.models import AccountSync, MonetaryAccount, Payment
from bunqflask.services.sync import coverage

_account, _payment, _sync = (table_of(each).c for each in (MonetaryAccount, Payment, AccountSync))
_each = table_of(Payment).alias("each").c
_newest = (
    select(_each.id)
    .where(_each.account_id == _account.id)
    .order_by(_each.id.desc())
    .limit(1)
    .correlate(table_of(MonetaryAccount))
    .scalar_subquery()
)
_AFTER_NEWEST = (
    select(
        _account.id,
        _payment.id.label("payment"),
        _payment.balance_after,
        _sync.covered,
        _sync.newest_id,
        _sync.newest_balance,
    )
    .outerjoin_from(table_of(MonetaryAccount), table_of(Payment), _payment.id == _newest)
    .outerjoin(table_of(AccountSync), _sync.id == _account.id)
    .where(is_listed(_account.id, "account_ids", BigInteger()))
)


def after_newest(account_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balance after the newest payment of each account: one index look-up each.

    It is zero for an account whose whole history is imported and holds no payment, and None where bunq gave none.
    Accounts without payments whose history is not known are left out.
    """
    rows = db.session.execute(_AFTER_NEWEST, {"account_ids": listed(account_ids)}) if account_ids else ()
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
