"""Addresses in requests: refused wherever they are not plain addresses of a host."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import JODI, MAIN, session_of

TAB = {"amount_inquired": {"currency": "EUR", "value": "1.00"}, "description": "gift"}


def bodies(address: Any) -> dict[str, Any]:
    """Return the requests that carry an address, by path."""
    filters = [{"category": "MUTATION", "notification_target": address}]
    return {
        f"/user/{JODI}/notification-filter-url": {"notification_filters": filters},
        f"/user/{JODI}/monetary-account/{MAIN}/bunqme-tab": {"bunqme_tab_entry": {**TAB, "redirect_url": address}},
    }


@pytest.mark.parametrize(
    "address",
    [
        "https://[",
        "https://[::::]",
        "https://x; script-src *",
        "https://a b/",
        "javascript:alert(1)",
        "x",
        5,
        ["https://x"],
    ],
)
def test_addresses_that_are_none_are_refused(bank: Served, address: Any) -> None:
    client = session_of(bank, JODI)
    number = client.create(f"/user/{JODI}/oauth-client", {})
    wanted = {**bodies(address), f"/user/{JODI}/oauth-client/{number}/callback-url": {"url": address}}
    for path, body in wanted.items():
        assert client.refused("POST", path, body)[0] == 400, path


@pytest.mark.parametrize(
    "address", ["https://app.example", "https://app.example:8443/hook?a=b%20c", "http://[::1]:5000/"]
)
def test_plain_addresses_are_taken(bank: Served, address: str) -> None:
    client = session_of(bank, JODI)
    for path, body in bodies(address).items():
        assert client.ok("POST", path, body)
