"""Payments that a PSD2 party asks for: the portal, and the drafts it prepares."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, App, Client, control, new_user, session_of
from .provider import new_provider

BACK = "https://shop.example/paid?order=7"
RECEIVER = {"type": "IBAN", "value": "DE89370400440532013000", "name": "Blumen & Söhne"}


def asks(**changes: Any) -> dict[str, Any]:
    """Return a payment as a party asks for it."""
    body = {
        "counterparty_alias": RECEIVER,
        "amount": {"value": "12.50", "currency": "EUR"},
        "description": "order 7",
        "url_redirect": BACK,
        "status": "PENDING",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def path(party: Client) -> str:
    """Return the party's transactions."""
    return f"/user/{party.user_id}/payment-service-provider-issuer-transaction"


def ask(party: Client, **changes: Any) -> tuple[int, dict[str, Any]]:
    """Ask for a payment; return its id and what the bank shows of it."""
    number = party.create(path(party), asks(**changes))
    return number, status(party, number)


def status(party: Client, number: int) -> dict[str, Any]:
    """Read a transaction."""
    return party.one(f"{path(party)}/{number}", "PaymentServiceProviderIssuerTransaction")


def portal(bank: Served, shown: dict[str, Any]) -> str:
    """Return where the payer is sent."""
    return f"{bank.origin}/psp?transactionId={shown['public_uuid']}"


def press(bank: Served, shown: dict[str, Any], answer: str, person: int = JODI, account: int = MAIN) -> Any:
    """Press a button in the portal, as a browser without script does."""
    form = {"transactionId": shown["public_uuid"], "answer": answer, "person": person, f"account_{person}": account}
    return requests.post(f"{bank.origin}/psp", data=form, allow_redirects=False, timeout=20)


def test_payer_picks_an_account_pays_and_goes_back(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    number, shown = ask(party)
    assert shown["status"] == "PENDING"
    assert "alias" not in shown
    assert shown["counterparty_alias"]["iban"] == RECEIVER["value"]
    page = requests.get(portal(bank, shown), timeout=20)
    assert page.status_code == 200
    assert "SIMULATED" in page.text
    assert "€12.50" in page.text
    assert "Blumen &amp; Söhne" in page.text
    assert f'name="account_{JODI}" value="{MAIN}"' in page.text
    back = press(bank, shown, "accept")
    assert (back.status_code, back.headers["Location"]) == (303, BACK)
    after = status(party, number)
    assert (after["status"], after["alias"]["iban"]) == ("ACCEPTED", "NL65BUNQ2090411945")
    paid = session_of(bank, JODI).get(f"/user/{JODI}/monetary-account/{MAIN}/payment")[0]["Payment"]
    assert paid["amount"]["value"] == "-12.50"
    assert paid["description"] == "order 7"
    assert "Paid" in requests.get(portal(bank, shown), timeout=20).text


def test_rejecting_goes_back_alike_and_pays_nothing(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    number, shown = ask(party)
    back = press(bank, shown, "reject")
    assert (back.status_code, back.headers["Location"]) == (303, BACK)
    assert status(party, number)["status"] == "REJECTED"
    again = press(bank, shown, "accept")
    assert again.status_code == 422
    assert status(party, number)["status"] == "REJECTED"
    assert len(session_of(bank, JODI).get(f"/user/{JODI}/monetary-account/{MAIN}/payment")) == 1


def test_portal_explains_what_hinders_a_payment(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    number, shown = ask(party, amount={"value": "999999.00", "currency": "EUR"})
    page = press(bank, shown, "accept")
    assert page.status_code == 422
    assert "Insufficient balance." in page.text
    assert press(bank, shown, "accept", account=1).status_code == 422
    assert press(bank, shown, "accept", person=1).status_code == 422
    assert press(bank, shown, "").status_code == 422
    assert press(bank, shown, "accept", person=1864512, account=MAIN).status_code == 422
    assert status(party, number)["status"] == "PENDING"


def test_portal_keeps_strangers_and_scripts_out(bank: Served) -> None:
    _number, shown = ask(new_provider(bank, "PISP"))
    page = requests.get(portal(bank, shown), timeout=20)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://shop.example;" in policy
    assert not re.search(r"<script|style=|onclick", page.text)
    form = {"transactionId": shown["public_uuid"], "answer": "accept"}
    evil = {"Origin": "https://evil.example"}
    assert requests.post(f"{bank.origin}/psp", data=form, headers=evil, timeout=20).status_code == 403
    assert requests.get(f"{bank.origin}/psp?transactionId=nonsense", timeout=20).status_code == 404
    assert requests.get(f"{bank.origin}/psp", timeout=20).status_code == 404


def test_transaction_expires_after_ten_minutes_or_when_told(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    number, shown = ask(party)
    far, _ = ask(party, time_expiry="2099-01-01 00:00:00.000000")
    control(bank, "POST", "/clock", {"advance_s": 601})
    assert status(party, number)["status"] == "EXPIRED"
    assert status(party, far)["status"] == "PENDING"
    assert press(bank, shown, "accept").status_code == 422
    assert party.refused("PUT", f"{path(party)}/{number}", {"status": "CANCELLED"})[0] == 400
    assert "expired" in requests.get(portal(bank, shown), timeout=20).text


def test_party_cancels_lists_and_reads_by_public_uuid(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    number, shown = ask(party)
    assert party.ok("PUT", f"{path(party)}/{number}", {"status": "CANCELLED"}) == [{"Id": {"id": number}}]
    (listed,) = party.get(path(party))
    assert listed["PaymentServiceProviderIssuerTransaction"]["status"] == "CANCELLED"
    (public,) = party.get(f"{path(party)}-public/{shown['public_uuid']}")
    assert next(iter(public.values()))["id"] == number
    assert party.refused("PUT", f"{path(party)}/{number}", {"status": "ACCEPTED"})[0] == 400
    other = new_provider(bank, "PISP", key_number=6)
    assert other.refused("GET", f"{path(other)}/{number}")[0] == 404
    unknown = "00000000-0000-4000-8000-000000000000"
    assert party.refused("GET", f"{path(party)}-public/{unknown}")[0] == 404


@pytest.mark.parametrize(
    "wrong",
    [
        asks(amount=None),
        asks(amount={"value": "0", "currency": "EUR"}),
        asks(counterparty_alias={"type": "EMAIL", "value": "bravo@bunq.com"}),
        asks(counterparty_alias={"type": "IBAN", "value": "DE89370400440532013000"}),
        asks(description=None),
        asks(description="x" * 141),
        asks(url_redirect=None),
        asks(url_redirect="javascript:alert(1)"),
        asks(url_redirect="https://shop.example; script-src *"),
        asks(url_redirect="https://user@shop.example/"),
        asks(url_redirect="https://["),
        asks(time_expiry="tomorrow"),
        asks(time_expiry="2001-01-01 00:00:00"),
        asks(status="ACCEPTED"),
    ],
)
def test_incomplete_transactions_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    party = new_provider(bank, "PISP")
    assert party.refused("POST", path(party), wrong)[0] == 400


def test_only_psd2_parties_with_the_payment_role_may_ask(bank: Served) -> None:
    drafts = "/payment-service-provider-draft-payment"
    for each in (new_provider(bank, "AISP CBPII"), new_user(bank)):
        assert each.refused("POST", path(each), asks())[0] == 403
        assert each.refused("GET", path(each))[0] == 403
        assert each.refused("GET", f"/user/{each.user_id}{drafts}")[0] == 403
    session = App(new_provider(bank, "PISP")).connect(JODI)
    assert session.refused("POST", path(session), asks())[0] == 403


def draft(**changes: Any) -> dict[str, Any]:
    """Return a draft as a party prepares it."""
    body = {
        "sender_iban": "NL65BUNQ2090411945",
        "sender_name": "Jodi Walker",
        "counterparty_iban": RECEIVER["value"],
        "counterparty_name": RECEIVER["name"],
        "description": "order 8",
        "amount": {"value": "20.00", "currency": "EUR"},
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def test_prepared_payment_waits_for_the_payer_among_his_drafts(bank: Served) -> None:
    party, payer = new_provider(bank, "PISP"), session_of(bank, JODI)
    own = f"/user/{party.user_id}/payment-service-provider-draft-payment"
    number = party.create(own, draft())
    shown = party.one(f"{own}/{number}", "PaymentServiceProviderDraftPayment")
    assert shown["sender_iban"] == "NL65BUNQ2090411945"
    assert shown["receiver_iban"] == RECEIVER["value"]
    assert (shown["amount"]["value"], shown["status"]) == ("20.00", "PENDING")
    (waiting,) = payer.get(f"/user/{JODI}/monetary-account/{MAIN}/draft-payment")
    found = waiting["DraftPayment"]
    payer.ok(
        "PUT",
        f"/user/{JODI}/monetary-account/{MAIN}/draft-payment/{found['id']}",
        {"status": "ACCEPTED", "previous_updated_timestamp": found["updated"]},
    )
    assert party.get(own)[0]["PaymentServiceProviderDraftPayment"]["status"] == "ACCEPTED"
    assert payer.get(f"/user/{JODI}/monetary-account/{MAIN}/payment")[0]["Payment"]["amount"]["value"] == "-20.00"


def prepared(party: Client, **changes: Any) -> str:
    """Prepare a payment and return its path."""
    own = f"/user/{party.user_id}/payment-service-provider-draft-payment"
    return f"{own}/{party.create(own, draft(**changes))}"


def test_consent_covers_what_the_party_prepared_for_a_shared_account(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    app = App(party)
    path = prepared(party)
    asked = app.ask()
    page = requests.get(f"{bank.authorize_url}/{asked}", timeout=20).text
    assert "€20.00" in page
    assert "Blumen &amp; Söhne" in page
    app.answer(asked, JODI, [CAR])
    assert party.one(path, "PaymentServiceProviderDraftPayment")["status"] == "PENDING"
    app.connect(JODI, [MAIN])
    assert party.one(path, "PaymentServiceProviderDraftPayment")["status"] == "ACCEPTED"
    payer = session_of(bank, JODI)
    assert payer.get(f"/user/{JODI}/monetary-account/{MAIN}/payment")[0]["Payment"]["amount"]["value"] == "-20.00"
    asked = app.ask()
    assert "€20.00" not in requests.get(f"{bank.authorize_url}/{asked}", timeout=20).text


def test_consent_that_covers_too_much_is_explained_and_changes_nothing(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    app = App(party)
    small, large = prepared(party), prepared(party, amount={"value": "9999.00", "currency": "EUR"})
    asked = app.ask()
    form = {"person": str(JODI), "account": str(MAIN), "answer": "accept"}
    page = requests.post(f"{bank.authorize_url}/{asked}/phone", data=form, timeout=20)
    assert page.status_code == 422
    assert "Insufficient balance." in page.text
    for path in (small, large):
        assert party.one(path, "PaymentServiceProviderDraftPayment")["status"] == "PENDING"
    told = requests.get(f"{bank.authorize_url}/{asked}/status", timeout=20).json()
    assert told == {"status": "PENDING"}


def test_other_parties_consents_pay_nothing(bank: Served) -> None:
    party = new_provider(bank, "PISP")
    path = prepared(party)
    App(new_user(bank, "company")).connect(JODI, [MAIN])
    App(new_provider(bank, "PISP", key_number=6)).connect(JODI, [MAIN])
    assert party.one(path, "PaymentServiceProviderDraftPayment")["status"] == "PENDING"


@pytest.mark.parametrize("how", ["CANCELLED", "REJECTED"])
def test_prepared_payment_can_be_withdrawn_once(bank: Served, how: str) -> None:
    party = new_provider(bank, "PISP")
    own = f"/user/{party.user_id}/payment-service-provider-draft-payment"
    number = party.create(own, draft())
    assert party.refused("PUT", f"{own}/{number}", {"status": "ACCEPTED"})[0] == 400
    assert party.ok("PUT", f"{own}/{number}", {"status": how}) == [{"Id": {"id": number}}]
    assert party.one(f"{own}/{number}", "PaymentServiceProviderDraftPayment")["status"] == how
    assert party.refused("PUT", f"{own}/{number}", {"status": how})[0] == 400


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (draft(sender_iban=None), 400),
        (draft(sender_iban="NL00BUNQ2090411945"), 400),
        (draft(sender_iban="DE89370400440532013000"), 404),
        (draft(counterparty_name=None), 400),
        (draft(amount=None), 400),
        (draft(amount={"value": "1.00", "currency": "USD"}), 400),
        (draft(description=None), 400),
    ],
)
def test_incomplete_drafts_are_refused(bank: Served, wrong: dict[str, Any], code: int) -> None:
    party = new_provider(bank, "PISP")
    assert party.refused("POST", f"/user/{party.user_id}/payment-service-provider-draft-payment", wrong)[0] == code
