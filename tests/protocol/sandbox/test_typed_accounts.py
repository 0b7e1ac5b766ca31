"""Monetary accounts of each type: opened, renamed, closed."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox import accounts, people
from bunqflask.sandbox.resources.monetary_account import TYPES
from bunqflask.sandbox.server import Served

from .client import JODI, MAIN, App, new_user, session_of
from .test_payments import balance, order

USER = f"/user/{JODI}"
CLOSING = {"status": "CANCELLED", "sub_status": "REDEMPTION_VOLUNTARY", "reason": "OTHER", "reason_description": "over"}
OWNER = {"alias": {"type": "EMAIL", "value": "bravo@bunq.com"}}
OPENING: dict[str, dict[str, Any]] = {
    "bank": {"daily_limit": {"value": "250.00", "currency": "EUR"}},
    "joint": {"all_co_owner": [OWNER]},
    "savings": {"savings_goal": {"value": "1000.00", "currency": "EUR"}},
    "external": {"service": "OPEN_BANKING"},
    "external-savings": {"service": "OPEN_BANKING"},
}


@pytest.mark.parametrize("word", OPENING)
def test_account_is_opened_renamed_and_closed(bank: Served, word: str) -> None:
    client = session_of(bank, JODI)
    path = f"{USER}/monetary-account-{word}"
    number = client.create(path, {"currency": "EUR", "description": "New one", **OPENING[word]})
    shown = client.one(f"{path}/{number}", TYPES[word])
    assert (shown["description"], shown["balance"]["value"], shown["user_id"]) == ("New one", "0.00", JODI)
    assert shown["status"] == ("PENDING_ACCEPTANCE" if word == "joint" else "ACTIVE")
    body = {"description": "Renamed", "setting": {"color": "#123456"}}
    assert client.ok("PUT", f"{path}/{number}", body) == [{"Id": {"id": number}}]
    (listed,) = [item for item in client.get(path) if item[TYPES[word]]["id"] == number]
    assert listed[TYPES[word]]["description"] == "Renamed"
    assert listed[TYPES[word]]["setting"]["color"] == "#123456"
    client.ok("PUT", f"{path}/{number}", CLOSING)
    closed = client.one(f"{path}/{number}", TYPES[word])
    assert (closed["status"], closed["sub_status"]) == ("CANCELLED", "REDEMPTION_VOLUNTARY")
    assert client.refused("GET", f"{USER}/monetary-account-card/{number}")[0] == 404


def test_account_with_money_stays_open(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{USER}/monetary-account-bank/{MAIN}"
    assert client.refused("PUT", path, CLOSING)[0] == 400
    assert client.refused("PUT", path, {"status": "CANCELLED"})[0] == 400
    assert client.one(path, "MonetaryAccountBank")["status"] == "ACTIVE"


def test_savings_know_their_goal_and_how_far_it_is(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{USER}/monetary-account-savings"
    goal = {"value": "1000.00", "currency": "EUR"}
    number = client.create(path, {"currency": "EUR", "savings_goal": goal})
    (iban,) = client.one(f"{path}/{number}", "MonetaryAccountSavings")["alias"]
    client.create(f"{USER}/monetary-account/{MAIN}/payment", order("250.00", iban))
    assert balance(client, number) == "250.00"
    shown = client.one(f"{path}/{number}", "MonetaryAccountSavings")
    assert (shown["savings_goal"]["value"], shown["savings_goal_progress"]) == ("1000.00", 25)
    client.ok("PUT", f"{path}/{number}", {"savings_goal": {"value": "500.00", "currency": "EUR"}})
    assert client.one(f"{path}/{number}", "MonetaryAccountSavings")["savings_goal_progress"] == 50


def test_card_account_can_be_renamed_but_not_opened(bank: Served) -> None:
    client = session_of(bank, JODI)
    store = bank.app.extensions["bank"].store
    account = accounts.add(store, people.by_id(store, JODI), "Credit card", wrapper=accounts.CARD)
    path = f"{USER}/monetary-account-card"
    client.ok("PUT", f"{path}/{account.id}", {"description": "Travel card"})
    assert client.one(f"{path}/{account.id}", "MonetaryAccountCard")["description"] == "Travel card"
    assert client.refused("POST", path, {"currency": "EUR"})[0] == 405


@pytest.mark.parametrize(
    ("word", "wrong"),
    [
        ("bank", {}),
        ("bank", {"currency": "euro"}),
        ("bank", {"currency": "EUR", "description": 5}),
        ("bank", {"currency": "EUR", "daily_limit": {"value": "10000.01", "currency": "EUR"}}),
        ("bank", {"currency": "EUR", "setting": "blue"}),
        ("bank", {"currency": "EUR", "avatar_uuid": "none"}),
        ("savings", {"currency": "USD"}),
        ("savings", {"currency": "EUR", "savings_goal": "much"}),
        ("joint", {"currency": "EUR"}),
    ],
)
def test_accounts_that_cannot_be_are_not_opened(bank: Served, word: str, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", f"{USER}/monetary-account-{word}", wrong)[0] == 400
    assert len(client.get(f"{USER}/monetary-account")) == 4


def test_app_sees_the_account_it_opened(bank: Served) -> None:
    app = App(new_user(bank, "company")).connect(JODI, [MAIN])
    number = app.create(f"{USER}/monetary-account-bank", {"currency": "EUR", "description": "From the app"})
    assert [next(iter(item.values()))["id"] for item in app.get(f"{USER}/monetary-account")] == [MAIN, number]
