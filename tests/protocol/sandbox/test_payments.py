"""Payments: made, refused, read, paged."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, SECOND, App, Client, control, new_user, session_of, sign

OWN_SECOND = {"type": "IBAN", "value": "NL55BUNQ2090409118", "name": "Jodi Walker"}
BRAVO = {"type": "EMAIL", "value": "bravo@bunq.com"}
ABROAD = {"type": "IBAN", "value": "DE89370400440532013000", "name": "Jürgen Groß 🚲"}


def path(account: int = MAIN, user: int = JODI) -> str:
    """Return the payments of an account."""
    return f"/user/{user}/monetary-account/{account}/payment"


def order(value: str = "10.00", to: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a payment as it is asked for."""
    return {
        "amount": {"value": value, "currency": "EUR"},
        "counterparty_alias": to or BRAVO,
        "description": "Lunch",
        **more,
    }


def balance(client: Client, account: int = MAIN) -> str:
    """Return what an account holds."""
    (item,) = client.get(f"/user/{client.user_id}/monetary-account/{account}")
    value: str = next(iter(item.values()))["balance"]["value"]
    return value


def test_payment_to_own_account_shows_on_both_sides(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = client.create(path(), order("100", OWN_SECOND))
    sent = client.one(f"{path()}/{id}", "Payment")
    assert sent["amount"] == {"currency": "EUR", "value": "-100.00"}
    assert sent["balance_after_mutation"]["value"] == "4018.00"
    assert sent["alias"]["iban"] == "NL65BUNQ2090411945"
    assert sent["counterparty_alias"]["iban"] == "NL55BUNQ2090409118"
    assert (sent["type"], sent["sub_type"]) == ("BUNQ", "PAYMENT")
    received = client.get(path(SECOND))[0]["Payment"]
    assert received["id"] != id
    assert received["amount"]["value"] == "100.00"
    assert received["counterparty_alias"]["display_name"] == "J. Walker"
    assert (balance(client), balance(client, SECOND)) == ("4018.00", "2000.00")


def test_payment_abroad_leaves_the_bank(bank: Served) -> None:
    client = session_of(bank, JODI)
    id = client.create(path(), order("12.5", ABROAD))
    shown = client.one(f"{path()}/{id}", "Payment")
    assert (shown["type"], shown["sub_type"]) == ("EBA_SCT", "SCT")
    assert shown["amount"]["value"] == "-12.50"
    other = shown["counterparty_alias"]
    assert other["display_name"] == "Jürgen Groß 🚲"
    assert other["label_user"]["uuid"] is None
    assert other["country"] == "DE"


@pytest.mark.parametrize(
    "wrong",
    [
        order("0"),
        order("0.00"),
        order("-1.00"),
        order("1.001"),
        order("1,00"),
        order("5000.00"),
        order(amount={"value": 1.0, "currency": "EUR"}),
        order(amount={"value": "1.00", "currency": "USD"}),
        order(amount="1.00"),
        order(to={"type": "IBAN", "value": "NL00BUNQ2090409118", "name": "x"}),
        order(to={"type": "IBAN", "value": "NL55BUNQ2090409118"}),
        order(to={"type": "EMAIL", "value": "nobody@nowhere.example"}),
        order(to={"type": "IBAN", "value": "NL65BUNQ2090411945", "name": "myself"}),
        order(description=None),
        order(description="x" * 9001),
        order(to=ABROAD, description="x" * 141),
        order(attachment=[{"id": 1}]),
        {},
    ],
)
def test_payments_that_cannot_be_are_refused_and_move_nothing(bank: Served, wrong: dict[str, Any]) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", path(), wrong)[0] in (400, 404)
    assert balance(client) == "4118.00"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("EMAIL", "BRAVO@bunq.com"),
        ("PHONE_NUMBER", "+31600000002"),
        ("PHONE_NUMBER", "+31 6 0000-0002"),
        ("IBAN", "nl55 bunq 2090 4091 18"),
    ],
)
def test_receiver_is_found_however_the_pointer_is_written(bank: Served, kind: str, value: str) -> None:
    client = session_of(bank, JODI)
    client.create(path(), order("1.00", {"type": kind, "value": value, "name": "somebody"}))
    assert client.get(path())[0]["Payment"]["type"] == "BUNQ"
    assert balance(client) == "4117.00"


def test_payment_needs_a_signature(bank: Served) -> None:
    client = session_of(bank, JODI)
    assert client.refused("POST", path(), order(), signed=False)[0] == 466
    assert client.refused("POST", path(), order(), signed=sign(client.key, b"x"))[0] == 401
    assert balance(client) == "4118.00"


def test_batch_pays_all_or_nothing(bank: Served) -> None:
    client = session_of(bank, JODI)
    batches = path() + "-batch"
    assert client.refused("POST", batches, {"payments": [order("100.00"), order("4100.00")]})[0] == 400
    assert balance(client) == "4118.00"
    id = client.create(batches, {"payments": [order("1.00"), order("2.00", OWN_SECOND)]})
    shown = client.one(f"{batches}/{id}", "PaymentBatch")
    assert [each["amount"]["value"] for each in shown["payments"]] == ["-1.00", "-2.00"]
    assert {each["batch_id"] for each in shown["payments"]} == {id}
    assert client.get(batches) == [{"PaymentBatch": shown}]
    assert balance(client) == "4115.00"
    assert client.refused("POST", batches, {"payments": []})[0] == 400
    assert client.refused("POST", batches, {"payments": [order()]}, signed=False)[0] == 466


def test_paging_goes_both_ways_without_gap_or_double(bank: Served) -> None:
    client = session_of(bank, JODI)
    before = {item["Payment"]["id"] for item in client.get(path(CAR) + "?count=200")}
    made = [client.create(path(CAR), order("0.01")) for _ in range(7)]

    def follow(url: str | None, name: str) -> list[list[int]]:
        pages = []
        while url:
            answer = client.call("GET", url).json()
            pages.append([item["Payment"]["id"] for item in answer["Response"]])
            url = answer["Pagination"][name]
        return pages

    older = follow(path(CAR) + "?count=3", "older_url")
    flat = [id for page in older for id in page]
    assert flat == sorted({*before, *made}, reverse=True)
    newer = follow(f"{path(CAR)}?count=3&newer_id={flat[-1]}", "newer_url")
    assert [id for page in newer[::-1] for id in page] == flat[:-1]


def test_pagination_addresses_are_relative_and_exclusive(bank: Served) -> None:
    client = session_of(bank, JODI)
    ids = [client.create(path(), order("0.01")) for _ in range(3)]
    first = client.call("GET", path() + "?count=2").json()["Pagination"]
    base = f"/v1{path()}?count=2"
    assert first == {
        "future_url": f"{base}&newer_id={ids[2]}",
        "newer_url": None,
        "older_url": f"{base}&older_id={ids[1]}",
    }
    answer = client.call("GET", first["older_url"]).json()
    assert answer["Response"][0]["Payment"]["id"] == ids[0]
    assert answer["Pagination"]["newer_url"] == f"{base}&newer_id={ids[0]}"
    assert answer["Pagination"]["future_url"] is None
    nothing_new = client.call("GET", first["future_url"]).json()
    assert nothing_new["Response"] == []
    assert nothing_new["Pagination"]["future_url"] == first["future_url"]
    ids.append(client.create(path(), order("0.01")))
    assert [item["Payment"]["id"] for item in client.get(first["future_url"])] == [ids[3]]


def test_app_may_only_move_money_between_accounts_of_its_user(bank: Served) -> None:
    client = App(new_user(bank)).connect(accounts=[MAIN])
    own = f"/user/{client.user_id}/monetary-account/{MAIN}/payment"
    assert client.create(own, order("5.00", OWN_SECOND))
    assert client.refused("POST", own, order("5.00", ABROAD))[0] == 403
    assert client.refused("POST", own, order("5.00", BRAVO))[0] == 403
    assert client.refused("POST", own + "-batch", {"payments": [order("1", OWN_SECOND), order("1")]})[0] == 403
    assert client.refused("POST", path(SECOND), order("5.00", OWN_SECOND))[0] == 404
    assert balance(client) == "4113.00"


def test_a_payment_may_be_told_late_and_in_other_words_but_moves_what_it_moved(bank: Served) -> None:
    client = session_of(bank, JODI)
    first = client.get(path())[0]["Payment"]
    made = control(bank, "POST", "/payments", {"account_id": MAIN, "amount": "25.00", "name": "Employer"})["payment_id"]
    control(bank, "PATCH", f"/payments/{made}", {"listed": False})
    assert client.get(path())[0]["Payment"]["id"] == first["id"]
    control(bank, "PATCH", f"/payments/{made}", {"listed": True, "description": "Salary"})
    told = client.get(path())[0]["Payment"]
    assert (told["id"], told["description"], told["amount"]["value"]) == (made, "Salary", "25.00")
    assert told["updated"] > told["created"]
    for wrong in ({}, {"amount": "1.00"}, {"description": 1}):
        answer = requests.patch(f"{bank.control_url}/payments/{made}", json=wrong, timeout=20)
        assert answer.status_code == 400, wrong
    assert requests.patch(f"{bank.control_url}/payments/1", json={"listed": True}, timeout=20).status_code == 404
