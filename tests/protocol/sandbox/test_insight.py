"""Insights, categories and the small facts about a user."""

from __future__ import annotations

from typing import Any

import pytest

from bunqflask.sandbox.bank import ledger
from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, App, Client, new_user, session_of
from .provider import new_provider
from .test_payments import ABROAD, OWN_SECOND, order

LONG_AGO = "time_start=2025-01-01%2000:00:00"


def shop(bank: Served, code: str, cents: int) -> None:
    """Let Jodi pay by card at a merchant of this code."""
    store = bank.app.extensions["bank"].store
    with store.transaction():
        ledger.move(
            store,
            ledger.Transfer(
                debit=MAIN,
                credit=ledger.outside(store, "EUR"),
                cents=cents,
                description="Shop",
                debit_sees={"iban": None, "name": "Shop", "mcc": code},
                credit_sees={"account": MAIN},
                type="MASTERCARD",
            ),
        )


def insights(client: Client, query: str = "", **how: Any) -> dict[str, dict[str, Any]]:
    """Return the sums by category."""
    found = [item["InsightCategory"] for item in client.get(f"/user/{client.user_id}/insights{query}", **how)]
    return {each["category"]: each for each in found}


def test_insights_add_up_the_running_month_by_category(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert insights(client) == {}
    shop(bank, "5411", 1250)
    shop(bank, "5411", 250)
    shop(bank, "4111", 300)
    client.create(f"/user/{JODI}/monetary-account/{MAIN}/payment", order("5.00", ABROAD))
    found = insights(client)
    assert found["GROCERIES"]["amount_total"] == {"currency": "EUR", "value": "-15.00"}
    assert found["GROCERIES"]["number_of_transactions"] == 2
    assert found["GROCERIES"]["category_translated"] == "Groceries"
    assert found["TRANSPORT"]["amount_total"]["value"] == "-3.00"
    assert found["GENERAL"]["amount_total"]["value"] == "-5.00"
    assert next(iter(found)) == "GROCERIES"
    dutch = insights(client, headers={"X-Bunq-Language": "nl_NL"})
    assert dutch["GROCERIES"]["category_translated"] == "Boodschappen"


def test_sums_of_all_categories_equal_the_change_of_all_balances(bank: Served) -> None:
    client = session_of(bank, JODI)
    shop(bank, "5812", 999)
    client.create(f"/user/{JODI}/monetary-account/{MAIN}/payment", order("40.00", OWN_SECOND))
    cents = sum(round(float(each["amount_total"]["value"]) * 100) for each in insights(client, f"?{LONG_AGO}").values())
    held = [next(iter(item.values())) for item in client.get(f"/user/{JODI}/monetary-account")]
    assert cents == sum(round(float(each["balance"]["value"]) * 100) for each in held)


def test_app_sees_insights_of_chosen_accounts_only(bank: Served) -> None:
    shop(bank, "5411", 1250)
    company = new_user(bank, "company")
    app = App(company)
    assert "GROCERIES" in insights(app.connect(JODI, [MAIN]))
    assert insights(app.connect(JODI, [CAR])) == {}
    party = App(new_provider(bank, "PISP")).connect(JODI)
    assert party.refused("GET", f"/user/{JODI}/insights")[0] == 403


@pytest.mark.parametrize("wrong", ["time_start=yesterday", "time_start=2026-01-02&time_end=2026-01-01"])
def test_impossible_ranges_are_refused(bank: Served, wrong: str) -> None:
    client = session_of(bank, JODI)
    for path in ("insights", "insights-search"):
        assert client.refused("GET", f"/user/{JODI}/{path}?{wrong}")[0] == 400


def test_search_finds_the_events_of_a_category(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/insights-search"
    for value in ("1.00", "2.00", "3.00"):
        client.create(f"/user/{JODI}/monetary-account/{MAIN}/payment", order(value, ABROAD))
    client.create(f"/user/{JODI}/monetary-account/{MAIN}/payment", order("4.00", OWN_SECOND))
    found = [item["Event"] for item in client.get(f"{path}?category=GENERAL")]
    assert [each["object"]["Payment"]["amount"]["value"] for each in found] == ["-3.00", "-2.00", "-1.00"]
    assert client.one(f"/user/{JODI}/event/{found[0]['id']}", "Event") == found[0]
    assert len(client.get(path)) == 5
    assert len(client.get(f"{path}?count=2&older_id={found[0]['id']}")) == 2
    newer = client.get(f"{path}?category=GENERAL&count=1&newer_id={found[2]['id']}")
    assert [item["Event"]["id"] for item in newer] == [found[1]["id"]]
    assert client.get(f"{path}?time_start=2026-01-01&time_end=2026-01-02") == []
    assert client.get(f"{path}?category=TRAVEL") == []


def test_own_categories_stand_after_those_of_the_bank(bank: Served) -> None:
    client = session_of(bank, JODI)
    wrapper = "AdditionalTransactionInformationCategory"
    path = f"/user/{JODI}/additional-transaction-information-category"
    bank_own = [item[wrapper] for item in client.get(path)]
    assert bank_own[0] | {"description_translated": "Boodschappen"} == {
        "category": "GROCERIES",
        "type": "SYSTEM",
        "status": "ACTIVE",
        "order": 1,
        "description": "Groceries",
        "description_translated": "Boodschappen",
        "color": "#54C7FC",
        "icon": "GROCERIES",
    }
    body = {"category": "BEES", "status": "ACTIVE", "description": "Bees", "color": "#FFD52E", "icon": "BEE"}
    number = client.create(f"{path}-user-defined", body)
    assert client.create(f"{path}-user-defined", {"category": "BEES", "status": "INACTIVE"}) == number
    client.create(f"{path}-user-defined", {"status": "ACTIVE", "description": "Nameless"})
    bees, nameless = [item[wrapper] for item in client.get(path)][len(bank_own) :]
    assert (bees["category"], bees["type"], bees["status"]) == ("BEES", "USER_DEFINED", "INACTIVE")
    assert (bees["description"], bees["color"]) == ("Bees", "#FFD52E")
    assert nameless["order"] == len(bank_own) + 2
    wrongs: list[dict[str, Any]] = [{}, {**body, "status": "MAYBE"}, {**body, "color": "red"}]
    wrongs += [{**body, "category": "GROCERIES"}, {**body, "description": 5}]
    for wrong in wrongs:
        assert client.refused("POST", f"{path}-user-defined", wrong)[0] == 400
    stranger = new_user(bank)
    assert len(stranger.get(f"/user/{stranger.user_id}/additional-transaction-information-category")) == len(bank_own)


def test_small_facts_about_a_user(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert client.one(f"/user/{JODI}/insight-preference-date", "InsightPreferenceDate") == {"day_of_month": 1}
    assert client.one(f"/user/{JODI}/limit", "CustomerLimit")["limit_monetary_account_remaining"] == 21
    assert App(new_user(bank)).connect(JODI, [MAIN]).refused("GET", f"/user/{JODI}/limit")[0] == 403
    assert client.one(f"/user/{JODI}/legal-name", "UserLegalNameArray") == {"legal_names": ["Jodi Walker"]}
    assert client.one(f"/user/{JODI}/tree-progress", "TreeProgress")["label_user"]["public_nick_name"] == "Jodi"
    contract = client.one(f"/user/{JODI}/billing-contract-subscription", "BillingContractSubscription")
    assert contract["status"] == "ACTIVE"
    party = new_provider(bank)
    assert party.get(f"/user/{party.user_id}/billing-contract-subscription") == []


def test_server_is_healthy_and_fails_on_request(bank: Served) -> None:
    answer = Client(bank).call("GET", "/health-check")
    assert answer.status_code == 200
    assert answer.json()["Response"][0]["HealthCheckResult"]["HealthResult"]["status"] == "HEALTHY"
    client = session_of(bank, JODI)
    assert client.get("/health-check") == answer.json()["Response"]
    assert client.refused("POST", "/server-error", {}) == (500, "Internal server error.")
    assert "X-Bunq-Server-Signature" not in client.call("POST", "/server-error").headers
