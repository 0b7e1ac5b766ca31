"""A history as a client reads it, and how one is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from bunqflask.sandbox import Settings
from bunqflask.sandbox.server import Served, serve

from .client import CAR, JODI, MAIN, MEDICAL, SECOND, Client, control, session_of

Payment = dict[str, Any]

OWN = {"NL55BUNQ2090409118": SECOND, "NL17BUNQ2090415428": CAR, "NL09BUNQ2090405775": MEDICAL}


def path(account: int = MAIN) -> str:
    """Return the payments of an account."""
    return f"/user/{JODI}/monetary-account/{account}/payment"


def all_payments(client: Client, account: int = MAIN) -> list[Payment]:
    """Page through an account from the newest payment to the oldest."""
    found: list[Payment] = []
    url: str | None = f"{path(account)}?count=200"
    while url:
        answer = client.call("GET", url).json()
        found += [item["Payment"] for item in answer["Response"]]
        url = answer["Pagination"]["older_url"]
    return found


def check_chain(client: Client, account: int, payments: list[Payment]) -> None:
    """Each balance follows from the one before, and the last is the account's."""
    running = Decimal(0)
    for payment in payments[::-1]:
        running += Decimal(payment["amount"]["value"])
        assert Decimal(payment["balance_after_mutation"]["value"]) == running >= 0
    shown = client.one(f"/user/{JODI}/monetary-account/{account}", "MonetaryAccountBank")
    assert Decimal(shown["balance"]["value"]) == running


def test_a_thousand_payments_page_chain_and_add_up(bank: Served) -> None:
    (made,) = control(bank, "POST", "/seed", {"payments": 1000, "account": MAIN})["histories"]
    assert (made["account"], made["payments"]) == (MAIN, 1000)
    client = session_of(bank, JODI)
    payments = all_payments(client)
    assert len(payments) == 1001
    ids, times = [each["id"] for each in payments], [each["created"] for each in payments]
    assert ids == sorted(set(ids), reverse=True)
    assert times == sorted(set(times), reverse=True)
    assert all(datetime.strptime(each, "%Y-%m-%d %H:%M:%S.%f") and len(each) == 26 for each in times)  # noqa: DTZ007 - bunq writes times in UTC without a zone
    assert made["start"] <= times[-2]
    assert times[0] < made["end"] <= f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
    for account in (MAIN, SECOND, CAR, MEDICAL):
        check_chain(client, account, all_payments(client, account))
    assert payments[0]["balance_after_mutation"]["value"] == "4118.00"
    # Saving shows on both sides, each with its own id.
    out = next(each for each in payments if each["description"].startswith("Putting aside"))
    there = all_payments(client, OWN[out["counterparty_alias"]["iban"]])
    received = next(each for each in there if each["created"] == out["created"])
    assert received["id"] != out["id"]
    assert Decimal(received["amount"]["value"]) == -Decimal(out["amount"]["value"])
    assert received["counterparty_alias"]["iban"] == "NL65BUNQ2090411945"


def test_hostile_names_come_through_as_json(bank: Served) -> None:
    control(bank, "POST", "/seed", {"payments": 2000})
    client = session_of(bank, JODI)
    answer = client.call("GET", path() + "?count=200")
    assert answer.content.isascii()
    payments = all_payments(client)
    names = {each["counterparty_alias"]["display_name"]: each for each in payments}
    assert '<script>alert("1")</script>' in names
    assert "\u202egnihtoN fo knaB\u202c" in names
    assert "Robert'); DROP TABLE ledger_entry;--" in names
    assert {"مخبز الياسمين", "נועה לוי", "Jürgen Groß", "Ramen 屋 Tanuki 🍜"} < set(names)
    assert max(map(len, names)) > 250
    assert names["Robert'); DROP TABLE ledger_entry;--"]["description"].endswith("\tand\nnew lines\r\n")
    shop = names["Käsehaus Grüße"]["counterparty_alias"]
    assert (shop["iban"], shop["is_light"], shop["country"]) == (None, None, "DE")
    assert shop["merchant_category_code"] == "5411"


def test_the_same_number_and_seed_give_the_same_payments() -> None:
    moment = datetime.now(UTC).replace(hour=12, minute=30) + timedelta(days=2)

    def tell(body: dict[str, int]) -> list[Payment]:
        with serve(Settings(rate_limits="off")) as bank:
            now = datetime.fromisoformat(control(bank, "GET", "/state")["now"]).replace(tzinfo=UTC)
            control(bank, "POST", "/clock", {"advance_s": (moment - now).total_seconds()})
            control(bank, "POST", "/seed", body)
            return all_payments(session_of(bank, JODI))

    first = tell({"payments": 300, "seed": 5})
    assert tell({"payments": 300, "seed": 5, "account": MAIN}) == first
    assert tell({"payments": 300, "seed": 6}) != first


WRONG: tuple[dict[str, Any], ...] = (
    {},
    {"payments": 0},
    {"payments": "10"},
    {"payments": True},
    {"payments": 1.5},
    {"payments": 10**9},
    {"payments": 10, "account": 1},
    {"payments": 10, "account": 10**20},
    {"payments": 10, "account": None},
    {"payments": 10, "seeds": 1},
)


def test_wrong_orders_are_refused(bank: Served) -> None:
    for body in WRONG:
        answer = requests.post(f"{bank.control_url}/seed", json=body, timeout=20)
        assert answer.status_code == 400, body
        assert answer.json()["error"]
    assert len(all_payments(session_of(bank, JODI))) == 1


def test_the_bank_goes_on_after_its_history(bank: Served) -> None:
    control(bank, "POST", "/seed", {"payments": 30})
    client = session_of(bank, JODI)
    newest = client.get(path() + "?count=1")[0]["Payment"]
    order = {
        "amount": {"value": "18.00", "currency": "EUR"},
        "counterparty_alias": {"type": "EMAIL", "value": "bravo@bunq.com"},
        "description": "Lunch",
    }
    paid = client.one(f"{path()}/{client.create(path(), order)}", "Payment")
    assert paid["id"] > newest["id"]
    assert paid["created"] > newest["created"]
    assert paid["balance_after_mutation"]["value"] == "4100.00"


def test_the_command_says_what_it_did(bank: Served) -> None:
    run = bank.app.test_cli_runner().invoke
    assert run(args=["seed"]).output == "Already seeded.\n"
    done = run(args=["seed", "--payments", "40", "--account", str(CAR), "--seed", "3"])
    assert done.exit_code == 0
    assert done.output.startswith(f"40 payments on account {CAR}, ")
    assert len(all_payments(session_of(bank, JODI), CAR)) == 41
    refused = run(args=["seed", "--payments", "-1"])
    assert (refused.exit_code, refused.output) == (1, "Error: payments is a number from 1 to 10000000\n")
