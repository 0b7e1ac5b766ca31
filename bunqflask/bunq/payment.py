"""A payment as bunq lists it, and one page of such a list.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.bunq.resources import Amount, Json, moment, number, text, whole


@dataclass(frozen=True)
class Payment:
    """One movement on one monetary account: negative amounts went out.

    `balance_after` is the account's balance after it, where bunq tells one. Merchants have no IBAN.
    """

    payment_id: int
    monetary_account_id: int | None
    created_at: datetime
    updated_at: datetime
    amount: Amount
    balance_after: Amount | None
    description: str
    type: str
    sub_type: str
    counterparty_name: str
    counterparty_iban: str | None
    raw: Json

    @classmethod
    def from_item(cls, item: Json) -> Payment | None:
        """Read one list item `{"Payment": {…}}`; None when it holds no payment.

        :raises ResponseNotUnderstood: a payment without an id, an amount or a moment cannot be kept exactly.
        """
        data = item.get("Payment")
        if not isinstance(data, Mapping):
            return None
        payment_id = number(data, "id")
        amount, created_at = Amount.from_json(data.get("amount")), moment(data.get("created"))
        if amount is None or created_at is None:
            raise ResponseNotUnderstood(f"payment {payment_id} has no amount or no moment")
        other = data.get("counterparty_alias")
        name, iban = _party(other if isinstance(other, Mapping) else {})
        return cls(
            payment_id=payment_id,
            monetary_account_id=whole(data.get("monetary_account_id")),
            created_at=created_at,
            updated_at=moment(data.get("updated")) or created_at,
            amount=amount,
            balance_after=Amount.from_json(data.get("balance_after_mutation")),
            description=text(data.get("description")),
            type=text(data.get("type")),
            sub_type=text(data.get("sub_type")),
            counterparty_name=name,
            counterparty_iban=iban,
            raw=data,
        )


@dataclass(frozen=True)
class PaymentPage:
    """One page, and the id below which the next older one begins; None at the end of history."""

    payments: list[Payment]
    older_id: int | None

    @classmethod
    def from_answer(cls, objects: list[dict[str, Any]], pagination: Json) -> PaymentPage:
        """Read a page in whatever order bunq lists it.

        :raises ResponseNotUnderstood: one of the payments cannot be read.

        https://doc.bunq.com/basics/pagination
        """
        payments = [payment for item in objects if (payment := Payment.from_item(item))]
        older_url = pagination.get("older_url")
        if not payments or not isinstance(older_url, str) or not older_url:
            return cls(payments, None)
        smallest = min(payment.payment_id for payment in payments)
        return cls(payments, _older_id(older_url) or smallest)


def _older_id(older_url: str) -> int | None:
    try:
        given = parse_qs(urlsplit(older_url).query).get("older_id", [""])[0]
    except ValueError:
        return None
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None


def _party(other: Json) -> tuple[str, str | None]:
    user = other.get("label_user")
    name = text(other.get("display_name")) or (text(user.get("display_name")) if isinstance(user, Mapping) else "")
    iban = text(other.get("iban")).replace(" ", "").upper()
    return name, iban[:40] or None
