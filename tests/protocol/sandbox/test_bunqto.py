"""Payments to somebody whom the bank does not know: claimed, sent back, taken back, or expired."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, Client, control, session_of
from .hooks import Hook
from .test_payments import balance, order, path
from .test_requests import BUSINESS, wait_until
from .test_webhooks import FILTERS, filters

FRIEND = {"type": "EMAIL", "value": "friend@elsewhere.example"}


def sent(client: Client, value: str = "10.00") -> dict[str, Any]:
    """Send money to the friend; return the payment."""
    id = client.create(path(), {**order(value, FRIEND), "allow_bunqto": True})
    return client.one(f"{path()}/{id}", "Payment")


def test_stranger_is_paid_only_where_the_payer_allows_a_link(bank: Served) -> None:
    client = session_of(bank, JODI)
    for allowed in ({}, {"allow_bunqto": False}, {"allow_bunqto": "yes"}):
        assert client.refused("POST", path(), {**order("10.00", FRIEND), **allowed})[0] == 400
    payment = sent(client)
    assert (payment["type"], payment["sub_type"], payment["amount"]["value"]) == ("BUNQ", "PAYMENT", "-10.00")
    assert payment["counterparty_alias"]["display_name"] == FRIEND["value"]
    assert (payment["bunqto_status"], payment["bunqto_time_responded"]) == ("PENDING", None)
    assert balance(client) == "4108.00"


def test_money_is_claimed_once(bank: Served, hook: Hook) -> None:
    client, studio = session_of(bank, JODI), session_of(bank, COMPANY)
    iban = studio.get(f"/user/{COMPANY}/monetary-account/{BUSINESS}")[0]["MonetaryAccountBank"]["alias"][-1]["value"]
    client.ok("POST", FILTERS, filters(("PAYMENT", hook.url)))
    payment = sent(client)
    before = balance(studio, BUSINESS)
    wrong = requests.post(payment["bunqto_share_url"], data={"name": "A", "iban": "NL00"}, timeout=5)
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    claim = {"name": "Studio", "iban": iban}
    assert "was claimed" in requests.post(payment["bunqto_share_url"], data=claim, timeout=5).text
    assert float(balance(studio, BUSINESS)) == float(before) + 10
    assert requests.post(payment["bunqto_share_url"], data=claim, timeout=5).status_code == 422
    after = client.one(f"{path()}/{payment['id']}", "Payment")
    assert (after["bunqto_status"], after["bunqto_share_url"]) == ("ACCEPTED", None)
    wait_until(lambda: len(hook.heard) == 2)
    assert hook.types() == ["PAYMENT_CLAIMED", "PAYMENT_CREATED"]


@pytest.mark.parametrize("status", ["REJECTED", "EXPIRED"])
def test_money_that_nobody_takes_comes_back(bank: Served, hook: Hook, status: str) -> None:
    client = session_of(bank, JODI)
    client.ok("POST", FILTERS, filters(("PAYMENT", hook.url)))
    payment = sent(client)
    if status == "REJECTED":
        requests.post(payment["bunqto_share_url"], data={"answer": "reject"}, timeout=5)
    else:
        control(bank, "POST", "/clock", {"advance_s": 14 * 86400 + 1})
        client = session_of(bank, JODI)
    newest = client.get(path())[0]["Payment"]
    assert (newest["sub_type"], newest["amount"]["value"]) == ("REVERSAL", "10.00")
    assert client.one(f"{path()}/{payment['id']}", "Payment")["bunqto_status"] == status
    assert balance(client) == "4118.00"
    wait_until(lambda: len(hook.heard) == 2)
    assert hook.types() == ["PAYMENT_CREATED", f"PAYMENT_{status}"]


def test_batch_takes_back_what_still_waits(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    client.ok("POST", FILTERS, filters(("PAYMENT", hook.url)))
    wanted = [{**order("10.00", FRIEND), "allow_bunqto": True}, order("1.00")]
    batch = client.create(f"{path()}-batch", {"payments": wanted})
    assert client.ok("PUT", f"{path()}-batch/{batch}", {}) == [{"Id": {"id": batch}}]
    assert balance(client) == "4117.00"
    shown = client.one(f"{path()}-batch/{batch}", "PaymentBatch")
    assert [each.get("bunqto_status") for each in shown["payments"]] == ["REVOKED", None]
    assert client.ok("PUT", f"{path()}-batch/{batch}", {}) == [{"Id": {"id": batch}}]
    wait_until(lambda: len(hook.heard) == 5)
    assert hook.types() == [
        *("PAYMENT_BATCH_CREATED", "PAYMENT_BATCH_REVOKED", "PAYMENT_CREATED", "PAYMENT_CREATED", "PAYMENT_REVOKED"),
    ]
