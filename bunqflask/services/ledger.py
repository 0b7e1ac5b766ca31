"""Proof of completeness: each payment's balance must follow from the one before it, to the cent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, type_coerce

from bunqflask.extensions import db
from bunqflask.models import AccountSync, MonetaryAccount, Payment

# An account whose payments carry no balances at all breaks everywhere: the first ones tell enough.
MOST_BREAKS = 100


@dataclass(frozen=True)
class Gap:
    """A payment whose balance does not follow from the payment before it; `missing` is what lies between."""

    row_id: int
    missing: Decimal

    def as_json(self) -> list[Any]:
        return [self.row_id, str(self.missing)]


@dataclass(frozen=True)
class Proof:
    """Every payment up to `verified_id` adds up from the first one on; `breaks` are the ones that do not."""

    verified_id: int | None
    breaks: list[Gap]
    is_whole: bool


def prove(account: MonetaryAccount) -> Proof:
    """Chain amounts and balances of all payments of an account, in bunq's order.

    The chain begins at zero when the end of history has been reached. A payment without a balance breaks it.
    """
    before = func.lag(Payment.balance_after).over(order_by=Payment.id)
    chained = (
        select(Payment.id, Payment.amount, Payment.balance_after, before.label("before"))
        .where(Payment.account_id == account.id)
        .subquery()
    )
    # Compared as the whole numbers that are stored, so that the database is as exact as Decimal.
    off = func.coalesce(chained.c.balance_after, 0) - chained.c.amount - func.coalesce(chained.c.before, 0)
    query = (
        select(chained.c.id, type_coerce(off, Payment.amount.type).label("missing"))
        .where((off != 0) | chained.c.balance_after.is_(None))
        .order_by(chained.c.id)
        .limit(MOST_BREAKS)
    )
    breaks = [Gap(row.id, row.missing) for row in db.session.execute(query)]
    newest = _newest(account, below=breaks[0].row_id if breaks else None)
    state: AccountSync | None = db.session.get(AccountSync, account.id)
    whole = not breaks and state is not None and bool(state.stretches) and bool(state.stretches[0][2])
    return Proof(newest, breaks, whole)


def _newest(account: MonetaryAccount, *, below: int | None) -> int | None:
    query = select(func.max(Payment.id)).where(Payment.account_id == account.id)
    if below is not None:
        query = query.where(Payment.id < below)
    newest: int | None = db.session.scalar(query)
    return newest
