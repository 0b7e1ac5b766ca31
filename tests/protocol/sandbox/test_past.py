"""A bank with a past, as clients read it: cards, card transactions, requests and events beside the payments."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import CAR, COMPANY, JODI, MAIN, App, Client, control, new_user, session_of

pytestmark = pytest.mark.bank(history=120)

A = f"/user/{JODI}/monetary-account/{MAIN}"
BUSINESS = 2083801


def everything(client: Client, path: str) -> list[dict[str, Any]]:
    """Page through a list from the newest to the oldest; return what is under each wrapper."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{path}?count=50"
    while url:
        answer = client.call("GET", url).json()
        found += [next(iter(item.values())) for item in answer["Response"]]
        url = answer["Pagination"]["older_url"]
    return found


def test_card_payments_are_those_of_the_card(bank: Served) -> None:
    client = session_of(bank, JODI)
    (card,) = everything(client, f"/user/{JODI}/card")
    assert (card["status"], card["order_status"]) == ("ACTIVE", "DELIVERED_TO_CUSTOMER")
    actions = everything(client, f"{A}/mastercard-action")
    paid = [each for each in everything(client, f"{A}/payment") if each["type"] == "MASTERCARD"]
    assert {each["card_id"] for each in actions} == {card["id"]}
    linked = [
        each["Payment"] for action in actions for each in client.get(f"{A}/mastercard-action/{action['id']}/payment")
    ]
    assert sorted(each["id"] for each in linked) == sorted(each["id"] for each in paid)
    assert all(each["decision"] == "ALLOWED" for each in actions)


def test_requests_of_the_past_are_answered(bank: Served) -> None:
    client = session_of(bank, JODI)
    paid = [each for each in everything(client, f"{A}/payment") if each["type"] in ("IDEAL", "EBA_SDD")]
    asked = everything(client, f"{A}/request-response")
    assert [each["amount_responded"]["value"] for each in asked] == [
        each["amount"]["value"].lstrip("-") for each in paid
    ]
    assert [each["counterparty_alias"] for each in asked] == [each["counterparty_alias"] for each in paid]
    debit = next(each for each in asked if each["type"] == "DIRECT_DEBIT")
    assert debit["credit_scheme_identifier"]
    assert debit["mandate_identifier"]
    assert client.one(f"/user/{JODI}/event/{debit['event_id']}", "Event")["object"] == {"RequestResponse": debit}
    refused = client.refused("PUT", f"{A}/request-response/{debit['id']}", {"status": "REJECTED"})
    assert refused == (400, "The request is already accepted.")


def test_events_tell_of_every_payment_and_page_both_ways(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/event"
    older = [each["id"] for each in everything(client, path)]
    assert older == sorted(set(older), reverse=True)
    newer: list[int] = []
    url: str | None = f"{path}?count=50&newer_id=0"
    while url:
        answer = client.call("GET", url).json()
        newer = [item["Event"]["id"] for item in answer["Response"]] + newer
        url = answer["Pagination"]["newer_url"]
    assert newer == older
    of_main = client.get(f"{path}?monetary_account_id={MAIN}&count=200")
    told = {item["Event"]["object"]["Payment"]["id"] for item in of_main if "Payment" in item["Event"]["object"]}
    paid = [each["id"] for each in everything(client, f"{A}/payment")]
    assert set(paid[:60]) <= told <= set(paid)
    assert {next(iter(item["Event"]["object"])) for item in of_main} == {
        "Payment",
        "MasterCardAction",
        "RequestResponse",
    }
    assert client.get(f"{path}?status=AWAITING_REPLY") == []


def test_app_hears_of_its_accounts_only(bank: Served) -> None:
    app = App(new_user(bank)).connect(accounts=[CAR])
    told = everything(app, f"/user/{app.user_id}/event")
    assert {each["monetary_account_id"] for each in told} <= {str(CAR)}
    assert app.get(f"/user/{app.user_id}/card") == []


def test_event_of_the_past_has_a_statement_and_a_category(bank: Served) -> None:
    client = session_of(bank, JODI)
    told = everything(client, f"/user/{JODI}/event")
    paid = next(each for each in told if "Payment" in each["object"] and each["monetary_account_id"] == str(MAIN))
    made = client.create(f"{A}/event/{paid['id']}/statement", {})
    assert client.call("GET", f"{A}/event/{paid['id']}/statement/{made}/content").content.startswith(b"%PDF-")
    bill = {"value": "1.00", "currency": "EUR"}
    who = {"type": "EMAIL", "value": "bravo@bunq.com"}
    body = {"amount_inquired": bill, "counterparty_alias": who, "description": "half", "allow_bunqme": False}
    asked = client.create(f"{A}/request-inquiry", {**body, "event_id": paid["id"]})
    shown = client.one(f"{A}/request-inquiry/{asked}", "RequestInquiry")
    assert shown["reference_split_the_bill"] == paid["object"]


def test_purchase_of_yesterday_settles_and_can_come_back(bank: Served) -> None:
    client = session_of(bank, JODI)
    bought = next(each for each in everything(client, f"{A}/mastercard-action") if each["pan_entry_mode_user"] == "ICC")
    control(bank, "POST", "/clock", {"advance_s": 2 * 86400})
    client = session_of(bank, JODI)
    path = f"{A}/mastercard-action/{bought['id']}"
    assert client.one(path, "MasterCardAction")["clearing_status"] == "FIRST_PRESENTMENT_COMPLETE"
    control(bank, "POST", f"/card-payments/{bought['id']}/reverse")
    back, out = (item["Payment"] for item in client.get(f"{path}/payment"))
    assert back["amount"]["value"] == out["amount"]["value"].lstrip("-")
    assert back["description"] == out["description"]


def test_payments_of_two_customers_are_in_one_order(bank: Served) -> None:
    jodi, company = session_of(bank, JODI), session_of(bank, COMPANY)
    both = everything(jodi, f"{A}/payment")
    both += everything(company, f"/user/{COMPANY}/monetary-account/{BUSINESS}/payment")
    by_id = sorted(both, key=lambda each: each["id"])
    assert by_id == sorted(both, key=lambda each: each["created"])


def test_several_customers_get_histories_together(bank: Served) -> None:
    body = {"payments": 10, "account": [MAIN, BUSINESS]}
    made = control(bank, "POST", "/seed", body)["histories"]
    assert [(each["account"], each["payments"]) for each in made] == [(MAIN, 10), (BUSINESS, 10)]
    for wrong in ([], [MAIN, CAR], [MAIN, "2083801"], [MAIN, MAIN]):
        answer = requests.post(f"{bank.control_url}/seed", json={**body, "account": wrong}, timeout=20)
        assert answer.status_code == 400, wrong
