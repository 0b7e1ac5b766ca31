"""Strange values in the members of requests, at things that exist: refused or ignored, never a crash."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from . import openapi
from .client import JODI, MAIN, Client, session_of
from .test_attachment import upload
from .test_customer_statement import EVERYTHING
from .test_drafts import draft
from .test_note import BOTH, NOTED, A
from .test_payments import order

pytestmark = pytest.mark.skipif(not openapi.specification(), reason="bunq-openapi.json is not at hand")

STRANGE: tuple[Any, ...] = (
    *(5, -1, 1.5, True, 10**30, "", "x" * 300, "9" * 40, "\u0000😀", "2026-13-45", "https://["),
    *([], [5], [None], [[]], [{}], [{"id": "x"}], [{"amount": {}, "counterparty_alias": 5}]),
    *({}, {"a": 1}, {"currency": "EUR", "value": "-1"}, {"type": "IBAN", "value": 5, "name": []}),
)
# What a request holds besides the strange member, so that it gets as far as that.
EUR = {"currency": "EUR", "value": "1.00"}
GOOD: dict[str, Any] = {
    **dict.fromkeys(("amount", "amount_inquired", "total_amount_inquired", "savings_goal"), EUR),
    "counterparty_alias": {"type": "EMAIL", "value": "bravo@bunq.com"},
    "description": "d",
    "content": "x",
    "currency": "EUR",
    "allow_bunqme": False,
    "payments": [order("0.01")],
    "payment": order("0.01"),
    "statement_format": "CSV",
    "regional_format": "UK_US",
    **EVERYTHING,
    "year": 2025,
    "ip": "127.0.0.3",
    "second_line": "x",
    "name_on_card": "J. Walker",
    "type": "MASTERCARD",
    "product_type": "MASTERCARD_DEBIT",
    "bunqme_tab_entry": {"amount_inquired": EUR, "description": "d"},
    "all_co_owner": [{"alias": {"type": "EMAIL", "value": "bravo@bunq.com"}}],
    **draft(),
    **BOTH,
}


def existing(bank: Served, client: Client) -> dict[str, str]:
    """Make one thing of many kinds; return the id of each by the word before it in a path."""
    ids = {
        "user": str(JODI),
        "user-person": str(JODI),
        "monetary-account": str(MAIN),
        "monetary-account-bank": str(MAIN),
    }
    for make in NOTED.values():
        parts = make(bank, client).strip("/").split("/")
        ids |= dict(zip(parts[::2], parts[1::2], strict=True))
    ids["attachment"] = str(upload(client))
    for path in (f"/user/{JODI}/card", f"/user/{JODI}/event", f"/user/{JODI}/credential-password-ip"):
        ids[path.rpartition("/")[2]] = str(next(iter(client.get(path)[0].values()))["id"])
    ids["ip"] = str(
        client.get(f"/user/{JODI}/credential-password-ip/{ids['credential-password-ip']}/ip")[0]["PermittedIp"]["id"]
    )
    ids["bunqme-tab"] = str(client.create(f"{A}/bunqme-tab", {"bunqme_tab_entry": GOOD["bunqme_tab_entry"]}))
    ids["oauth-client"] = str(client.create(f"/user/{JODI}/oauth-client", {}))
    return ids


def fill(path: str, ids: dict[str, str]) -> str:
    """Return a documented path with the ids of things that exist, 1 for all others."""
    parts: list[str] = []
    for part in path.split("/"):
        parts.append(ids.get(parts[-1], "1") if part == "{}" else part)
    return "/".join(parts)


def members(operation: dict[str, Any]) -> list[str]:
    """Return the documented members of a request."""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return list(openapi.resolve(schema)[1].get("properties", {}))


@pytest.mark.parametrize("seed", range(2))
def test_no_strange_member_crashes_a_call(bank: Served, seed: int) -> None:
    client = session_of(bank, JODI)
    ids = existing(bank, client)
    chance = random.Random(seed)
    for (method, path), operation in sorted(openapi.operations().items()):
        is_ours = path.startswith(("/user", "/avatar", "/attachment")) and "whitelist" not in path
        if method not in ("POST", "PUT") or not is_ours or ("/note-" in path and "/payment/" not in path):
            continue
        documented = members(operation)
        base = {name: GOOD[name] for name in documented if name in GOOD} if method == "POST" else {}
        for name in documented:
            body = {**base, name: chance.choice(STRANGE)}
            answer = client.call(method, fill(path, ids), body)
            assert answer.status_code < 500, f"{method} {path} {name}={str(body[name])[:80]}"
