"""Cards: ordered, frozen, limited, paid with."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import COMPANY, JODI, MAIN, SECOND, App, Client, control, new_user, session_of
from .hooks import Hook
from .test_payments import OWN_SECOND, balance
from .test_requests import wait_until
from .test_schedules import in_future
from .test_webhooks import FILTERS, filters

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
        wanted(second_line="x" * 22),
        wanted(product_type="GOLD"),
        wanted(type="VISA"),
        wanted(alias={"type": "IBAN", "value": "NL00", "name": "x"}),
        wanted(preferred_name_on_card="Somebody Else"),
        wanted(pin_code_assignment=[]),
        wanted(pin_code_assignment=[{"type": "FOURTH", "monetary_account_id": MAIN}]),
        wanted(pin_code_assignment=[{"monetary_account_id": MAIN}] * 2),
        wanted(pin_code_assignment=[{"pin_code": 1234, "monetary_account_id": MAIN}]),
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


def test_what_is_said_with_an_order_is_read_again(bank: Served) -> None:
    client = session_of(bank, JODI)
    pins = [
        {"type": "SECONDARY", "pin_code": "2468", "monetary_account_id": SECOND},
        {"type": "PRIMARY", "routing_type": "AUTO", "pin_code": "1357", "monetary_account_id": MAIN},
    ]
    more = {"preferred_name_on_card": "Walker J.", "monetary_account_id_fallback": SECOND}
    card = ordered(client, pin_code_assignment=pins, **more)
    assigned = card["pin_code_assignment"]
    made = {"id", "created", "updated"}
    assert [{name: each[name] for name in each.keys() - made} for each in assigned] == [
        {"type": "PRIMARY", "routing_type": "AUTO", "monetary_account_id": MAIN, "status": "ACTIVE"},
        {"type": "SECONDARY", "routing_type": "MANUAL", "monetary_account_id": SECOND, "status": "ACTIVE"},
    ]
    # A client that runs at bunq deletes these members from each entry, and fails where one is missing.
    assert all(made < each.keys() for each in assigned)
    assert len({each["id"] for each in assigned}) == 2
    assert {name: card[name] for name in more} == more
    event = client.get(f"/user/{JODI}/event")[0]["Event"]
    assert (event["action"], event["object"]["CardDebit"]["id"]) == ("CREATE", card["id"])
    path = f"{CARDS}/{card['id']}"
    number = {"id": card["primary_account_numbers"][0]["id"], "description": "Online", "status": "DEACTIVATED"}
    client.ok("PUT", path, {"primary_account_numbers": [number], **more})
    after = client.one(path, "Card")
    assert after["primary_account_numbers"][0].items() >= number.items()
    assert after["monetary_account_id_fallback"] == SECOND
    new = client.one(f"{CARDS}/{client.create(f'{path}/replace', {})}", "Card")
    assert new["pin_code_assignment"] == card["pin_code_assignment"]
    assert client.refused("POST", f"{path}/replace", {"name_on_card": "Somebody Else"})[0] == 400
    client.ok("PUT", path, {"status": "ACTIVE"})
    assert client.one(path, "Card")["monetary_account_id_fallback"] is None


def test_fallback_pays_what_the_first_account_lacks(bank: Served) -> None:
    client = session_of(bank, JODI)
    second = balance(client, SECOND)
    card = ordered(client, monetary_account_id_fallback=MAIN, alias=OWN_SECOND)["id"]
    limit = {"card_limit": {"value": "4000.00", "currency": "EUR"}}
    client.ok("PUT", f"{CARDS}/{card}", {"status": "ACTIVE", "monetary_account_id_fallback": MAIN, **limit})
    assert shop(bank, card, "4000.00") == "ALLOWED"
    assert (balance(client), balance(client, SECOND)) == ("118.00", second)
    assert shop(bank, card, "4000.00") == "INSUFFICIENT_FUNDS"


def test_country_is_permitted_until_its_time_is_over(bank: Served) -> None:
    client = session_of(bank, JODI)
    card = ordered(client)["id"]
    countries = [{"country": "DE", "expiry_time": in_future(3600)}]
    client.ok("PUT", f"{CARDS}/{card}", {"status": "ACTIVE", "country_permission": countries})
    assert shop(bank, card, country="DE") == "ALLOWED"
    control(bank, "POST", "/clock", {"advance_s": 3601})
    assert shop(bank, card, country="DE") == "COUNTRY_NOT_PERMITTED"


def test_card_that_never_arrived_cannot_be_lost(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{CARDS}/{ordered(client)['id']}"
    for status in ("LOST", "STOLEN", "CANCELLED"):
        assert client.refused("PUT", path, {"status": status})[0] == 400
    client.ok("PUT", path, {"status": "ACTIVE"})
    assert client.ok("PUT", path, {"status": "LOST"})[0]["Card"]["status"] == "LOST"


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


def test_cash_is_taken_within_its_own_limit_and_purchases_settle_or_come_back(bank: Served, hook: Hook) -> None:
    client = session_of(bank, JODI)
    successful, updated = "CARD_TRANSACTION_SUCCESSFUL", "CARD_TRANSACTION_UPDATED"
    client.ok("POST", FILTERS, filters((successful, hook.url), (updated, hook.url)))
    card = ordered(client)["id"]
    client.ok("PUT", f"{CARDS}/{card}", {"status": "ACTIVE"})

    def cash(amount: str) -> dict[str, Any]:
        taken: dict[str, Any] = control(bank, "POST", f"/cards/{card}/pay", {"amount": amount, "withdrawal": True})
        return taken

    assert cash("500.01")["decision"] == "LIMIT_EXCEEDED"
    action = cash("500.00")["mastercard_action_id"]
    shown = client.one(f"{ACTIONS}/{action}", "MasterCardAction")
    assert (shown["pan_entry_mode_user"], shown["clearing_status"]) == ("ATM", "PENDING")
    assert client.get(f"{ACTIONS}/{action}/payment")[0]["Payment"]["sub_type"] == "WITHDRAWAL"
    assert shop(bank, card, "12.50") == "ALLOWED"
    bought = client.get(ACTIONS)[0]["MasterCardAction"]["id"]
    control(bank, "POST", f"/card-payments/{bought}/reverse")
    assert balance(client) == "3618.00"
    both = [each["Payment"] for each in client.get(f"{ACTIONS}/{bought}/payment")]
    assert [(each["sub_type"], each["amount"]["value"]) for each in both] == [
        ("REVERSAL", "12.50"),
        ("PAYMENT", "-12.50"),
    ]
    again = requests.post(f"{bank.control_url}/card-payments/{bought}/reverse", timeout=5)
    assert again.status_code == 400
    control(bank, "POST", "/clock", {"advance_s": 86401})
    assert client.one(f"{ACTIONS}/{bought}", "MasterCardAction")["clearing_status"] == "FIRST_PRESENTMENT_COMPLETE"
    wait_until(lambda: len(hook.heard) == 5)
    assert hook.types() == [
        *("CARD_PAYMENT_ALLOWED", "CARD_PAYMENT_SETTLED", "CARD_PAYMENT_SETTLED"),
        *("CARD_REVERSAL_ALLOWED", "CARD_WITHDRAWAL_ALLOWED"),
    ]


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


@pytest.mark.parametrize("product", ["MASTERCARD_METAL", "MASTERCARD_TRANSLINK", "MASTERCARD_CREDIT_PREPAID"])
def test_products_that_a_client_of_today_names_are_known(bank: Served, product: str) -> None:
    assert ordered(session_of(bank, JODI), product_type=product)["product_type"] == product


def test_second_line_may_be_longer_than_documented_and_the_log_says_so(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert ordered(client, second_line="twenty characters ok")["second_line"] == "twenty characters ok"
    verdicts = control(bank, "GET", "/calls")["calls"][-1]["verdicts"]
    assert verdicts["members"] == "second_line is longer than 17 characters"
    assert client.refused("POST", f"/user/{JODI}/card-debit", wanted(second_line="x" * 22))[0] == 400


@pytest.mark.bank(second_line_enforced=True)
def test_switch_holds_the_second_line_to_what_is_documented(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert ordered(client, second_line="x" * 17)["second_line"] == "x" * 17
    status, text = client.refused("POST", f"/user/{JODI}/card-debit", wanted(second_line="x" * 18))
    assert (status, "at most 17 characters" in text) == (400, True)


@pytest.mark.bank(card_wrapper="typed")
def test_switch_lists_cards_under_the_kind_of_card(bank: Served) -> None:
    client = session_of(bank, JODI)
    debit = ordered(client)
    (item,) = client.ok("POST", f"/user/{JODI}/card-credit", wanted(product_type="MASTERCARD_CREDIT_PREPAID"))
    assert [{name: each[name]["id"] for name in each} for each in client.get(CARDS)] == [
        {"CardCredit": item["CardCredit"]["id"]},
        {"CardDebit": debit["id"]},
    ]
    assert client.one(f"{CARDS}/{debit['id']}", "CardDebit") == debit
    assert list(client.ok("PUT", f"{CARDS}/{debit['id']}", {"status": "ACTIVE"})[0]) == ["CardDebit"]
