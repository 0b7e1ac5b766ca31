"""Programs read what their member's pages show: the same accounts, the same payments, the same sums."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.config import HOME_ZONE
from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount, Payment
from tests.protocol.api.program import Program
from tests.support import rows
from tests.support.bank import Bank
from tests.support.browser import Browser


def all_payments(program: Program, **wanted: Any) -> list[dict[str, Any]]:
    """Read all pages, as the header `Link` leads on."""
    answer = program.call("/payments", params={"limit": 100, **wanted})
    found: list[dict[str, Any]] = answer.json()["items"]
    while "next" in answer.links:
        answer = program.session.get(answer.links["next"]["url"], timeout=30)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
    assert answer.json()["next"] is None
    return found


def test_a_program_finds_its_way_from_the_first_answer(program: Program) -> None:
    first = program.get("/")

    for address in first["links"].values():
        assert program.session.get(address, timeout=30).status_code == 200
    assert first["environment"] == "local"
    assert first["time_zone"] == "Europe/Amsterdam"


def test_the_token_says_whose_it_is_and_what_it_may_do(program: Program) -> None:
    me = program.get("/me")

    assert (me["email"], me["role"]) == ("robin@example.org", "owner")
    assert me["token"] == {
        "scopes": ["balances:read", "bunq:read", "connections:write", "exports:read", "notes:read", "payments:read"],
        "narrowed_to_accounts": False,
    }


def test_accounts_have_the_balances_that_bunq_gave(program: Program, app: Flask) -> None:
    found = program.get("/accounts")["items"]

    with rows.behind(app):
        stored = {str(row.id): row for row in db.session.scalars(db.select(MonetaryAccount))}
        for each in found:
            row = stored[each["id"]]
            assert (each["name"], each["iban"], each["currency"]) == (row.description, row.iban, row.currency)
            assert Decimal(each["balance"]) == row.balance
    assert len(found) == 4
    assert {each["sync"]["state"] for each in found} == {"up_to_date"}
    assert program.get(f"/accounts/{found[0]['id']}") == found[0]


def test_the_pages_of_payments_together_are_the_table_newest_first(program: Program, app: Flask) -> None:
    found = all_payments(program)

    with rows.behind(app):
        query = db.select(Payment).order_by(Payment.created_at.desc(), Payment.id.desc())
        stored = list(db.session.scalars(query))
        assert [each["id"] for each in found] == [str(row.id) for row in stored]
        assert [Decimal(each["amount"]) for each in found] == [row.amount for row in stored]
        assert [each["description"] for each in found] == [row.description for row in stored]
    assert len(found) > 100


@pytest.mark.parametrize(
    "wanted",
    [{"q": "stadsbus"}, {"min": "100", "max": "250.50"}, {"direction": "in"}, {"type": "MASTERCARD"}, {"account": "1"}],
    ids=str,
)
def test_what_a_filter_finds_adds_up_to_its_totals_and_its_months(program: Program, wanted: dict[str, str]) -> None:
    found = all_payments(program, **wanted)
    totals = program.get("/totals", **wanted)["items"]
    months = program.get("/months", **wanted)["items"]

    assert found
    for of_currency in totals:
        mine = [each for each in found if each["currency"] == of_currency["currency"]]
        sums = {
            direction: sum((Decimal(each["amount"]) for each in mine if each["direction"] == direction), Decimal(0))
            for direction in ("in", "out", "own")
        }
        assert of_currency["count"] == len(mine)
        assert Decimal(of_currency["money_in"]) == sums["in"]
        assert Decimal(of_currency["money_out"]) == sums["out"]
        assert Decimal(of_currency["own_transfers"]) == sums["own"]
    counted = sum(each["count"] for month in months for each in month["totals"])
    assert counted == len(found) == sum(each["count"] for each in totals)
    assert [month["month"] for month in months] == sorted({each["date"][:7] for each in found}, reverse=True)


def test_one_payment_has_its_balance_and_bunqs_json_if_asked(program: Program) -> None:
    line = program.get("/payments", limit=1)["items"][0]

    whole = program.get(f"/payments/{line['id']}")
    with_raw = program.get(f"/payments/{line['id']}", expand="raw")

    assert line.items() <= whole.items()
    assert "raw" not in whole
    assert str(with_raw["raw"]["id"]) == whole["payment_id"]
    assert with_raw["raw"]["balance_after_mutation"]["value"] == whole["balance_after"]


def test_the_balance_of_a_day_is_the_last_one_of_that_day(program: Program) -> None:
    newest = program.get("/payments", account="1", limit=1)["items"][0]
    whole = program.get(f"/payments/{newest['id']}")

    [day] = program.get("/accounts/1/balances", date=newest["date"])["items"]
    days = program.get("/accounts/1/balances")["items"]

    assert (day["date"], day["balance"], day["is_verified"]) == (newest["date"], whole["balance_after"], True)
    assert days[-1]["date"] == str(clock.now().astimezone(ZoneInfo(HOME_ZONE)).date())
    assert len(days) == 30


def test_a_program_asks_for_an_update_and_sees_the_new_payment(program: Program, app: Flask, bank: Bank) -> None:
    bank.receive(2083712, "12.34")

    answer = program.call("/connections/1/sync", method="POST")
    rows.run_duties(app)

    assert answer.status_code == 202
    assert urlsplit(answer.headers["Location"]).path == "/api/v1/connections/1"
    assert program.get("/payments", limit=1)["items"][0]["amount"] == "12.34"


def test_an_unchanged_answer_is_not_sent_again(program: Program) -> None:
    first = program.call("/accounts")

    again = program.call("/accounts", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["Cache-Control"] == "private, no-cache"


def test_a_cursor_goes_on_where_it_was_though_payments_arrive(program: Program, app: Flask, bank: Bank) -> None:
    first = program.get("/payments", limit=10)
    expected = program.get("/payments", limit=20)["items"][10:]
    bank.receive(2083712, "1.00")
    program.call("/connections/1/sync", method="POST")
    rows.run_duties(app)

    second = program.get("/payments", limit=10, cursor=first["next"])

    assert [each["id"] for each in second["items"]] == [each["id"] for each in expected]


def test_the_page_of_tokens_makes_one_that_works_and_ends_it(program: Program, robin: Browser) -> None:
    robin.get("/developers")
    page = robin.submit(button="Make the token", name="Month-end script", scope=["balances:read"], days="7")
    token = page.html.split('value="bqf_')[1].split('"')[0]
    made = Program(program.url, f"bqf_{token}")
    used = made.call("/accounts").status_code
    listed = robin.get("/developers")

    robin.submit(action="/tokens/2/end")

    assert used == 200
    assert "Month-end script" in listed.text
    assert token not in listed.html
    assert made.call("/accounts").status_code == 401


def test_ticked_accounts_never_become_all_accounts(program: Program, robin: Browser) -> None:
    robin.get("/developers")

    page = robin.submit(button="Make the token", name="unsure", accounts="all", account="1")

    assert page.status == 422
    assert "You ticked accounts." in page.text
    assert "unsure" in page.html
    assert 'value="bqf_' not in page.html
