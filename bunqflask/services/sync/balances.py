"""What bunq's balance of an account holds that its payments do not."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Select, select

from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db, table_of
from bunqflask.models import AccountSync, MonetaryAccount, Payment
from bunqflask.services.sync import coverage

_each = table_of(Payment).alias("each").c
_newest = (
    select(_each.id)
    .where(_each.account_id == MonetaryAccount.id)
    .order_by(_each.id.desc())
    .limit(1)
    .correlate(MonetaryAccount)
    .scalar_subquery()
)


def _of_accounts(*columns: Any) -> Select[Any]:
    return (
        select(MonetaryAccount.id, Payment.id.label("payment"), Payment.balance_after, *columns)
        .select_from(MonetaryAccount)
        .outerjoin(Payment, Payment.id == _newest)
        .outerjoin(AccountSync, AccountSync.id == MonetaryAccount.id)
        .where(is_listed(MonetaryAccount.id, "account_ids", BigInteger()))
    )


_AFTER_NEWEST = _of_accounts(AccountSync.covered, AccountSync.newest_id, AccountSync.newest_balance)
_WITH_STATES = _of_accounts(AccountSync)


def after_newest(account_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balance after the newest payment of each account: one index look-up each.

    It is zero for an account whose whole history is imported and holds no payment, and None where bunq gave none.
    Accounts without payments whose history is not known are left out.
    """
    rows = db.session.execute(_AFTER_NEWEST, {"account_ids": listed(account_ids)}) if account_ids else ()
    return {
        row.id: _after(row.payment, row.balance_after, row)
        for row in rows
        if row.payment is not None or coverage.is_complete(row.covered or ())
    }


def with_states(account_ids: Sequence[int]) -> tuple[dict[int, AccountSync], dict[int, Decimal | None]]:
    """Return how far accounts are synced, and what `after_newest` returns, with one statement for both."""
    states, found = dict[int, AccountSync](), dict[int, Decimal | None]()
    rows = db.session.execute(_WITH_STATES, {"account_ids": listed(account_ids)}) if account_ids else ()
    for account_id, payment, balance_after, state in rows:
        if state is not None:
            states[account_id] = state
        if payment is not None or (state is not None and coverage.is_complete(state.covered)):
            found[account_id] = _after(payment, balance_after, state)
    return states, found


def _after(payment: int | None, balance_after: Decimal | None, state: Any) -> Decimal | None:
    if payment is None:
        return Decimal(0)
    # Of payments booked together, the last by bunq's number is not always the last by its balance.
    is_known = state is not None and payment == state.newest_id
    known: Decimal | None = state.newest_balance if is_known else balance_after
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
