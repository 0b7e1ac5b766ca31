"""Statements: three formats that agree with the payments and with each other."""

from __future__ import annotations

import csv
import io
import re
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bunqflask.sandbox.server import Served

from .client import CAR, JODI, MAIN, App, Client, new_user, session_of
from .provider import new_provider
from .test_attachment import upload
from .test_payments import ABROAD, OWN_SECOND, order

A = f"/user/{JODI}/monetary-account/{MAIN}"
EVERYTHING = {"date_start": "2025-01-01", "date_end": "2027-12-31"}
ACCOUNTS_OPENED = "2025-04-14"


def make(client: Client, form: str, **more: Any) -> bytes:
    """Make a statement and return its file."""
    regional = {"regional_format": "UK_US"} if form == "CSV" else {}
    number = client.create(f"{A}/customer-statement", {"statement_format": form, **EVERYTHING, **regional, **more})
    answer = client.call("GET", f"{A}/customer-statement/{number}/content")
    assert answer.status_code == 200
    assert "X-Bunq-Server-Signature" in answer.headers
    kind = {"CSV": "text/csv", "MT940": "text/plain", "PDF": "application/pdf"}[form]
    assert answer.headers["Content-Type"].startswith(kind)
    return answer.content


def pdf_text(content: bytes) -> str:
    """Return what a PDF prints, one piece per line; its table of objects must be right."""
    assert content.startswith(b"%PDF-1.7")
    (start,) = re.findall(rb"startxref\n(\d+)\n%%EOF\n$", content)
    table = content[int(start) :].split(b"trailer")[0].splitlines()[3:]
    for number, line in enumerate(table, 1):
        assert content[int(line[:10]) :].startswith(b"%d 0 obj\n" % number)
    packed = re.findall(rb"<</Filter/FlateDecode/Length (\d+)>>stream\n", content)
    streams = re.split(rb"<</Filter/FlateDecode/Length \d+>>stream\n", content)[1:]
    pages = [zlib.decompress(stream[: int(size)]) for size, stream in zip(packed, streams, strict=True)]
    pieces = [piece for page in pages for piece in re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", page)]
    return "\n".join(re.sub(rb"\\(.)", rb"\1", piece).decode("cp1252") for piece in pieces)


def payments_of(client: Client) -> list[dict[str, Any]]:
    """Return the account's payments, oldest first."""
    return [item["Payment"] for item in client.get(f"{A}/payment?count=200")][::-1]


def busy(bank: Served) -> Client:
    """Return Jodi after some payments with difficult texts."""
    client = session_of(bank, JODI)
    client.create(f"{A}/payment", order("12.34", ABROAD, description='Bike; "new", €5\nsecond line'))
    client.create(f"{A}/payment", order("100", OWN_SECOND, description="(brackets) \\ and =1+1"))
    client.create(f"{A}/payment", order("0.01"))
    return client


@pytest.mark.parametrize(("regional", "separator", "point"), [("UK_US", ",", "."), ("EUROPEAN", ";", ",")])
def test_csv_holds_every_payment_in_either_regional_format(
    bank: Served, regional: str, separator: str, point: str
) -> None:
    client = busy(bank)
    text = make(client, "CSV", regional_format=regional).decode()
    assert text.startswith('"Date","Interest Date"' if regional == "UK_US" else "Date;Interest Date;")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
    shown = payments_of(client)
    assert [row["Amount"].replace(point, ".") for row in rows] == [each["amount"]["value"] for each in shown]
    assert [row["Description"] for row in rows] == [each["description"] for each in shown]
    assert [row["Name"] for row in rows] == [each["counterparty_alias"]["display_name"] for each in shown]
    assert {row["Account"] for row in rows} == {"NL65BUNQ2090411945"}
    assert rows[1]["Counterparty"] == ABROAD["value"]
    assert rows[0]["Date"] == rows[0]["Interest Date"] == ACCOUNTS_OPENED


def test_mt940_goes_from_opening_to_closing_balance(bank: Served) -> None:
    client = busy(bank)
    lines = make(client, "MT940").decode("ascii").split("\r\n")
    assert lines[1] == ":25:NL65BUNQ2090411945 EUR"
    assert ":28C:1/1" in lines
    assert ":60F:C250101EUR0,00" in lines
    assert ":62F:C271231EUR4005,65" in lines
    total = Decimal(0)
    for mark, amount in re.findall(r":61:\d{10}([CD])([\d,]+)N", "\n".join(lines)):
        total += Decimal(amount.replace(",", ".")) * (1 if mark == "C" else -1)
    assert total == Decimal("4005.65")
    assert sum(line.startswith(":86:") for line in lines) == 4
    assert max(map(len, lines)) <= 69
    assert any(line.startswith(f":86:/IBAN/{ABROAD['value']}/NAME/Jurgen Gross") for line in lines)
    assert ":28C:2/1" in make(client, "MT940").decode("ascii")


def test_pdf_prints_balances_and_payments_and_says_that_it_is_simulated(bank: Served) -> None:
    client = busy(bank)
    text = pdf_text(make(client, "PDF"))
    for piece in ("EUR 0.00", "EUR 4005.65", "-12.34", "NL65BUNQ2090411945", "(brackets) \\ and =1+1", "SIMULATED"):
        assert piece in text
    assert "Jürgen Groß ?" in text


def test_long_pdf_has_several_pages(bank: Served) -> None:
    client = session_of(bank, JODI)
    payments = [order("0.01", OWN_SECOND, description=f"payment {number}") for number in range(60)]
    client.create(f"{A}/payment-batch", {"payments": payments})
    text = pdf_text(make(client, "PDF"))
    assert "Page 2" in text
    assert text.count("payment ") == 60


def test_pdf_carries_attachments_where_wanted(bank: Served) -> None:
    client = session_of(bank, JODI)
    client.create(f"{A}/payment", order("1.00", attachment=[{"id": upload(client)}]))
    assert b"/EmbeddedFile" in make(client, "PDF", include_attachment=True)
    assert b"/EmbeddedFile" not in make(client, "PDF")


def test_periods_join_without_gap_or_overlap(bank: Served) -> None:
    client = busy(bank)
    today = datetime.now(UTC).date().isoformat()

    def balances(start: str, end: str) -> tuple[str, str]:
        text = make(client, "MT940", date_start=start, date_end=end).decode()
        opening, closing = re.findall(r":6[02]F:C\d{6}EUR([\d,]+)", text)
        return opening, closing

    assert balances("2025-01-01", ACCOUNTS_OPENED) == ("0,00", "4118,00")
    assert balances("2025-04-15", "2025-05-01") == ("4118,00", "4118,00")
    assert balances(today, today) == ("4118,00", "4005,65")
    assert "Date" in make(client, "CSV", date_start="2025-04-15", date_end="2025-05-01").decode()


def test_statement_is_read_listed_and_deleted(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{A}/customer-statement"
    body = {"statement_format": "CSV", "regional_format": "EUROPEAN", **EVERYTHING}
    number = client.create(path, body)
    shown = client.one(f"{path}/{number}", "CustomerStatement")
    assert {name: shown[name] for name in body} == body
    assert (shown["status"], shown["statement_number"]) == ("COMPLETED", None)
    assert shown["alias_monetary_account"]["iban"] == "NL65BUNQ2090411945"
    assert client.get(path) == [{"CustomerStatement": shown}]
    assert client.refused("GET", f"/user/{JODI}/monetary-account/{CAR}/customer-statement/{number}")[0] == 404
    assert client.ok("DELETE", f"{path}/{number}") == []
    for gone in (f"{path}/{number}", f"{path}/{number}/content"):
        assert client.refused("GET", gone)[0] == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"statement_format": "XLS"},
        {"statement_format": None},
        {"regional_format": None},
        {"regional_format": "FRENCH"},
        {"date_start": None},
        {"date_start": "01-01-2025"},
        {"date_end": "2024-12-31"},
        {"date_end": "2025-02-30"},
        {"date_start": "1990-01-01"},
        {"include_attachment": "yes"},
    ],
)
def test_impossible_statements_are_refused(bank: Served, wrong: dict[str, Any]) -> None:
    body = {"statement_format": "CSV", "regional_format": "UK_US", **EVERYTHING, **wrong}
    assert session_of(bank, JODI).refused("POST", f"{A}/customer-statement", body)[0] == 400


def test_apps_get_statements_of_chosen_accounts_and_with_the_role_only(bank: Served) -> None:
    app = App(new_user(bank, "company")).connect(JODI, [MAIN])
    assert b"Opening balance" in make(app, "CSV")
    body = {"statement_format": "PDF", **EVERYTHING}
    assert app.refused("POST", f"/user/{JODI}/monetary-account/{CAR}/customer-statement", body)[0] == 404
    party = App(new_provider(bank, "PISP")).connect(JODI, [MAIN])
    assert party.refused("POST", f"{A}/customer-statement", body)[0] == 403


def test_single_payment_has_a_statement_of_its_own(bank: Served) -> None:
    client = session_of(bank, JODI)
    client.create(f"{A}/payment", order("7.00", ABROAD, description="one of a kind"))
    event = client.get(f"/user/{JODI}/event")[0]["Event"]["id"]
    path = f"{A}/event/{event}/statement"
    number = client.create(path)
    assert client.one(f"{path}/{number}", "ExportStatementPayment")["status"] == "COMPLETED"
    text = pdf_text(client.call("GET", f"{path}/{number}/content").content)
    assert "one of a kind" in text
    assert "EUR -7.00" in text
    assert client.refused("POST", f"{A}/event/1/statement")[0] == 404
    assert client.refused("GET", f"{path}/1")[0] == 404
    assert client.refused("POST", f"/user/{JODI}/monetary-account/{CAR}/event/{event}/statement")[0] == 404


def test_annual_overview_says_what_was_held_at_both_ends(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"/user/{JODI}/export-annual-overview"
    number = client.create(path, {"year": 2025})
    shown = client.one(f"{path}/{number}", "ExportAnnualOverview")
    assert (shown["year"], shown["alias_user"]["display_name"]) == (2025, "Jodi Walker")
    assert client.get(path) == [{"ExportAnnualOverview": shown}]
    text = pdf_text(client.call("GET", f"{path}/{number}/content").content)
    assert "0.00 EUR\n4118.00 EUR" in text
    for wrong in (None, "2025", 1999, 2999):
        assert client.refused("POST", path, {"year": wrong})[0] == 400
    assert App(new_user(bank)).connect(JODI).refused("POST", path, {"year": 2025})[0] == 403
    assert client.ok("DELETE", f"{path}/{number}") == []
    assert client.refused("GET", f"{path}/{number}/content")[0] == 404


def test_rib_proves_who_holds_the_account(bank: Served) -> None:
    client = session_of(bank, JODI)
    path = f"{A}/export-rib"
    number = client.create(path)
    shown = client.one(f"{path}/{number}", "ExportRib")
    assert client.get(path) == [{"ExportRib": shown}]
    text = pdf_text(client.call("GET", f"{path}/{number}/content").content)
    assert "J. Walker" in text
    assert "NL65BUNQ2090411945" in text
    assert client.ok("DELETE", f"{path}/{number}") == []
    assert client.refused("GET", f"{path}/{number}")[0] == 404
