"""Payments of one's own choosing, stored as a sync stores them: exact times, names and amounts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bunqflask import clock
from bunqflask.bunq.payment import Payment
from bunqflask.database import transactions
from bunqflask.extensions import db
from bunqflask.models import AccountSync, CoveredRange, MonetaryAccount
from bunqflask.services.payments import aggregates
from bunqflask.services.sync import payment_rows, payment_store, reconciliation


@dataclass(frozen=True, kw_only=True)
class Paid:
    """One payment: `at` is ISO with an offset, `amount` negative when money went out."""

    at: str | datetime
    amount: str
    name: str = "Bakkerij De Korenaar"
    iban: str | None = None
    text: str = "bread and rolls"
    type: str = "EBA_SCT"
    balance: str | None = ""
    """The balance after it; by default what adds up, None for none."""
    id: int | None = None


def account(monetary_account_id: int) -> MonetaryAccount:
    """Return one of our rows by bunq's id of the account."""
    query = db.select(MonetaryAccount).filter_by(monetary_account_id=monetary_account_id)
    row: MonetaryAccount = db.session.execute(query).scalar_one()
    return row


@contextmanager
def within_a_unit() -> Iterator[None]:
    """Let events be recorded in the transaction that the test commits; a unit of work would end what it has begun."""
    unit = transactions._open_unit.set(transactions._Unit())
    try:
        yield
    finally:
        transactions._open_unit.reset(unit)


def store(row: MonetaryAccount, paid: Sequence[Paid], *, first_id: int = 1000, step: int = 10) -> list[int]:
    """Store payments, oldest first, and reconcile them; returns bunq's ids of them."""
    balance, found = Decimal(0), []
    for number, each in enumerate(paid):
        payment_id = each.id or first_id + number * step
        balance = balance + Decimal(each.amount) if each.balance == "" else Decimal(each.balance or "0")
        found.append(_from_bunq(row, each, payment_id, None if each.balance is None else balance))
    with within_a_unit():
        payment_store.store(row.id, payment_rows.rows_of(row.id, found))
    state = db.session.get(AccountSync, row.id) or AccountSync(id=row.id)
    state.covered = (CoveredRange(max(each.payment_id for each in found), 1, True),)
    state.synced_at = clock.now()
    db.session.add(state)
    db.session.flush()
    check = reconciliation.check_all(row.id)
    state.verified_id, state.discrepancies = check.verified_id, check.discrepancies
    account_id = row.id
    db.session.commit()
    aggregates.rebuild(account_id)
    return [each.payment_id for each in found]


def _from_bunq(row: MonetaryAccount, paid: Paid, payment_id: int, balance: Decimal | None) -> Payment:
    at = paid.at if isinstance(paid.at, datetime) else datetime.fromisoformat(paid.at)
    written = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    body: dict[str, Any] = {
        "id": payment_id,
        "created": written,
        "updated": written,
        "monetary_account_id": row.monetary_account_id,
        "amount": {"currency": row.currency, "value": paid.amount},
        "balance_after_mutation": None if balance is None else {"currency": row.currency, "value": str(balance)},
        "description": paid.text,
        "type": paid.type,
        "sub_type": "PAYMENT",
        "counterparty_alias": {"iban": paid.iban, "display_name": paid.name},
    }
    found = Payment.from_item({"Payment": json.dumps(body).encode()})
    assert found is not None
    return found
