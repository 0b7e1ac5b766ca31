"""Payments put into the database as an import stores them: newest page first, balances that follow from one another."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bunqflask import clock
from bunqflask.bunq.payment import Payment
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AccountSync, CoveredRange, MonetaryAccount
from bunqflask.services.sync import payment_rows, payment_store, reconciliation

FIRST_AT = datetime(2025, 1, 1, 12, tzinfo=UTC)
_PAGE = 200


def store(account: MonetaryAccount, count: int, *, text: Callable[[int], str], first: int = 0) -> None:
    """Store payments of one euro each, an hour apart and numbered from `first`; the history is then complete.

    :param text: returns the description of the payment with this number.
    """
    account_id, number = account.id, account.monetary_account_id
    pages = [range(start, min(start + _PAGE, first + count)) for start in range(first, first + count, _PAGE)]
    for page in reversed(pages):
        found = [_from_bunq(number, each, text(each)) for each in page]
        with transaction():
            payment_store.store(account_id, payment_rows.rows_of(account_id, found))
    with transaction():
        state = db.session.get(AccountSync, account_id) or AccountSync(id=account_id)
        state.covered = (CoveredRange(_payment_id(first + count - 1), 1, True),)
        state.synced_at = clock.now()
        db.session.add(state)
        db.session.get_one(MonetaryAccount, account_id).balance = Decimal(first + count)
        db.session.flush()
        check = reconciliation.check_all(account_id)
        state.verified_id, state.discrepancies = check.verified_id, check.discrepancies
        state.reconciled_at = clock.now()


def _payment_id(number: int) -> int:
    return 1_000 + 3 * number


def _from_bunq(monetary_account_id: int, number: int, text: str) -> Payment:
    at = f"{FIRST_AT + number * timedelta(hours=1):%Y-%m-%d %H:%M:%S.%f}"
    body: dict[str, Any] = {
        "id": _payment_id(number),
        "created": at,
        "updated": at,
        "monetary_account_id": monetary_account_id,
        "amount": {"currency": "EUR", "value": "1.00"},
        "balance_after_mutation": {"currency": "EUR", "value": f"{number + 1}.00"},
        "description": text,
        "type": "BUNQ",
        "sub_type": "PAYMENT",
        "counterparty_alias": {"iban": "NL02ABNA0123456789", "display_name": f"Counterparty {text}"},
    }
    found = Payment.from_item({"Payment": json.dumps(body).encode()})
    assert found is not None
    return found
