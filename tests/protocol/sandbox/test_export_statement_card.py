"""Statements of a card."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, App, Client, new_user, session_of
from .test_cards import CARDS, ordered, shop
from .test_customer_statement import EVERYTHING, pdf_text


def shopper(bank: Served) -> tuple[Client, str]:
    """Return Jodi after a purchase, and the path of her card's statements."""
    client = session_of(bank, JODI)
    card = ordered(client, order_status="VIRTUAL_DELIVERY", product_type="MASTERCARD_VIRTUAL")["id"]
    shop(bank, card)
    return client, f"{CARDS}/{card}/export-statement-card"


def test_card_statement_holds_the_purchases_in_both_formats(bank: Served) -> None:
    client, path = shopper(bank)
    table = client.create(f"{path}-csv", {**EVERYTHING, "regional_format": "EUROPEAN"})
    text = client.call("GET", f"{path}/{table}/content").content.decode()
    (row,) = csv.DictReader(io.StringIO(text), delimiter=";")
    assert (row["Amount"], row["Account"]) == ("-12,50", "NL65BUNQ2090411945")
    page = client.create(f"{path}-pdf", EVERYTHING)
    assert "-12.50" in pdf_text(client.call("GET", f"{path}/{page}/content").content)
    assert client.one(f"{path}-csv/{table}", "ExportStatementCardCsv")["regional_format"] == "EUROPEAN"
    assert "regional_format" not in client.one(f"{path}-pdf/{page}", "ExportStatementCardPdf")
    assert client.one(f"{path}/{page}", "ExportStatementCard")["status"] == "COMPLETED"
    assert [item["ExportStatementCard"]["id"] for item in client.get(path)] == [page, table]
    assert [item["ExportStatementCardCsv"]["id"] for item in client.get(f"{path}-csv")] == [table]
    assert [item["ExportStatementCard"]["id"] for item in client.get(f"{path}?newer_id={table}")] == [page]
    assert client.refused("GET", f"{path}-csv/{page}")[0] == 404
    for each in (f"{path}-csv/{table}", f"{path}-pdf/{page}"):
        assert client.ok("DELETE", each) == []
    assert client.get(path) == client.get(f"{path}-pdf") == []


@pytest.mark.parametrize(
    "wrong", [{"regional_format": None}, {"date_start": None}, {"date_end": "2024-01-01"}, {"date_end": 5}]
)
def test_impossible_card_statements_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    client, path = shopper(bank)
    assert client.refused("POST", f"{path}-csv", {**EVERYTHING, "regional_format": "UK_US", **wrong})[0] == 400


def test_app_sees_purchases_from_chosen_accounts_only(bank: Served) -> None:
    client, path = shopper(bank)
    own = client.create(f"{path}-csv", {**EVERYTHING, "regional_format": "UK_US"})
    app = App(new_user(bank, "company"))
    for accounts, rows in (([MAIN], 1), ([CAR], 0)):
        session = app.connect(JODI, accounts)
        number = session.create(f"{path}-csv", {**EVERYTHING, "regional_format": "UK_US"})
        assert session.call("GET", f"{path}/{number}/content").text.count("\n") == 1 + rows
        assert session.call("GET", f"{path}/{own}/content").status_code == (200 if rows else 404)
        assert len(session.get(path)) == (2 if rows else 1)
