"""Asking for money, being asked, and the sugar daddy."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, MAIN, App, Client, control, new_user, session_of
from .test_payments import balance

DADDY = {"type": "EMAIL", "value": "sugardaddy@bunq.com"}
BUSINESS = 2083801


def inquiries(client: Client, account: int = 0) -> str:
    """Return the path of what a user asks for."""
    account = account or first_account(client)
    return f"/user/{client.user_id}/monetary-account/{account}/request-inquiry"


def first_account(client: Client) -> int:
    """Return the id of a user's first account."""
    id: int = next(iter(client.get(f"/user/{client.user_id}/monetary-account")[0].values()))["id"]
    return id


def asked(value: str, who: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return a request as it is made."""
    amount = {"value": value, "currency": "EUR"}
    return {"amount_inquired": amount, "counterparty_alias": who, "description": "gift", "allow_bunqme": False, **more}


def wait_until(check: Callable[[], bool], *, seconds: int = 5) -> None:
    """Wait for something that happens by itself, so many seconds at most."""
    deadline = monotonic() + seconds
    while not check():
        assert monotonic() < deadline
        sleep(0.05)


def test_sugar_daddy_pays_up_to_five_hundred_shortly_after(bank: Served) -> None:
    client = new_user(bank)
    path = inquiries(client)
    id = client.create(path, asked("500.00", DADDY))
    wait_until(lambda: client.one(f"{path}/{id}", "RequestInquiry")["status"] == "ACCEPTED")
    shown = client.one(f"{path}/{id}", "RequestInquiry")
    assert shown["amount_responded"] == {"currency": "EUR", "value": "500.00"}
    assert shown["time_responded"]
    (item,) = client.get(path.replace("request-inquiry", "payment"))
    assert item["Payment"]["sub_type"] == "REQUEST"
    assert item["Payment"]["amount"]["value"] == "500.00"
    assert item["Payment"]["counterparty_alias"]["display_name"] == "S. Daddy"


def test_sugar_daddy_refuses_more_than_five_hundred(bank: Served) -> None:
    client = new_user(bank)
    path = inquiries(client)
    id = client.create(path, asked("500.01", DADDY))
    wait_until(lambda: client.one(f"{path}/{id}", "RequestInquiry")["status"] == "REJECTED")
    assert client.get(path.replace("request-inquiry", "payment")) == []


def _jodi_asks_the_company(bank: Served) -> tuple[Client, int, Client, str, int]:
    jodi, company = session_of(bank, JODI), session_of(bank, COMPANY)
    who = {"type": "EMAIL", "value": "hello@walker-studio.example"}
    id = jodi.create(inquiries(jodi, MAIN), asked("30.00", who, allow_amount_lower=True))
    path = f"/user/{COMPANY}/monetary-account/{BUSINESS}/request-response"
    (item,) = company.get(path)
    return jodi, id, company, path, item["RequestResponse"]["id"]


def test_person_who_is_asked_accepts_with_a_signature(bank: Served) -> None:
    jodi, id, company, path, response = _jodi_asks_the_company(bank)
    body = {"status": "ACCEPTED", "amount_responded": {"value": "25.00", "currency": "EUR"}}
    assert company.refused("PUT", f"{path}/{response}", body, signed=False)[0] == 466
    (item,) = company.ok("PUT", f"{path}/{response}", body)
    assert item["RequestResponse"]["status"] == "ACCEPTED"
    assert item["RequestResponse"]["amount_responded"]["value"] == "25.00"
    shown = jodi.one(f"{inquiries(jodi, MAIN)}/{id}", "RequestInquiry")
    assert shown["status"] == "ACCEPTED"
    assert balance(jodi) == "4143.00"
    assert company.refused("PUT", f"{path}/{response}", {"status": "REJECTED"})[0] == 400


def test_rejecting_and_revoking_end_a_request(bank: Served) -> None:
    jodi, id, company, path, response = _jodi_asks_the_company(bank)
    (item,) = company.ok("PUT", f"{path}/{response}", {"status": "REJECTED"}, signed=False)
    assert item["RequestResponse"]["status"] == "REJECTED"
    assert jodi.refused("PUT", f"{inquiries(jodi, MAIN)}/{id}", {"status": "REVOKED"})[0] == 400
    second = jodi.create(inquiries(jodi, MAIN), asked("1.00", {"type": "EMAIL", "value": "bravo@bunq.com"}))
    (item,) = jodi.ok("PUT", f"{inquiries(jodi, MAIN)}/{second}", {"status": "REVOKED"})
    assert item["RequestInquiry"]["status"] == "REVOKED"
    assert balance(jodi) == "4118.00"


def test_requests_expire_on_the_clock(bank: Served) -> None:
    jodi, id, company, path, response = _jodi_asks_the_company(bank)
    control(bank, "POST", "/clock", {"advance_s": 30 * 86400 + 1})
    jodi, company = session_of(bank, JODI), session_of(bank, COMPANY)
    assert jodi.one(f"{inquiries(jodi, MAIN)}/{id}", "RequestInquiry")["status"] == "EXPIRED"
    assert company.refused("PUT", f"{path}/{response}", {"status": "ACCEPTED"})[0] == 400


def test_stranger_gets_a_link_to_pay(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = inquiries(client, MAIN)
    stranger = {"type": "EMAIL", "value": "somebody@else.example"}
    first = client.create(path, asked("1.00", stranger, allow_bunqme=True))
    second = client.create(path, asked("1.00", stranger))
    link = client.one(f"{path}/{first}", "RequestInquiry")["bunqme_share_url"]
    assert requests.get(link, timeout=5).status_code == 200
    assert "was paid" in requests.post(link, data={"name": "A. Friend"}, timeout=5).text
    requests.post(link, data={"name": "A. Friend"}, timeout=5)
    shown = client.one(f"{path}/{first}", "RequestInquiry")
    assert (shown["status"], shown["amount_responded"]["value"]) == ("ACCEPTED", "1.00")
    assert balance(client) == "4119.00"
    assert client.one(f"{path}/{second}", "RequestInquiry")["bunqme_share_url"] is None


def test_batch_of_requests_keeps_them_together(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = inquiries(client, MAIN) + "-batch"
    both = [asked("1.00", DADDY), asked("600.00", DADDY)]
    id = client.create(
        path, {"request_inquiries": both, "total_amount_inquired": {"value": "601.00", "currency": "EUR"}}
    )
    shown = client.one(f"{path}/{id}", "RequestInquiryBatch")
    assert {each["batch_id"] for each in shown["request_inquiries"]} == {id}
    assert client.ok("PUT", f"{path}/{id}", {"status": "REVOKED"}) == [{"Id": {"id": id}}]


@pytest.mark.parametrize(
    "wrong",
    [
        asked("0", DADDY),
        asked("1.00", {"type": "EMAIL", "value": ""}),
        asked("1.00", DADDY, allow_bunqme=None),
        asked("1.00", DADDY, description=None),
        asked("1.00", DADDY, attachment=[{"id": "1"}]),
        asked("1.00", DADDY, attachment={"id": 1}),
        asked("1.00", DADDY, redirect_url="somewhere"),
        asked("1.00", DADDY, require_address="PLEASE"),
        asked("1.00", DADDY, minimum_age="18"),
        asked("1.00", DADDY, event_id="1"),
        asked("1.00", {"type": "EMAIL", "value": "testers+1744621019@bunq.com"}),
        {},
    ],
)
def test_requests_that_make_no_sense_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", inquiries(client, MAIN), wrong)[0] == 400
    assert client.get(inquiries(client, MAIN)) == []


def test_app_may_ask_and_not_accept(bank: Served) -> None:
    _jodi, _id, company, path, response = _jodi_asks_the_company(bank)
    app = App(new_user(bank)).connect(COMPANY, [BUSINESS])
    assert app.create(f"/user/{app.user_id}/monetary-account/{BUSINESS}/request-inquiry", asked("1.00", DADDY))
    assert len(app.get(path)) == 1
    assert app.refused("PUT", f"{path}/{response}", {"status": "ACCEPTED"})[0] == 403
    assert company.one(f"{path}/{response}", "RequestResponse")["status"] == "PENDING"
