"""Confirmation of funds: yes or no, and only for those who may ask."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, App, Client, new_user, session_of
from .provider import new_provider

IBAN_MAIN, IBAN_CAR = "NL65BUNQ2090411945", "NL17BUNQ2090415428"


def asks(value: str = "10.00", iban: str = IBAN_MAIN, currency: str = "EUR") -> dict[str, Any]:
    """Return the question."""
    return {"pointer_iban": {"type": "IBAN", "value": iban}, "amount": {"value": value, "currency": currency}}


def answer(client: Client, body: dict[str, Any]) -> bool:
    """Return what the bank says."""
    (item,) = client.ok("POST", f"/user/{client.user_id}/confirmation-of-funds", body)
    says: bool = item["ConfirmationOfFunds"]["has_sufficient_funds"]
    return says


def test_answer_turns_at_the_last_cent(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert answer(client, asks("4118.00"))
    assert not answer(client, asks("4118.01"))


@pytest.mark.parametrize("roles", ["CBPII", "PISP"])
def test_psd2_party_learns_about_shared_accounts_only(bank: Served, roles: str) -> None:
    party = new_provider(bank, roles)
    path = f"/user/{party.user_id}/confirmation-of-funds"
    assert party.refused("POST", path, asks())[0] == 404
    session = App(party).connect(JODI, [MAIN])
    assert answer(party, asks("4118.00"))
    assert answer(session, asks("4118.00"))
    assert party.refused("POST", path, asks(iban=IBAN_CAR))[0] == 404
    assert session.refused("POST", f"/user/{session.user_id}/confirmation-of-funds", asks(iban=IBAN_CAR))[0] == 404


def test_parties_without_the_role_and_ordinary_apps_are_refused(bank: Served) -> None:
    party = new_provider(bank, "AISP")
    session = App(party).connect(JODI, [MAIN, CAR])
    app = App(new_user(bank, "company")).connect(JODI, [MAIN])
    for each in (party, session, app):
        assert each.refused("POST", f"/user/{each.user_id}/confirmation-of-funds", asks())[0] == 403


def test_wrong_questions_are_refused(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/confirmation-of-funds"
    for wrong in (asks("0"), asks("1.001"), asks(iban="NL00BUNQ2090411945"), asks(currency="USD"), {}):
        assert client.refused("POST", path, wrong)[0] == 400
    assert client.refused("POST", path, asks(iban="DE89370400440532013000"))[0] == 404
    assert new_user(bank).refused("POST", path, asks())[0] == 403
