"""Monetary accounts of each type: opened, renamed, closed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from bunqflask.sandbox.bank import accounts, people
from bunqflask.sandbox.resources.monetary_account import TYPES
from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, MAIN, App, new_user, session_of
from .test_drafts import draft
from .test_payments import balance, order
from .test_requests import asked
from .test_schedules import scheduled

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
    account = accounts.add(
        store, people.by_id(store, JODI), accounts.NewAccount(description="Credit card", wrapper=accounts.CARD)
    )
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
        ("joint", {"currency": "EUR", "all_co_owner": [{"alias": {"type": "EMAIL", "value": "no@body.example"}}]}),
        ("joint", {"currency": "EUR", "all_co_owner": ["bravo@bunq.com"]}),
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


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_joint_account_waits_for_everybody_and_is_held_by_both(bank: Served, answer: str) -> None:
    client, studio = session_of(bank, JODI), session_of(bank, COMPANY)
    alias = {"type": "EMAIL", "value": "hello@walker-studio.example"}
    body = {"currency": "EUR", "description": "Rent", "all_co_owner": [{"alias": alias}]}
    number = client.create(f"{USER}/monetary-account-joint", body)
    path = f"{USER}/monetary-account-joint/{number}"
    shown = client.one(path, "MonetaryAccountJoint")
    names = [(each["alias"]["display_name"], each["status"]) for each in shown["all_co_owner"]]
    assert names == [("Jodi Walker", "ACCEPTED"), ("Walker Studio B.V.", "PENDING")]
    assert client.refused("PUT", path, {"status": "ACTIVE"})[0] == 400
    assert studio.refused("GET", f"/user/{COMPANY}/monetary-account/{number}")[0] == 404
    phone = requests.get(f"{bank.control_url}/phone?person={COMPANY}", timeout=5).text
    assert "Accounts to hold together" in phone
    found = re.search(r"/phone/joint/(\d+)", phone)
    assert found
    form = {"person": COMPANY, "answer": answer}
    requests.post(f"{bank.control_url}/phone/joint/{found[1]}", data=form, timeout=5)
    shown = client.one(path, "MonetaryAccountJoint")
    if answer == "reject":
        assert (shown["status"], shown["all_co_owner"][1]["status"]) == ("CANCELLED", "REJECTED")
        assert studio.refused("GET", f"/user/{COMPANY}/monetary-account/{number}")[0] == 404
        return
    assert (shown["status"], shown["all_co_owner"][1]["status"]) == ("ACTIVE", "ACCEPTED")
    client.create(f"{USER}/monetary-account/{MAIN}/payment", order("5.00", shown["alias"][0]))
    studio.create(f"/user/{COMPANY}/monetary-account/{number}/payment", order("2.00"))
    assert balance(client, number) == balance(studio, number) == "3.00"
    assert number in [next(iter(item.values()))["id"] for item in studio.get(f"/user/{COMPANY}/monetary-account")]
    told = studio.get(f"/user/{COMPANY}/event?monetary_account_id={number}")
    assert [each["Event"]["object"]["Payment"]["amount"]["value"] for each in told] == ["-2.00", "5.00"]


def test_closed_account_is_reopened_in_two_steps(bank: Served) -> None:
    client = session_of(bank, JODI)
    number = client.create(f"{USER}/monetary-account-bank", {"currency": "EUR"})
    path = f"{USER}/monetary-account-bank/{number}"
    client.ok("PUT", path, CLOSING)
    link = {"amount_inquired": {"value": "1.00", "currency": "EUR"}, "description": "cake"}
    for word, body in (
        ("payment", order("1.00")),
        ("draft-payment", draft(order("1.00"))),
        ("schedule-payment", scheduled()),
        ("request-inquiry", asked("1.00", OWNER["alias"])),
        ("bunqme-tab", {"bunqme_tab_entry": link}),
    ):
        refused = client.refused("POST", f"{USER}/monetary-account/{number}/{word}", body)
        assert refused == (400, f"Monetary account {number} is not active.")
    assert client.refused("PUT", path, CLOSING)[0] == 400
    assert client.refused("PUT", path, {"status": "ACTIVE"})[0] == 400
    client.ok("PUT", path, {"status": "PENDING_REOPEN"})
    client.ok("PUT", path, {"status": "ACTIVE"})
    shown = client.one(path, "MonetaryAccountBank")
    assert (shown["status"], shown["sub_status"]) == ("ACTIVE", "NONE")
    # The reason of the closing is gone with it.
    assert "reason" not in shown


def test_external_account_keeps_its_service_and_goal(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{USER}/monetary-account-external-savings"
    goal = {"currency": "EUR", "value": "10.00"}
    number = client.create(path, {"currency": "EUR", "service": "NIBC", "savings_goal": goal})
    shown = client.one(f"{path}/{number}", "MonetaryAccountExternalSavings")
    assert (shown["service"], shown["savings_goal"], shown["savings_goal_progress"]) == ("NIBC", goal, 0)
