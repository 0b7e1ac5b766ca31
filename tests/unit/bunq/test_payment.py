"""A page of payments: what is no payment on it is passed over, and is not the end of history."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.bunq.payment import PaymentPage

OLDER = {"older_url": "/v1/user/1/monetary-account/2/payment?count=200&older_id=4"}


def payment(payment_id: int) -> dict[str, Any]:
    euro = {"currency": "EUR", "value": "1.00"}
    return {"Payment": {"id": payment_id, "amount": euro, "created": "2026-11-22 12:00:00.000000"}}


def as_written(objects: Sequence[dict[str, Any]]) -> list[dict[str, bytes]]:
    """Return list items with what stands under their names unread."""
    return [{name: json.dumps(data).encode() for name, data in item.items()} for item in objects]


@pytest.mark.parametrize(
    ("objects", "pagination", "older_id"),
    [
        ([payment(9), payment(7)], OLDER, 7),
        ([payment(7), {"PaymentGhost": {"id": 3}}, {}, payment(9)], OLDER, 7),
        ([{"PaymentGhost": {"id": 8}}], OLDER, 4),
        ([{}, {"Payment": None}], OLDER, 4),
        ([], OLDER, None),
        ([payment(9)], {"older_url": None}, None),
        ([payment(9)], {"older_url": ""}, None),
        ([{}], {"older_url": None}, None),
        # Without a word about older ones there may be some.
        ([payment(9)], {}, 9),
        ([], {}, None),
        ([{}], {}, None),
    ],
)
def test_older_payments_begin_below_the_oldest_or_where_the_paging_says(
    objects: list[dict[str, Any]], pagination: dict[str, Any], older_id: int | None
) -> None:
    page = PaymentPage.from_answer(as_written(objects), pagination)
    assert page.older_id == older_id
    assert len(page.payments) == sum(bool(each.get("Payment")) for each in objects)


def test_a_page_of_other_things_that_leads_nowhere_is_not_the_end() -> None:
    with pytest.raises(ResponseNotUnderstood):
        PaymentPage.from_answer(as_written([{"PaymentGhost": {}}]), {"older_url": "/v1/next"})


def test_what_bunq_wrote_is_kept_letter_by_letter() -> None:
    must = rb'"id": 7, "created":"2026-11-22 12:00:00", "amount":{"value":"1.00" ,"currency":"EUR"}'
    written = b"{" + must + rb', "x": "\u00d6\/", "y": 1.10, "z": 1e999}'
    [payment] = PaymentPage.from_answer([{"Payment": written}], {}).payments
    assert payment.raw == written.decode()


@pytest.mark.parametrize("written", [b"{", b'{"id": "\xff"}', b'{"x": "\xff"}', b'{"a":' * 101 + b"1" + b"}" * 101])
def test_a_payment_that_is_not_json_is_named_and_takes_no_other_along(written: bytes) -> None:
    page = PaymentPage.from_answer([{"Payment": written}, *as_written([payment(7)])], OLDER)
    assert [each.payment_id for each in page.payments] == [7]
    assert (page.unreadable, page.older_id) == ((0,), 7)


def test_members_of_any_kind_are_read_as_far_as_they_can_be() -> None:
    must = b'"id": "7", "created":"2026-11-22 12:00:00", "amount":{"value":1.5 ,"currency":"EUR"}'
    odd = rb', "updated": 5, "description": "\ud800x", "type": [], "counterparty_alias": 7, "sub_type": null}'
    [payment] = PaymentPage.from_answer([{"Payment": b"{" + must + odd}], {}).payments
    assert (payment.payment_id, payment.amount.value, payment.description) == (7, Decimal("1.5"), "x")
    assert (payment.type, payment.sub_type, payment.counterparty_name, payment.counterparty_iban) == ("", "", "", None)
