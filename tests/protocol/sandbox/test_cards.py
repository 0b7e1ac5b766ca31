"""Cards: ordered, frozen, limited, paid with."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, MAIN, SECOND, App, Client, control, new_user, session_of
from .test_payments import balance

CARDS = f"/user/{JODI}/card"
ACTIONS = f"/user/{JODI}/monetary-account/{MAIN}/mastercard-action"


def wanted(**more: Any) -> dict[str, Any]:
    """Return a card as it is ordered."""
    return {
        "second_line": "Groceries",
        "name_on_card": "J. Walker",
        "type": "MASTERCARD",
        "product_type": "MASTERCARD_DEBIT",
        "alias": {"type": "IBAN", "value": "NL65BUNQ2090411945", "name": "Jodi Walker"},
        **more,
    }


def ordered(client: Client, **more: Any) -> dict[str, Any]:
    """Order a card and return it."""
    (item,) = client.ok("POST", f"/user/{client.user_id}/card-debit", wanted(**more))
    card: dict[str, Any] = item["CardDebit"]
    return card


def shop(bank: Served, card: int, amount: str = "12.50", country: str = "NL") -> str:
    """Pay with a card, as its holder does in a shop; return the bank's decision."""
    decision: str = control(bank, "POST", f"/cards/{card}/pay", {"amount": amount, "country": country})["decision"]
    return decision


def test_ordered_card_is_answered_in_full_and_listed(bank: Served) -> None:
    client = session_of(bank, JODI)
    card = ordered(client)
    assert (card["status"], card["order_status"], card["second_line"]) == (
        "DEACTIVATED",
        "CARD_REQUEST_PENDING",
        "Groceries",
    )
    assert card["primary_account_numbers"][0]["monetary_account_id"] == MAIN
    assert client.get(CARDS) == [{"Card": card}]
    assert client.one(f"{CARDS}/{card['id']}", "Card") == card
    virtual = ordered(client, product_type="MASTERCARD_VIRTUAL")
    assert (virtual["sub_type"], virtual["order_status"]) == ("VIRTUAL", "VIRTUAL_DELIVERY")


def test_names_for_cards_are_the_holders_own(bank: Served) -> None:
    client = session_of(bank, JODI)
    (item,) = client.get(f"/user/{JODI}/card-name")
    assert "J. Walker" in item["CardUserNameArray"]["possible_card_name_array"]
    (item,) = session_of(bank, COMPANY).get(f"/user/{COMPANY}/card-name")
    assert "Jodi Walker" in item["CardUserNameArray"]["possible_card_name_array"]


@pytest.mark.parametrize(
    "wrong",
    [
        wanted(name_on_card="Somebody Else"),
        wanted(second_line="x" * 18),
        wanted(product_type="GOLD"),
        wanted(type="VISA"),
        wanted(alias={"type": "IBAN", "value": "NL00", "name": "x"}),
        {},
    ],
)
def test_orders_that_make_no_sense_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", f"/user/{JODI}/card-debit", wrong)[0] == 400
    assert client.get(CARDS) == []


def test_card_is_activated_frozen_and_limited(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{CARDS}/{ordered(client)['id']}"
    (item,) = client.ok("PUT", path, {"status": "ACTIVE", "activation_code": "123456"})
    assert item["Card"]["status"] == "ACTIVE"
    changes = {
        "status": "DEACTIVATED",
        "card_limit": {"value": "25.00", "currency": "EUR"},
        "country_permission": [{"country": "DE"}],
        "pin_code_assignment": [{"type": "PRIMARY", "monetary_account_id": SECOND}],
    }
    (item,) = client.ok("PUT", path, changes)
    assert item["Card"]["card_limit"]["value"] == "25.00"
    assert [each["country"] for each in item["Card"]["country_permission"]] == ["DE"]
    assert item["Card"]["primary_account_numbers"][0]["monetary_account_id"] == SECOND
    client.ok("PUT", path, {"status": "LOST"})
    assert client.refused("PUT", path, {"status": "ACTIVE"})[0] == 400


def test_card_pays_within_its_limits_and_the_refusals_are_kept(bank: Served) -> None:
    client = session_of(bank, JODI)
    card = ordered(client)["id"]
    shop(bank, card)
    client.ok("PUT", f"{CARDS}/{card}", {"status": "ACTIVE"})
    shop(bank, card)
    shop(bank, card, country="US")
    shop(bank, card, "1000.01")
    actions = [item["MasterCardAction"] for item in client.get(ACTIONS)]
    assert [each["decision"] for each in actions] == [
        "LIMIT_EXCEEDED",
        "COUNTRY_NOT_PERMITTED",
        "ALLOWED",
        "CARD_NOT_ACTIVE",
    ]
    assert balance(client) == "4105.50"
    paid = actions[2]
    assert paid["counterparty_alias"]["iban"] is None
    assert paid["counterparty_alias"]["merchant_category_code"] == "5411"
    (item,) = client.get(f"{ACTIONS}/{paid['id']}/payment")
    assert item["Payment"]["amount"]["value"] == "-12.50"
    assert item["Payment"]["type"] == "MASTERCARD"
    assert client.get(f"{ACTIONS}/{actions[0]['id']}/payment") == []


def test_replaced_card_leaves_a_new_one(bank: Served) -> None:
    client = session_of(bank, JODI)
    old = ordered(client)["id"]
    new = client.create(f"{CARDS}/{old}/replace", {"second_line": "Again"})
    assert client.one(f"{CARDS}/{old}", "Card")["sub_status"] == "REPLACED"
    assert client.one(f"{CARDS}/{new}", "Card")["second_line"] == "Again"


def test_app_sees_only_cards_of_the_accounts_it_may_see(bank: Served) -> None:
    jodi = session_of(bank, JODI)
    card = ordered(jodi)["id"]
    app = App(new_user(bank)).connect(accounts=[SECOND])
    assert app.get(f"/user/{app.user_id}/card") == []
    assert app.refused("PUT", f"/user/{app.user_id}/card/{card}", {"status": "LOST"})[0] == 404
    assert jodi.one(f"{CARDS}/{card}", "Card")["status"] == "DEACTIVATED"


def test_app_may_manage_cards_of_its_user(bank: Served) -> None:
    app = App(new_user(bank)).connect()
    card = ordered(app)
    assert app.ok("PUT", f"/user/{app.user_id}/card/{card['id']}", {"status": "ACTIVE"})
    assert session_of(bank, JODI).one(f"{CARDS}/{card['id']}", "Card")["status"] == "ACTIVE"
