"""What a bank rarely says, and may: amounts of nothing or of many decimals, other currencies, no balances, twins."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import mt940
import openpyxl
import pytest

from bunqflask.exports.statement import Entry, Statement
from bunqflask.exports.text import cut, plain
from tests.support.readers import Reader
from tests.unit.exports.statements import HOSTILE, account, entry, statement, sum_of, whole_ledger, written

AMOUNTS = {"EUR": ["0.00", "-0.01", "12.3456", "-7"], "JPY": ["0", "-1", "150000"], "KWD": ["1.234", "-0.005"]}
TWIN = account(monetary_account_id=10112, iban="NL34BUNQ2034567891")


def of_currency(currency: str) -> Statement:
    entries = [entry(place, amount, currency=currency) for place, amount in enumerate(AMOUNTS[currency], start=1)]
    opening = Decimal("100")
    return statement(entries, account=account(currency=currency), opening=opening, closing=opening + sum_of(entries))


def unknown(entries: Sequence[Entry] = (entry(1, "10.00"), entry(2, "-4.00")), **changed: Any) -> Statement:
    return statement(entries, opening=None, closing=None, **changed)


def of_mt940(content: bytes) -> list[Decimal]:
    return [one.data["amount"].amount for one in mt940.parse(content.decode("ascii")) if one.data.get("id")]


@pytest.mark.parametrize("currency", AMOUNTS)
def test_every_reader_gets_the_exact_amounts_of_every_currency(
    reader: Callable[[str], Reader], hledger: Callable[..., str], currency: str
) -> None:
    of = of_currency(currency)
    amounts = [Decimal(amount) for amount in AMOUNTS[currency]]
    assert of_mt940(written("mt940", of)) == amounts
    (ofx,) = reader("ofx").read(written("ofx", of))
    assert [Decimal(one[2]) for one in ofx["payments"]] == amounts
    (qif,) = reader("qif").read(written("qif", of))
    assert [Decimal(one[2]) for one in qif["payments"]] == amounts
    camt = reader("camt").read(written("camt053", of))
    assert camt["errors"] == []
    assert [Decimal(one[2]) for one in camt["payments"]] == list(map(abs, amounts))
    beancount = reader("beancount").read(whole_ledger("beancount", of))
    assert beancount["errors"] == []
    assert [Decimal(one[2]) for one in beancount["payments"]] == amounts
    sheet = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)))["Main account"]
    assert [Decimal(str(cell.value)) for cell in sheet["E"][1:]] == amounts
    journal = whole_ledger("hledger", of)
    hledger(journal, "check", "--strict")
    rows = csv.DictReader(io.StringIO(hledger(journal, "print", "-O", "csv")))
    of_account = [row for row in rows if row["code"] and row["account"].startswith("assets:bunq:")]
    assert [Decimal(row["amount"]) for row in of_account] == amounts
    if currency == "KWD":
        assert "101.229 KWD" in hledger(journal, "balance", "assets:bunq")


def test_accounts_of_several_currencies_share_one_file(
    reader: Callable[[str], Reader], hledger: Callable[..., str]
) -> None:
    euros = statement([entry(1, "-10.00", counterparty_iban=TWIN.iban, is_own_transfer=True)])
    dinars = statement(
        [entry(2, "3.321", currency="KWD", counterparty_iban=account().iban, is_own_transfer=True)],
        account=replace(TWIN, currency="KWD"),
    )
    both = [euros, dinars]
    ledger = reader("beancount").read(whole_ledger("beancount", both))
    assert ledger["errors"] == []
    assert [one[3] for one in ledger["payments"]] == ["Assets:Bunq:Transfers"] * 2
    journal = whole_ledger("hledger", both)
    hledger(journal, "check", "--strict")
    assert "10.00 EUR" in hledger(journal, "balance", "transfers")
    assert "-3.321 KWD" in hledger(journal, "balance", "transfers")
    assert [found["currency"] for found in reader("ofx").read(written("ofx", both))] == ["EUR", "KWD"]
    assert reader("camt").read(written("camt053", both))["errors"] == []


def test_hostile_texts_come_back_whole(reader: Callable[[str], Reader], hledger: Callable[..., str]) -> None:
    marks = ("(x) y", "* y", "! y", "= 5", "@ 3 EUR", "~ monthly", "{x}", "[2026-01-01]")
    bare: dict[str, Any] = {"counterparty_name": "", "counterparty_iban": None}
    described = [entry(place, "1.00", description=text, **bare) for place, text in enumerate((*HOSTILE, *marks))]
    of = statement(described)
    texts = [plain(one.description) for one in described]
    assert [text or "" for text in reader("qif").read(written("qif", of))[0]["texts"]] == texts
    memos = reader("ofx").read(written("ofx", of))[0]["texts"]
    assert [text or "" for text in memos] == [cut(text, 255) for text in texts]
    rows = csv.DictReader(io.StringIO(hledger(whole_ledger("hledger", of), "print", "-O", "csv")))
    read = [row["description"] for row in rows if row["code"] and row["account"].startswith("assets:bunq:")]
    assert read == [text.replace(";", ",").replace("|", "/") for text in texts]


def test_programs_that_assert_balances_assert_none_that_the_bank_did_not_give(
    reader: Callable[[str], Reader], hledger: Callable[..., str]
) -> None:
    for of in (unknown(), unknown([])):
        ledger = reader("beancount").read(whole_ledger("beancount", of))
        assert (ledger["errors"], ledger["balances"]) == ([], [])
        journal = whole_ledger("hledger", of)
        hledger(journal, "check", "--strict")
        assert "equity" not in hledger(journal, "balance")


def test_a_balance_after_any_payment_is_enough_for_both_ledgers(
    reader: Callable[[str], Reader], hledger: Callable[..., str]
) -> None:
    of = unknown([entry(1, "10.00"), entry(2, "-4.00", balance_after=Decimal("56.00")), entry(3, "1.00")])
    ledger = reader("beancount").read(whole_ledger("beancount", of))
    assert ledger["errors"] == []
    assert [one[2] for one in ledger["balances"]] == ["50.00", "57.00"]
    journal = whole_ledger("hledger", of)
    hledger(journal, "check", "--strict")
    assert hledger(journal, "balance", "assets:bunq").split()[0] == "57.00"


def test_readers_take_the_files_of_a_period_without_known_balances(reader: Callable[[str], Reader]) -> None:
    for of, closing in ((unknown(), Decimal("6.00")), (unknown([]), Decimal())):
        assert mt940.parse(written("mt940", of).decode("ascii")).data["final_closing_balance"].amount.amount == closing
        camt = reader("camt").read(written("camt053", of))
        assert camt["errors"] == []
        assert Decimal(camt["statements"][0]["ClosingBalance"]) == closing
        (ofx,) = reader("ofx").read(written("ofx", of))
        assert Decimal(ofx["closing"]) == closing


@pytest.mark.parametrize("name", ["ofx", "camt053", "mt940"])
def test_a_blank_iban_leaves_the_account_with_bunqs_number(reader: Callable[[str], Reader], name: str) -> None:
    content = written(name, statement([entry(1)], account=account(iban=" ")))
    if name == "ofx":
        assert reader("ofx").read(content)[0]["account"] == "10111"
    elif name == "camt053":
        assert reader("camt").read(content)["errors"] == []
        assert b"<Acct><Id><Othr><Id>10111</Id></Othr></Id>" in content
    else:
        assert mt940.parse(content.decode("ascii")).data["account_identification"] == "10111 EUR"
