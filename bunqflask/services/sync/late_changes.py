"""Late changes: payments that bunq changed after their import, listed only after later ones, or lists no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, select

from bunqflask import clock
from bunqflask.extensions import db, table_of
from bunqflask.models import CoveredRange, LateChangeKind, Payment, PaymentChange, WithdrawnPayment
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
    """A payment that changed, came late or was withdrawn, by its row and by its other side."""

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
    _payment.sub_type,
    _payment.description,
    _payment.counterparty_name,
    _payment.counterparty_iban,
    _payment.revision,
).where(
    _payment.account_id == bindparam("account_id"), _payment.id.between(bindparam("first_id"), bindparam("last_id"))
)


def stored(account_id: int, first_id: int, last_id: int) -> Mapping[int, Any]:
    """Return neighbouring payments by their rows: what late changes, aggregates and revisions depend on."""
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
    """Return the payments of an account with late changes of late, the one noticed last first, each once.

    :param since: payments before it are left out.
    """
    asked = {**_asked(account_id, since), "limit": limit}
    return [LatePayment(*row) for row in db.session.execute(_newest(), asked)]


def count(account_id: int, since: datetime) -> int:
    """Return how many payments of an account, those before `since` left out, have late changes of that time."""
    return db.session.scalar(_count(), _asked(account_id, since)) or 0


def withdrawn(account_id: int, row_id: int, amount: Decimal, balance_after: Decimal | None) -> PaymentChange:
    """Return the late change that bunq does not list a payment any more."""
    change = _change(account_id, row_id, kind=LateChangeKind.WITHDRAWN)
    change.amount_before, change.balance_before = amount, balance_after
    return change


@cache
def _newest() -> Select[Any]:
    name = func.coalesce(Payment.counterparty_name, WithdrawnPayment.counterparty_name)
    query = _of_account(PaymentChange.payment_row_id, name).group_by(PaymentChange.payment_row_id, name)
    return query.order_by(func.max(PaymentChange.id).desc()).limit(bindparam("limit", type_=Integer))


@cache
def _count() -> Select[Any]:
    return _of_account(func.count(PaymentChange.payment_row_id.distinct()))


def _of_account(*columns: Any) -> Select[Any]:
    """Build a statement about the late changes of an account; a payment is either listed or withdrawn."""
    return (
        select(*columns)
        .select_from(PaymentChange)
        .outerjoin(Payment, Payment.id == PaymentChange.payment_row_id)
        .outerjoin(WithdrawnPayment, WithdrawnPayment.id == PaymentChange.payment_row_id)
        .where(PaymentChange.account_id == bindparam("account_id"))
        .where(PaymentChange.noticed_at >= bindparam("noticed_since"))
        .where(func.coalesce(Payment.created_at, WithdrawnPayment.created_at) >= bindparam("since"))
    )


def _asked(account_id: int, since: datetime) -> dict[str, Any]:
    return {"account_id": account_id, "since": since, "noticed_since": clock.now() - SHOWN_FOR}


def _change(account_id: int, row_id: int, *, kind: LateChangeKind) -> PaymentChange:
    return PaymentChange(account_id=account_id, payment_row_id=row_id, noticed_at=clock.now(), kind=kind)


def _differs(was: Any, row: Row) -> bool:
    # A balance that bunq did not list is no other balance.
    balances = (was.balance_after, row.balance_after)
    return (was.amount, was.currency, was.created_at) != (row.amount, row.currency, row.created_at) or (
        None not in balances and balances[0] != balances[1]
    )
