"""bunq's payments as rows of ours. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from bunqflask.bunq import payment as bunq
from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.database.types import fits
from bunqflask.models.payments import LARGEST_PAYMENT_ID, row_id
from bunqflask.services.payments.tokenizer import amount_word, fours, search_text


class Row(NamedTuple):
    """What is stored of a payment: the columns of `payment` and of `payment_raw` together, as Python values."""

    id: int
    account_id: int
    payment_id: int
    created_at: datetime
    updated_at: datetime
    amount: Decimal
    currency: str
    balance_after: Decimal | None
    type: str
    sub_type: str
    description: str
    counterparty_name: str
    counterparty_iban: str | None
    search_text: str
    data: str
    revision: int = 0
    first_revision: int = 0


def storable(page: bunq.PaymentPage, monetary_account_id: int) -> bunq.PaymentPage:
    """Return a page without the payments that name another account or have no room in a row: unreadable ones.

    :raises ResponseNotUnderstood: all payments name another account, so the page is that account's.
    """
    if page.payments and not any(_is_of(each, monetary_account_id) for each in page.payments):
        raise ResponseNotUnderstood(f"a page of payments of account {monetary_account_id} names another account")
    odd = {each.payment_id for each in page.payments if not _is_storable(each, monetary_account_id)}
    if not odd:
        return page
    kept = [payment for payment in page.payments if payment.payment_id not in odd]
    return replace(page, payments=kept, unreadable=(*page.unreadable, *sorted(odd)))


def _is_storable(payment: bunq.Payment, monetary_account_id: int) -> bool:
    has_room = payment.payment_id <= LARGEST_PAYMENT_ID and fits(payment.amount.value)
    return has_room and _is_of(payment, monetary_account_id)


def _is_of(payment: bunq.Payment, monetary_account_id: int) -> bool:
    # One that names no account, as the documentation allows, is of the account that was asked for.
    return payment.monetary_account_id in (None, monetary_account_id)


def rows_of(account_id: int, found: Iterable[bunq.Payment]) -> list[Row]:
    """Make the rows that store payments of one account, by their ids."""
    # A page may list one payment twice, when it changed while bunq made the page.
    latest = {payment.payment_id: payment for payment in sorted(found, key=lambda each: each.updated_at)}
    # In this order databases write quickest.
    return [_row(account_id, latest[payment_id]) for payment_id in sorted(latest)]


def _row(account_id: int, payment: bunq.Payment) -> Row:
    amount, balance_after = payment.amount.value, payment.balance_after
    name, iban = payment.counterparty_name[:500], payment.counterparty_iban
    return Row(
        id=row_id(payment.payment_id, account_id),
        account_id=account_id,
        payment_id=payment.payment_id,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
        amount=amount,
        currency=payment.amount.currency[:10],
        balance_after=balance_after.value if balance_after and fits(balance_after.value) else None,
        type=payment.type[:40],
        sub_type=payment.sub_type[:40],
        description=payment.description,
        counterparty_name=name,
        counterparty_iban=iban,
        # An IBAN is looked for as one word, or in the groups of four in which it is written.
        search_text=search_text(
            " ".join([name, payment.description, iban or "", *fours(iban or ""), amount_word(amount)])
        ),
        data=payment.raw,
    )
