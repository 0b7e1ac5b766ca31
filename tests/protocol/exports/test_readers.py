"""Each format is read back by a program that is not ours, and the sums agree.

mt-940 and openpyxl live beside our tests; tests/support/readers.py says where the others are.
"""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal

import mt940
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings

from bunqflask.exports.statement import Entry, Statement
from bunqflask.exports.text import is_iban, plain, whole
from tests.support.readers import Reader
from tests.unit.exports.statements import account, entry, hostile_statements, statement, sum_of, whole_ledger, written

each_example = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def payments_of(of: Statement) -> list[Entry]:
    return list(of.entries())


def days_of(of: Statement) -> list[str]:
    return [one.booked_at.astimezone(of.zone).date().isoformat() for one in of.entries()]


def ids_of(of: Statement) -> list[str]:
    return [str(one.payment_id) for one in of.entries()]


@given(of=hostile_statements())
@each_example
def test_csv_gives_every_amount_back_to_the_csv_module(of: Statement) -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", of).decode("utf-8-sig"), newline=""), strict=True))
    assert [row["payment_id"] for row in rows] == ids_of(of)
    assert [row["date"] for row in rows] == days_of(of)
    assert [Decimal(row["amount"]) for row in rows] == [one.amount for one in payments_of(of)]
    assert all(not value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    texts = [row[name] for row in rows for name in ("account", "counterparty", "description")]
    assert all(not text.startswith("-") or set(text) == {"-"} for text in texts)
    assert all(row["zone"] == str(of.zone) for row in rows)


@given(of=hostile_statements())
@each_example
def test_json_lines_give_amounts_and_texts_back_to_the_json_module(of: Statement) -> None:
    head, *payments = [json.loads(line) for line in written("jsonl", of).decode().splitlines()]
    assert (Decimal(head["opening"]), Decimal(head["closing"])) == (of.opening, of.closing)
    assert [str(one["payment_id"]) for one in payments] == ids_of(of)
    assert [one["date"] for one in payments] == days_of(of)
    assert [Decimal(one["amount"]) for one in payments] == [one.amount for one in payments_of(of)]
    assert [datetime.fromisoformat(one["booked_at"]) for one in payments] == [one.booked_at for one in payments_of(of)]
    assert [one["description"] for one in payments] == [whole(one.description) for one in payments_of(of)]


@given(of=hostile_statements(largest=10**12))
@each_example
def test_xlsx_gives_dates_and_amounts_back_to_openpyxl(of: Statement) -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)), read_only=True)
    try:
        summary, sheet = book.worksheets
        rows = list(sheet.iter_rows(min_row=2, values_only=True))
        about = next(summary.iter_rows(min_row=2, values_only=True))
    finally:
        book.close()
    assert [row[15] for row in rows] == ids_of(of)
    assert [row[2].date().isoformat() for row in rows] == days_of(of)
    assert [Decimal(str(row[4])) for row in rows] == [one.amount for one in payments_of(of)]
    assert (Decimal(str(about[8])), Decimal(str(about[11]))) == (of.opening, of.closing)


@given(of=hostile_statements(largest=10**9))
@each_example
def test_mt940_gives_its_payments_back_to_mt_940(of: Statement) -> None:
    content = written("mt940", of).decode("ascii")
    found = mt940.parse(content)
    assert isinstance(found, mt940.models.Transactions)
    read = [one.data for one in found if one.data.get("id")]
    assert [one["bank_reference"] for one in read] == ids_of(of)
    assert [one["date"].isoformat() for one in read] == days_of(of)
    assert [one["amount"].amount for one in read] == [one.amount for one in payments_of(of)]
    assert found.data["final_opening_balance"].amount.amount == of.opening
    assert found.data["final_closing_balance"].amount.amount == of.closing
    written_details = [line[4:] for line in content.split("\r\n") if line.startswith(":86:")]
    assert [one["transaction_details"] for one in read] == [each.strip() for each in written_details]


@given(of=hostile_statements())
@each_example
def test_ofx_gives_its_payments_back_to_ofxtools(reader: Callable[[str], Reader], of: Statement) -> None:
    (found,) = reader("ofx").read(written("ofx", of))
    assert [one[0] for one in found["payments"]] == ids_of(of)
    assert [one[1][:10] for one in found["payments"]] == days_of(of)
    assert [Decimal(one[2]) for one in found["payments"]] == [one.amount for one in payments_of(of)]
    assert (Decimal(found["opening"]), Decimal(found["closing"])) == (of.opening, of.closing)
    assert found["currency"] == of.account.currency


@given(of=hostile_statements())
@each_example
def test_qif_gives_its_payments_back_to_quiffen(reader: Callable[[str], Reader], of: Statement) -> None:
    accounts = reader("qif").read(written("qif", of))  # none where there is no payment
    read = [one for found in accounts for one in found["payments"]]
    assert [str(one[0]) for one in read] == ids_of(of)
    assert [one[1] for one in read] == days_of(of)
    assert [Decimal(one[2]) for one in read] == [one.amount for one in payments_of(of)]


@given(of=hostile_statements())
@each_example
def test_camt_satisfies_isos_schema_and_gives_its_payments_back_to_pycamt(
    reader: Callable[[str], Reader], of: Statement
) -> None:
    found = reader("camt").read(written("camt053", of))
    assert found["errors"] == []
    (about,) = found["statements"]
    assert (Decimal(about["OpeningBalance"]), Decimal(about["ClosingBalance"])) == (of.opening, of.closing)
    signed = [Decimal(one[2]) * (-1 if one[3] == "DBIT" else 1) for one in found["payments"]]
    assert [one[0] for one in found["payments"]] == ids_of(of)
    assert [one[1] for one in found["payments"]] == days_of(of)
    assert signed == [one.amount for one in payments_of(of)]
    assert about["IBAN"] == (of.account.iban if is_iban(of.account.iban) else None)


@given(of=hostile_statements())
@each_example
def test_beancount_accepts_the_ledger_and_its_balances(reader: Callable[[str], Reader], of: Statement) -> None:
    found = reader("beancount").read(whole_ledger("beancount", of))
    assert found["errors"] == []
    assert [one[0] for one in found["payments"]] == ids_of(of)
    assert [one[1] for one in found["payments"]] == days_of(of)
    assert [Decimal(one[2]) for one in found["payments"]] == [one.amount for one in payments_of(of)]
    # What is not verified is not asserted.
    expected = [of.opening, of.closing] if of.verified else [of.opening]
    assert [Decimal(one[2]) for one in found["balances"]] == expected
    texts = [[one[0] or "", one[1]] for one in found["texts"]]
    assert texts == [[plain(one.counterparty_name), plain(one.description)] for one in payments_of(of)]


@given(of=hostile_statements())
@settings(each_example, max_examples=25)
def test_hledger_accepts_the_journal_and_its_balances(hledger: Callable[..., str], of: Statement) -> None:
    journal = whole_ledger("hledger", of)
    hledger(journal, "check", "--strict")
    printed = hledger(journal, "print", "-O", "csv")
    rows = [row for row in csv.DictReader(io.StringIO(printed)) if row["account"].startswith("assets:bunq:")]
    payments = [row for row in rows if row["code"] and row["account"] != "assets:bunq:transfers"]
    assert [row["code"] for row in payments] == ids_of(of)
    assert [row["date"] for row in payments] == days_of(of)
    assert [Decimal(row["amount"]) for row in payments] == [one.amount for one in payments_of(of)]
    assert sum((Decimal(row["amount"]) for row in rows if row["account"] != "assets:bunq:transfers"), Decimal()) == (
        of.closing
    )


def test_a_wrong_closing_balance_is_not_asserted_but_told(
    reader: Callable[[str], Reader], hledger: Callable[..., str]
) -> None:
    broken = statement([entry(amount="10.00")], closing=Decimal("111.00"))
    ledger, journal = whole_ledger("beancount", broken), whole_ledger("hledger", broken)
    assert reader("beancount").read(ledger)["errors"] == []
    hledger(journal, "check", "--strict")
    assert b"NOT VERIFIED COMPLETE" in ledger
    assert b"NOT VERIFIED COMPLETE" in journal


def test_a_cent_off_is_noticed_by_beancount_and_by_hledger(
    reader: Callable[[str], Reader], hledger: Callable[..., str]
) -> None:
    right = statement([entry(amount="10.00")], closing=Decimal("110.00"))
    ledger = whole_ledger("beancount", right).replace(b"10.00 EUR", b"10.01 EUR").replace(b"110.01", b"110.00")
    assert any("Balance failed" in error for error in reader("beancount").read(ledger)["errors"])
    journal = whole_ledger("hledger", right).replace(b" 10.00 EUR", b" 10.01 EUR").replace(b"-10.00 EUR", b"-10.01 EUR")
    with pytest.raises(AssertionError, match="balance assertion"):
        hledger(journal, "check")


def test_a_transfer_to_an_own_account_is_neither_income_nor_expense(
    reader: Callable[[str], Reader], hledger: Callable[..., str]
) -> None:
    savings = account(name="Savings", iban="NL34BUNQ2034567891", monetary_account_id=10112)
    out = statement([entry(1, "-25.00", counterparty_iban=savings.iban, is_own_transfer=True)])
    into = statement([entry(2, "25.00", counterparty_iban=out.account.iban, is_own_transfer=True)], account=savings)
    for chosen in ([out, into], [out]):
        found = reader("beancount").read(whole_ledger("beancount", chosen))
        assert found["errors"] == []
        assert {one[3] for one in found["payments"]} == {"Assets:Bunq:Transfers"}
        assert "unsorted" not in hledger(whole_ledger("hledger", chosen), "balance")
    assert "transfers" not in hledger(whole_ledger("hledger", [out, into]), "balance"), "both halves make zero"


@pytest.mark.parametrize("name", ["mt940", "ofx", "camt053"])
def test_two_accounts_in_one_file_are_two_accounts(reader: Callable[[str], Reader], name: str) -> None:
    second = account(name="Savings", iban="NL34BUNQ2034567891", monetary_account_id=10112)
    content = written(
        name, [statement([entry(1, "1.00"), entry(2, "2.00")]), statement([entry(3, "-4.00")], account=second)]
    )
    if name == "mt940":
        read = mt940.parse(content.decode("ascii"))
        payments = [str(one.data["amount"].amount) for one in read]
    elif name == "camt053":
        found = reader("camt").read(content)
        assert len(found["statements"]) == 2
        payments = [("-" if one[3] == "DBIT" else "") + one[2] for one in found["payments"]]
    else:
        accounts = reader(name).read(content)
        assert len(accounts) == 2
        payments = [one[2] for found in accounts for one in found["payments"]]
    assert sorted(map(Decimal, payments)) == [Decimal("-4.00"), Decimal("1.00"), Decimal("2.00")]


def test_the_last_second_of_the_day_belongs_to_it_in_every_format(reader: Callable[[str], Reader]) -> None:
    late = entry(7, "5.00", "2026-10-25 22:59:59")  # the night in which summer time ended: 23:59:59 in Amsterdam
    of = statement([late])
    assert late.booked_at.astimezone(of.zone).time() == time(23, 59, 59)
    assert b"<DTPOSTED>20261025" in written("ofx", of)
    assert reader("camt").read(written("camt053", of))["payments"][0][1] == "2026-10-25"
    assert sum_of(payments_of(of)) == Decimal("5.00")
