"""What published clients do, whatever the documentation says: accepted, with the verdict in the log."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, Client, control, new_user, session_of
from .test_drafts import draft
from .test_payments import balance, order

U = f"/user/{JODI}"
A = f"{U}/monetary-account/{MAIN}"
ONE_ID = {"X-Bunq-Client-Request-Id": "one-id-for-all"}
EUR = {"value": "1.00", "currency": "EUR"}
SCHEDULE = {"time_start": "2050-01-01 08:00:00.000", "recurrence_unit": "MONTHLY", "recurrence_size": 1}


def last_verdict(bank: Served) -> str:
    """Return what the log says of the headers of the last call."""
    verdict: str = control(bank, "GET", "/calls")["calls"][-1]["verdicts"]["headers"]
    return verdict


def test_request_id_may_be_used_for_every_call(bank: Served) -> None:
    client = new_user(bank)
    assert client.call("GET", "/user", headers=ONE_ID).status_code == 200
    assert last_verdict(bank) == "good"
    answer = client.call("GET", f"/user/{client.user_id}/monetary-account", headers=ONE_ID)
    assert answer.status_code == 200
    assert answer.headers["X-Bunq-Client-Request-Id"] == "one-id-for-all"
    assert last_verdict(bank) == "X-Bunq-Client-Request-Id was used before"


@pytest.mark.bank(request_ids_enforced=True)
def test_switch_refuses_a_repeated_request_id(bank: Served) -> None:
    client = new_user(bank)
    assert client.call("GET", "/user", headers=ONE_ID).status_code == 200
    status, text = client.refused("GET", "/user", headers=ONE_ID)
    assert (status, text) == (400, "The X-Bunq-Client-Request-Id was used before.")
    assert new_user(bank).call("GET", "/user", headers=ONE_ID).status_code == 200


def _without_user_agent(bank: Served) -> requests.Response:
    with requests.Session() as session:
        session.headers["User-Agent"] = ""
        return session.post(f"{bank.api_url}sandbox-user-person", timeout=20)


def test_user_agent_may_be_missing(bank: Served) -> None:
    assert _without_user_agent(bank).status_code == 200
    assert last_verdict(bank) == "User-Agent is missing"


@pytest.mark.bank(user_agent_enforced=True)
def test_switch_refuses_a_call_without_user_agent(bank: Served) -> None:
    answer = _without_user_agent(bank)
    assert answer.status_code == 400
    assert answer.json()["Error"][0]["error_description"] == "The header User-Agent is required."


NOTHING: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", f"{U}/monetary-account-bank", {"currency": "EUR", "description": "x", "daily_limit": None}),
    ("POST", f"{U}/monetary-account-savings", {"currency": "EUR", "daily_limit": None, "savings_goal": None}),
    ("PUT", f"{A.replace('account/', 'account-bank/')}", {"description": None, "daily_limit": None, "setting": None}),
    ("POST", f"{A}/draft-payment", {**draft(), "status": None, "previous_updated_timestamp": None, "schedule": None}),
    ("POST", f"{A}/payment", {**order("0.01"), "attachment": None, "merchant_reference": None}),
    (
        "POST",
        f"{A}/customer-statement",
        {
            "statement_format": "PDF",
            "date_start": "2026-01-01",
            "date_end": "2026-01-31",
            "regional_format": None,
            "include_attachment": None,
        },
    ),
    ("POST", f"{U}/oauth-client", {"status": None}),
    ("PUT", f"/user-person/{JODI}", {"avatar_uuid": None, "address_main": None}),
)


@pytest.mark.parametrize(("method", "path", "body"), NOTHING, ids=[f"{each[0]} {each[1]}" for each in NOTHING])
def test_null_says_nothing(bank: Served, method: str, path: str, body: dict[str, Any]) -> None:
    session_of(bank, JODI).ok(method, path, body)


def test_null_changes_nothing_of_what_was_said(bank: Served) -> None:
    client = session_of(bank, JODI)
    savings = client.create(f"{U}/monetary-account-savings", {"currency": "EUR", "savings_goal": EUR})
    path = f"{U}/monetary-account-savings/{savings}"
    client.ok("PUT", path, {"description": "Goal", "savings_goal": None})
    assert client.one(path, "MonetaryAccountSavings")["savings_goal"]["value"] == "1.00"
    plan = {"payment": {**order("0.50"), "attachment": None}, "schedule": {**SCHEDULE, "time_end": None}}
    planned = f"{A}/schedule-payment/{client.create(f'{A}/schedule-payment', plan)}"
    client.ok("PUT", planned, {"payment": None, "schedule": {**SCHEDULE, "recurrence_size": 2}, "purpose": None})
    shown = client.one(planned, "ScheduledPayment")
    assert (shown["payment"]["amount"]["value"], shown["schedule"]["recurrence_size"]) == ("-0.50", 2)


def test_null_where_a_member_is_required_is_refused(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", f"{A}/payment", {**order("0.01"), "amount": None})[0] == 400
    assert client.refused("POST", f"{A}/payment-batch", {"payments": [None]})[0] == 400
    assert client.call("POST", f"{A}/payment", raw=b"null").status_code == 400


def _asked(client: Client, account: int) -> str:
    own = {"type": "IBAN", "value": "NL17BUNQ2090415428", "name": "J. Walker"}
    body = {"amount_inquired": EUR, "counterparty_alias": own, "description": "x", "allow_bunqme": False}
    path = f"{U}/monetary-account/{account}/request-inquiry"
    return f"{path}/{client.create(path, body)}"


def test_own_other_account_is_asked_and_pays(bank: Served) -> None:
    client = session_of(bank, JODI)
    inquiry = _asked(client, MAIN)
    responses = f"{U}/monetary-account/{CAR}/request-response"
    (item,) = client.get(responses)
    client.ok("PUT", f"{responses}/{item['RequestResponse']['id']}", {"status": "ACCEPTED"})
    assert client.one(inquiry, "RequestInquiry")["status"] == "ACCEPTED"
    assert (balance(client), balance(client, CAR)) == ("4119.00", "953.00")


def test_account_cannot_ask_itself(bank: Served) -> None:
    client = session_of(bank, JODI)
    with pytest.raises(AssertionError, match="An account cannot ask itself"):
        _asked(client, CAR)


def test_sugar_daddy_has_paid_before_the_next_call(bank: Served) -> None:
    client = new_user(bank)
    (item,) = client.get(f"/user/{client.user_id}/monetary-account")
    path = f"/user/{client.user_id}/monetary-account/{item['MonetaryAccountBank']['id']}/request-inquiry"
    daddy = {"type": "EMAIL", "value": "sugardaddy@bunq.com"}
    body = {"amount_inquired": EUR, "counterparty_alias": daddy, "description": "gift", "allow_bunqme": False}
    made = client.create(path, body)
    assert client.one(f"{path}/{made}", "RequestInquiry")["status"] == "ACCEPTED"


def test_payment_leaves_out_what_it_does_not_have(bank: Served) -> None:
    """bunq's Python SDK of 2026 cannot read a payment whose `payment_suspended_outgoing` is null."""
    (item,) = session_of(bank, JODI).get(f"{A}/payment")
    assert "payment_suspended_outgoing" not in item["Payment"]


def test_first_account_stays_first_however_many_there_are(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{U}/monetary-account"
    made = [client.create(f"{path}-bank", {"currency": "EUR", "description": str(each)}) for each in range(9)]
    answer = client.call("GET", path).json()
    listed = [next(iter(item.values()))["id"] for item in answer["Response"]]
    assert listed[0] == MAIN
    assert listed == sorted(listed)
    assert len(listed) == 10
    seen = list(listed)
    while url := answer["Pagination"]["older_url"]:
        answer = client.call("GET", url).json()
        seen += [next(iter(item.values()))["id"] for item in answer["Response"]]
    everything = [next(iter(item.values()))["id"] for item in client.get(f"{path}?count=200")]
    assert len(seen) == len(everything)
    assert sorted(seen) == everything
    assert listed[1:] == made
    assert [item["MonetaryAccountBank"]["id"] for item in client.get(f"{path}-bank?count=1")] == [MAIN]
