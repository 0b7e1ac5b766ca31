"""Requests with everything that can be said in one: both sides read it, and the payment carries it on."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, MAIN, Client, session_of
from .test_attachment import PICTURE, upload
from .test_payments import order, path
from .test_requests import BUSINESS, asked, inquiries

STUDIO = {"type": "EMAIL", "value": "hello@walker-studio.example"}
RESPONSES = f"/user/{COMPANY}/monetary-account/{BUSINESS}/request-response"
HOME = {"street": "Herengracht", "house_number": "1", "postal_code": "1015 BA", "city": "Amsterdam", "country": "NL"}
HERE = {"X-Bunq-Geolocation": "4.89 52.37 2 15 NL"}
PLACE = {"latitude": 52.37, "longitude": 4.89, "altitude": 2.0, "radius": 15.0}


@pytest.fixture
def both(bank: Served) -> tuple[Client, Client]:
    """Return (who asks, who is asked)."""
    return session_of(bank, JODI), session_of(bank, COMPANY)


def ask(both: tuple[Client, Client], *, value: str = "30.00", **more: Any) -> tuple[int, str]:
    """Ask; return the id of the inquiry and the path of the response."""
    id = both[0].create(inquiries(both[0], MAIN), asked(value, STUDIO, **more), headers=HERE)
    return id, f"{RESPONSES}/{both[1].get(RESPONSES)[0]['RequestResponse']['id']}"


def answer(value: str | None = None, currency: str = "EUR", **more: Any) -> dict[str, Any]:
    """Return how a request is accepted."""
    amount = {} if value is None else {"amount_responded": {"value": value, "currency": currency}}
    return {"status": "ACCEPTED", **amount, **more}


def test_what_is_said_with_a_request_is_read_on_both_sides_and_paid_with_it(both: tuple[Client, Client]) -> None:
    jodi, company = both
    file = upload(jodi)
    said: dict[str, Any] = {"merchant_reference": "R-1", "minimum_age": 18, "redirect_url": "https://shop.example/done"}
    id, response = ask(both, attachment=[{"id": file}], **said)
    asking = jodi.one(f"{inquiries(jodi, MAIN)}/{id}", "RequestInquiry")
    assert {name: asking[name] for name in said} == said
    assert (asking["attachment"], asking["geolocation"]) == ([{"id": file}], PLACE)
    being_asked = company.one(response, "RequestResponse")
    assert being_asked["attachment"][0]["description"] == "a receipt"
    assert being_asked["minimum_age"] == 18
    event = company.one(f"/user/{COMPANY}/event/{being_asked['event_id']}", "Event")
    assert event["object"]["RequestResponse"]["id"] == being_asked["id"]
    content = f"/user/{COMPANY}/monetary-account/{BUSINESS}/attachment/{file}/content"
    assert company.call("GET", content).content == PICTURE
    company.ok("PUT", response, answer())
    for client, payments in ((jodi, path()), (company, RESPONSES.replace("request-response", "payment"))):
        paid = client.get(payments)[0]["Payment"]
        assert paid["merchant_reference"] == "R-1"
        assert paid["attachment"][0]["id"] == file


@pytest.mark.parametrize(
    ("flag", "value", "status"),
    [
        (None, "29.99", 400),
        (None, "30.01", 400),
        ("allow_amount_lower", "29.99", 200),
        ("allow_amount_lower", "30.01", 400),
        ("allow_amount_higher", "30.01", 200),
        ("want_tip", "30.01", 200),
        ("want_tip", "29.99", 400),
    ],
)
def test_another_amount_is_taken_only_where_the_request_allows_it(
    both: tuple[Client, Client], flag: str | None, value: str, status: int
) -> None:
    flags: dict[str, Any] = {flag: True} if flag else {}
    id, response = ask(both, **flags)
    assert both[1].call("PUT", response, answer(value)).status_code == status
    shown = both[0].one(f"{inquiries(both[0], MAIN)}/{id}", "RequestInquiry")
    assert shown["amount_responded"] == ({"currency": "EUR", "value": value} if status == 200 else None)
    if status == 400:
        assert both[1].refused("PUT", response, answer("30.00", "USD"))[0] == 400


def test_required_address_is_given_with_the_answer(both: tuple[Client, Client]) -> None:
    id, response = ask(both, require_address="BILLING")
    assert both[1].refused("PUT", response, answer())[0] == 400
    assert both[1].refused("PUT", response, answer(address_billing={"street": "Herengracht"}))[0] == 400
    (item,) = both[1].ok("PUT", response, answer(address_billing=HOME))
    assert item["RequestResponse"]["address_billing"].items() >= HOME.items()
    shown = both[0].one(f"{inquiries(both[0], MAIN)}/{id}", "RequestInquiry")
    assert shown["address_billing"]["city"] == "Amsterdam"
    assert shown["address_shipping"] is None


def test_bill_is_split_by_the_event_of_what_was_paid(both: tuple[Client, Client]) -> None:
    jodi, _company = both
    paid = jodi.create(path(), order("12.00"), headers=HERE)
    assert jodi.one(f"{path()}/{paid}", "Payment")["geolocation"] == PLACE
    event = jodi.get(f"/user/{JODI}/event")[0]["Event"]["id"]
    id, _response = ask(both, value="6.00", event_id=event)
    shown = jodi.one(f"{inquiries(jodi, MAIN)}/{id}", "RequestInquiry")
    assert shown["reference_split_the_bill"]["Payment"]["id"] == paid
    batch = {
        "request_inquiries": [asked("6.00", STUDIO)],
        "total_amount_inquired": {"value": "6.00", "currency": "EUR"},
        "event_id": event,
    }
    id = jodi.create(inquiries(jodi, MAIN) + "-batch", batch)
    shown = jodi.one(f"{inquiries(jodi, MAIN)}-batch/{id}", "RequestInquiryBatch")
    assert shown["reference_split_the_bill"]["Payment"]["id"] == paid
    assert jodi.refused("POST", inquiries(jodi, MAIN), asked("1.00", STUDIO, event_id=1))[0] == 404
