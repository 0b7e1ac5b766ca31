"""A payment as bunq lists it, and one page of such a list.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.bunq.protocol import page_query
from bunqflask.bunq.resources import Amount, Json, read_time, text, whole
from bunqflask.bunq.untrusted import check_depth, read_json


class PaymentUnreadable(ResponseNotUnderstood):
    """One payment of a list cannot be stored; `payment_id` is bunq's id of it, if that can be read."""

    def __init__(self, payment_id: int | None) -> None:
        super().__init__(f"payment {payment_id or 'without an id'} has no id, no amount or no time")
        self.payment_id = payment_id


class Payment(msgspec.Struct, frozen=True):
    """One movement on one monetary account: negative amounts went out.

    `balance_after` is the account's balance after it, where bunq gives one. Merchants have no IBAN. `raw` is
    bunq's JSON of it.
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
    raw: str

    @classmethod
    def from_item(cls, item: Mapping[str, bytes]) -> Payment | None:
        """Read one list item `{"Payment": …}`, unread JSON under its name; None when it holds no payment.

        :raises PaymentUnreadable: a payment without an id, an amount or a time.
        """
        raw = item.get("Payment", b"null")
        try:
            said, written = raw.decode(), _read(raw)
        except ValueError as error:
            raise PaymentUnreadable(None) from error
        if written is None:
            return None
        payment_id = whole(written.id)
        amount, created_at = Amount.from_json(written.amount), read_time(written.created)
        if payment_id is None or amount is None or created_at is None:
            raise PaymentUnreadable(payment_id)
        name, iban = _party(written.counterparty_alias)
        return cls(
            payment_id=payment_id,
            monetary_account_id=whole(written.monetary_account_id),
            created_at=created_at,
            updated_at=read_time(written.updated) or created_at,
            amount=amount,
            balance_after=Amount.from_json(written.balance_after_mutation),
            description=text(written.description),
            type=text(written.type),
            sub_type=text(written.sub_type),
            counterparty_name=name,
            counterparty_iban=iban,
            raw=said,
        )


@dataclass(frozen=True)
class PaymentPage:
    """One page, and the id below which the next older one begins; None at the end of history.

    Where bunq says nothing about older ones (`is_paged` is false), asking for them is the only way to know.
    `unreadable` are bunq's ids of payments that cannot be read, 0 for one without a readable id.
    """

    payments: list[Payment]
    older_id: int | None
    is_paged: bool = True
    unreadable: tuple[int, ...] = ()

    @classmethod
    def from_answer(cls, items: Sequence[Mapping[str, bytes]], pagination: Json) -> PaymentPage:
        """Read a page in whatever order bunq lists it; other items on it are ignored.

        https://doc.bunq.com/basics/pagination
        """
        payments, unreadable = _read_all(items)
        older_url, is_paged = pagination.get("older_url"), "older_url" in pagination
        if not items or (is_paged and not older_url):
            return cls(payments, None, unreadable=unreadable)
        ids = [*(payment.payment_id for payment in payments), *filter(None, unreadable)]
        if ids or not is_paged:
            return cls(payments, min(ids, default=None), is_paged, unreadable)
        # A page of other items: only its paging says where payments go on.
        return cls(payments, (page_query(older_url) or {}).get("older_id"), unreadable=unreadable)


def _read_all(items: Sequence[Mapping[str, bytes]]) -> tuple[list[Payment], tuple[int, ...]]:
    """Read the payments of a page, and the ids of those that cannot be read: these take no other one along."""
    payments, unreadable = list[Payment](), list[int]()
    for item in items:
        try:
            payment = Payment.from_item(item)
        except PaymentUnreadable as error:
            unreadable.append(error.payment_id or 0)
            continue
        if payment is not None:
            payments.append(payment)
    return payments, tuple(unreadable)


class _Written(msgspec.Struct):
    """The members of a payment that we use, of any JSON type; all others are ignored."""

    id: Any = None
    created: Any = None
    updated: Any = None
    monetary_account_id: Any = None
    amount: Any = None
    balance_after_mutation: Any = None
    description: Any = None
    type: Any = None
    sub_type: Any = None
    counterparty_alias: Any = None


_PAYMENT = msgspec.json.Decoder(_Written)


def _read(raw: bytes) -> _Written | None:
    """Read the JSON of a payment; None when it is no object.

    :raises ValueError: it is no JSON.
    """
    check_depth(raw)
    try:
        return _PAYMENT.decode(raw)
    except ValueError:
        data = read_json(raw)  # which reads more than the quick way
    if not isinstance(data, dict):
        return None
    return _Written(**{name: data.get(name) for name in _Written.__struct_fields__})


def _party(other: Any) -> tuple[str, str | None]:
    if not isinstance(other, dict):
        return "", None
    user = other.get("label_user")
    name = text(other.get("display_name")) or (text(user.get("display_name")) if isinstance(user, dict) else "")
    iban = text(other.get("iban")).replace(" ", "").upper()
    return name, iban[:40] or None
