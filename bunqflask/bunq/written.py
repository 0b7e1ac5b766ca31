"""What was written at bunq, as bunq shows it afterwards: how far it is, and what it led to.

https://doc.bunq.com/api-reference/draft-payment
https://doc.bunq.com/api-reference/request-inquiry
https://doc.bunq.com/api-reference/bunqme
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bunqflask.bunq.resources import Amount, Json, number, read_time, text, whole


@dataclass(frozen=True, kw_only=True)
class Written:
    """A draft, a request or a link. `status` is bunq's word, `updated` its own text of the last change.

    `references` are ours in it, `payment_ids` bunq's ids of the payments that came of it, `share_url` leads a payer to
    it. `amount`, `description` and `return_url` are those of a link or a request.
    """

    bunq_id: int
    status: str
    created_at: datetime | None
    updated: str
    references: frozenset[str] = frozenset()
    payment_ids: tuple[int, ...] = ()
    amount: Amount | None = None
    description: str = ""
    return_url: str | None = None
    share_url: str | None = None


def read(item: Json) -> Written | None:
    """Read one item of a list, such as `{"DraftPayment": {…}}`; None when it holds nothing that we write.

    :raises ResponseNotUnderstood: an object without an id.
    """
    for wrapper, data in item.items():
        if wrapper in _READERS and isinstance(data, dict):
            return _READERS[wrapper](data)
    return None


def _draft(data: Json) -> Written:
    references = (text(entry.get("merchant_reference")) for entry in _objects(data.get("entries")))
    return Written(
        bunq_id=number(data, "id"),
        status=text(data.get("status")),
        created_at=read_time(data.get("created")),
        updated=text(data.get("updated")),
        references=frozenset(filter(None, references)),
        payment_ids=tuple(_payment_ids(data.get("object"))),
    )


def _request(data: Json) -> Written:
    return Written(
        bunq_id=number(data, "id"),
        status=text(data.get("status")),
        created_at=read_time(data.get("created")),
        updated=text(data.get("updated")),
        references=frozenset(filter(None, [text(data.get("merchant_reference"))])),
        amount=Amount.from_json(data.get("amount_inquired")),
        description=text(data.get("description")),
        share_url=_https(data.get("bunqme_share_url")),
    )


def _link(data: Json) -> Written:
    entry = data.get("bunqme_tab_entry")
    asked = entry if isinstance(entry, dict) else {}
    return Written(
        bunq_id=number(data, "id"),
        status=text(data.get("status")),
        created_at=read_time(data.get("created")),
        updated=text(data.get("updated")),
        payment_ids=tuple(_payment_ids(data.get("result_inquiries"))),
        amount=Amount.from_json(asked.get("amount_inquired")),
        description=text(asked.get("description")),
        return_url=text(asked.get("redirect_url")) or None,
        share_url=_https(data.get("bunqme_tab_share_url")),
    )


_READERS = {"DraftPayment": _draft, "RequestInquiry": _request, "BunqMeTab": _link}


def _objects(value: Any) -> Iterator[Json]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _payment_ids(value: Any) -> Iterator[int]:
    """Yield the ids of all payments in something: bunq wraps them as `Payment`, and batches in two ways."""
    if isinstance(value, list):
        for each in value:
            yield from _payment_ids(each)
    elif isinstance(value, dict):
        payment = value.get("Payment", value.get("payment"))
        if isinstance(payment, dict) and (found := whole(payment.get("id"))) is not None:
            yield found
        elif payment is not None:
            yield from _payment_ids(payment)
        batch = value.get("PaymentBatch")
        if isinstance(batch, dict):
            payments = batch.get("payments")
            yield from _payment_ids(payments if isinstance(payments, dict) else _wrapped(payments))


def _wrapped(payments: Any) -> list[Json]:
    """Return the payments of a batch, which in older answers stand bare."""
    return [each if "Payment" in each else {"Payment": each} for each in _objects(payments)]


def _https(value: Any) -> str | None:
    """Return an address that may become a link on a page; in the local stand-in it is one of this machine."""
    address = text(value)
    return address[:500] if address.startswith(("https://", "http://127.0.0.1:", "http://localhost:")) else None
