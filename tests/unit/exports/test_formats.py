"""What is particular to each format; that foreign programs read them is tests/protocol/test_export_readers.py."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import unescape
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunqflask.exports import notes_csv, xlsx
from bunqflask.exports.camt053 import NAMESPACE
from bunqflask.exports.cards import foreign_amount
from bunqflask.exports.csv_file import COLUMNS
from bunqflask.exports.formats import FORMATS
from bunqflask.exports.ledger import account_part
from bunqflask.exports.statement import DoesNotFit, Entry, EntryNote, Statement
from tests.unit.exports.statements import (
    HOSTILE,
    OTHER_IBAN,
    account,
    entry,
    hostile_statements,
    instant,
    statement,
    texts,
    two_months,
    whole_ledger,
    written,
)

LONG = "x" * 9_000


def rows_of(of: Statement) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written("csv", of).decode("utf-8-sig"), newline="")))


def tags(content: bytes, tag: str) -> list[str | None]:
    """Return the texts of all elements of this name, whatever their namespace."""
    return [found.text for found in ElementTree.fromstring(content).findall(f".//{{*}}{tag}")]


def test_the_list_of_formats_names_each_once() -> None:
    assert list(FORMATS) == [
        "csv", "csv-comma", "bunq-csv", "bunq-csv-comma", "xlsx", "jsonl", "camt053", "mt940", "ofx", "qif", "hledger",
        "beancount", "notes",
    ]  # fmt: skip
    assert all(name == found.name for name, found in FORMATS.items())
    together = [(found.stem, found.extension) for found in FORMATS.values() if found.together]
    assert len(set(together)) == len(together)
    assert all(found.label and "/" in found.media_type for found in FORMATS.values())


# CSV


def test_csv_has_the_documented_columns_and_a_byte_order_mark() -> None:
    content = written("csv", statement([entry(5, "-12.34", "2026-10-25 00:30:15", balance_after=Decimal("87.66"))]))
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == 2
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert tuple(row) == COLUMNS
    assert list(row.values()) == [
        "2026-10-25", "02:30:15+02:00", "Europe/Amsterdam", "Main account", "NL12BUNQ2034567890", "10111", "5",
        "-12.34", "EUR", "87.66", "Baker", OTHER_IBAN, "Bread", "BUNQ", "PAYMENT", "no", "", "", "yes",
    ]  # fmt: skip


def test_csv_for_dutch_spreadsheets_has_semicolons_and_decimal_commas() -> None:
    of = statement([entry(5, "-1234.56", balance_after=Decimal("87.66"), is_own_transfer=True)])
    (row,) = csv.DictReader(io.StringIO(written("csv-comma", of).decode("utf-8-sig"), newline=""), delimiter=";")
    assert tuple(row) == COLUMNS
    assert (row["amount"], row["balance_after"], row["own_transfer"]) == ("-1234,56", "87,66", "yes")


CARD: dict[str, Any] = {"kind": "MASTERCARD", "counterparty_iban": None}


@pytest.mark.parametrize(
    ("amount", "description", "found"),
    [
        ("-17.38", "JOE PHILADELPHIA, US 20.00 USD, 1 USD = 0.86900 EUR", (Decimal("-20.00"), "USD")),
        ("10.63", "Shop London, GB 11.51 USD, 1 EUR = 1.0832 USD", (Decimal("11.51"), "USD")),
        ("-9.20", "Ramen TOKYO, JP 1500 JPY, 1 EUR = 163.04 JPY", (Decimal(-1500), "JPY")),
        ("-0.61", "Host TAURANGA SOUT, NZ\n1.00 NZD, 1 NZD = 0.61000 EUR", (Decimal("-1.00"), "NZD")),
        ("-886.38", "JOE PHILADELPHIA, US 1,020.00 USD, 1 USD = 0.86900 EUR", None),
        ("-886.38", "JOE PHILADELPHIA, US 1 020.00 USD, 1 USD = 0.86900 EUR", None),
        ("0.61", "Refund: Host (TAURANGA SOUT, NZ)\n1 NZD = 1.639344262295081 EUR", None),
        ("-9.20", "Shop 1500 JPY, 1 USD = 163.04 JPY", None),
        ("-9.20", "Shop Amsterdam, NL", None),
        ("-9.20", "9.20 EUR, 1 EUR = 1.00 EUR", None),
    ],
)
def test_a_card_payment_says_what_the_shop_charged(
    amount: str, description: str, found: tuple[Decimal, str] | None
) -> None:
    abroad = entry(1, amount, description=description, **CARD)
    assert foreign_amount(abroad) == found
    assert foreign_amount(replace(abroad, kind="EBA_SCT")) is None
    (row,) = rows_of(statement([abroad]))
    assert (row["foreign_amount"], row["foreign_currency"]) == ((f"{found[0]:.2f}", found[1]) if found else ("", ""))
    line = json.loads(written("jsonl", statement([abroad])).splitlines()[1])
    assert line["foreign_currency"] == (found[1] if found else None)
    assert (b"<InstdAmt><Amt Ccy=" in written("camt053", statement([abroad]))) is (found is not None)


# CSV as bunq writes it


@pytest.mark.parametrize(
    ("name", "separator", "amount"), [("bunq-csv", ",", "-12.34"), ("bunq-csv-comma", ";", "-12,34")]
)
def test_bunqs_csv_has_bunqs_columns(name: str, separator: str, amount: str) -> None:
    content = written(name, statement([entry(5, "-12.34", "2026-10-25 00:30:15")])).decode()
    head, row = content.splitlines()
    assert head == separator.join(
        ['"Date"', '"Interest Date"', '"Amount"', '"Account"', '"Counterparty"', '"Name"', '"Description"']
    )
    cells = ["2026-10-25", "2026-10-25", amount, "NL12BUNQ2034567890", OTHER_IBAN, "Baker", "Bread"]
    assert row == separator.join(f'"{cell}"' for cell in cells)


@given(texts)
def test_no_csv_cell_is_a_formula_or_has_a_line_break(text: str) -> None:
    of = statement(
        [entry(counterparty_name=text, counterparty_iban=text, description=text, kind=text, sub_kind=text)],
        account=account(name=text, iban=text),
    )
    (row,) = rows_of(of)
    assert not any(value[:1] in "=+-@＝＋－＠\t\r" for value in row.values() if value and set(value) != {"-"})
    assert not any(set(value) & set("\r\n\t\0") for value in row.values())


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.extension == "csv"])
@given(text=st.one_of(texts, st.text(alphabet=";|,\t\n\r \"'=+-@a1")))
def test_no_program_finds_a_formula_whatever_separator_it_takes(name: str, text: str) -> None:
    of = statement(
        [
            entry(
                amount="-7.25", counterparty_name=text, counterparty_iban=text, description=text, kind=text,
                notes=(EntryNote(created_at=None, author=text, text=text, files=0),),
            )
        ],
        account=account(name=text, iban=text),
    )  # fmt: skip
    content = written(name, of).decode("utf-8-sig")
    for separator in ",;|\t":
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
            for cell in row:
                read = cell.strip(' "')
                # Our own amounts begin with a minus, and are numbers; hyphens alone are no formula.
                is_harmless = read in ("-7.25", "-7,25", "-7") or set(read) == {"-"}
                assert not read.startswith(tuple("=+-@＝＋－＠")) or is_harmless, (separator, cell)


def test_csv_takes_several_accounts_below_one_head() -> None:
    other = statement([entry(2)], account=account(monetary_account_id=10112))
    lines = written("csv", [statement([entry(1)]), other]).decode("utf-8-sig").splitlines()
    assert [line.split(",")[5] for line in lines] == ["account_id", "10111", "10112"]


def test_notes_have_a_row_each_with_the_payment_they_are_on() -> None:
    at = instant("2026-10-25 22:15")
    noted = entry(
        7,
        "-12.34",
        "2026-10-25 00:30:15",
        notes=(
            EntryNote(created_at=at, author="Jodi Walker", text="Receipt\nfollows", files=0),
            EntryNote(created_at=None, author="", text="", files=2),
        ),
    )
    content = written("notes", statement([entry(6), noted, entry(8)]))
    first, second = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert tuple(first) == notes_csv.COLUMNS
    assert list(first.values()) == [
        "2026-10-25", "Europe/Amsterdam", "Main account", "NL12BUNQ2034567890", "10111", "7", "-12.34", "EUR", "Baker",
        "Bread", "2026-10-25T23:15:00+01:00", "Jodi Walker", "Receipt follows", "0",
    ]  # fmt: skip
    assert [second[name] for name in ("payment_id", "note_time", "note", "files")] == ["7", "", "", "2"]


# XLSX


def test_xlsx_has_real_dates_exact_numbers_and_no_formula() -> None:
    of = statement([entry(1, "-1234.56", "2026-10-25 00:30:15", description="=1+1", counterparty_name="http://x.y")])
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)))
    sheet = book["Main account"]
    day, clock, amount = (sheet.cell(2, column) for column in (3, 4, 5))
    assert (day.value.date(), day.number_format) == (date(2026, 10, 25), "yyyy-mm-dd")
    assert clock.value.isoformat() == "02:30:15"
    assert (amount.value, amount.data_type, amount.number_format) == (-1234.56, "n", "#,##0.00")
    assert (sheet.cell(2, 10).value, sheet.cell(2, 10).data_type) == ("=1+1", "s")
    assert sheet.cell(2, 8).hyperlink is None
    assert sheet.cell(1, 4).value == "Time in Europe/Amsterdam"


def test_xlsx_writes_what_excel_would_round_as_text() -> None:
    of = statement([entry(1, "99999999999999.99")], opening=Decimal("0.00"))
    sheet = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)))["Main account"]
    assert sheet.cell(2, 5).value == "99999999999999.99"


@pytest.mark.parametrize(
    ("currency", "amount", "number_format"),
    [("EUR", "5", "#,##0.00"), ("JPY", "150000", "#,##0"), ("JPY", "0.5", "#,##0.00"), ("KWD", "1.234", "#,##0.000"),
     ("EUR", "1.2345", "#,##0.0000")],
)  # fmt: skip
def test_xlsx_shows_the_decimals_of_the_currency(currency: str, amount: str, number_format: str) -> None:
    of = statement([entry(1, amount, currency=currency)], account=account(currency=currency))
    cell = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)))["Main account"].cell(2, 5)
    assert (Decimal(str(cell.value)), cell.number_format) == (Decimal(amount), number_format)


def test_xlsx_has_one_sheet_of_all_payments_by_time_and_the_iban_on_each() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", two_months()[::2])))
    assert book.sheetnames == ["Summary", "All payments", "Main account", "Savings"]
    everything = list(book["All payments"].iter_rows(min_row=2, values_only=True))
    assert [row[15] for row in everything] == [*map(str, range(1, 12)), "20", "21"]
    for name in book.sheetnames[2:]:
        rows = list(book[name].iter_rows(min_row=2, values_only=True))
        assert rows == [row for row in everything if row[0] == name]
        assert {row[1] for row in rows} == {
            row[1] for row in book["Summary"].iter_rows(values_only=True) if row[0] == name
        }
    assert [row[12] for row in everything[-2:]] == ["yes", "yes"]


def test_xlsx_tells_two_accounts_of_one_name_and_without_an_iban_apart() -> None:
    twins = [
        statement([entry(1)], account=account(name="Main", iban=None)),
        statement([], account=account(name="Main", iban=None, monetary_account_id=10112)),
    ]
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", twins)))
    about = list(book["Summary"].iter_rows(min_row=2, values_only=True))
    assert [row[15:] for row in about] == [("10111", "Main"), ("10112", "Main (2)")]
    assert book.sheetnames == ["Summary", "All payments", "Main", "Main (2)"]
    assert [cell.value for cell in book["All payments"]["Q"]] == ["Account number", "10111"]


@given(texts)
@settings(max_examples=60)
def test_any_name_makes_a_sheet_that_excel_takes(text: str) -> None:
    twins = [
        statement([], account=account(name=text, monetary_account_id=1)),
        statement([], account=account(name=text.upper(), monetary_account_id=2)),
        statement([], account=account(name="history", monetary_account_id=3)),
    ]
    titles = openpyxl.load_workbook(io.BytesIO(written("xlsx", twins))).sheetnames
    assert len({title.casefold() for title in titles}) == 5
    for title in titles:
        assert 0 < len(title.encode("utf-16-le")) <= 62
        assert not set(title) & set("[]:*?/\\")
        assert title.strip("'") == title
        assert title.casefold() != "history"


def test_xlsx_goes_on_with_a_second_sheet_when_one_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS_OF_A_SHEET", 3)
    of = statement([entry(number, "1.00") for number in range(5)])
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)))
    assert book.sheetnames == ["Summary", "Main account", "Main account (2)", "Main account (3)"]
    assert [sheet.max_row - 1 for sheet in book.worksheets[1:]] == [2, 2, 1]


def test_the_summary_says_that_a_period_is_not_verified() -> None:
    of = statement([entry()], verified=False, notice="A gap.", zone=ZoneInfo("Asia/Kolkata"))
    (row,) = openpyxl.load_workbook(io.BytesIO(written("xlsx", of)))["Summary"].iter_rows(min_row=2, values_only=True)
    assert row[7] == "Asia/Kolkata"
    assert row[13:15] == ("no", "NOT VERIFIED COMPLETE. A gap.")


# JSON Lines


@pytest.mark.parametrize("text", HOSTILE)
def test_json_lines_are_one_object_each_however_lines_are_split(text: str) -> None:
    content = written("jsonl", statement([entry(counterparty_name=text, description=text)])).decode()
    assert len(content.splitlines()) == len(content.rstrip("\n").split("\n")) == 2
    payment = json.loads(content.splitlines()[1])
    assert payment["description"] == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert payment["amount"] == "10.00"


# CAMT.053


def test_camt_says_who_paid_whom() -> None:
    of = statement([entry(1, "10.00"), entry(2, "-3.00", counterparty_name="Shop", counterparty_iban="<no IBAN>")])
    content = written("camt053", of)
    assert tags(content, "CdtDbtInd")[3:] == ["CRDT", "DBIT"]
    root = ElementTree.fromstring(content)
    name = {"c": NAMESPACE}
    assert [found.text for found in root.iterfind(".//c:Dbtr/c:Nm", name)] == ["Baker"]
    assert [found.text for found in root.iterfind(".//c:DbtrAcct/c:Id/c:IBAN", name)] == [OTHER_IBAN]
    assert [found.text for found in root.iterfind(".//c:Cdtr/c:Nm", name)] == ["Shop"]
    assert [found.text for found in root.iterfind(".//c:CdtrAcct/c:Id/c:Othr/c:Id", name)] == ["<no IBAN>"]


def test_camt_cuts_a_long_description_at_spaces_and_loses_nothing() -> None:
    words = "word " * 1_799 + "end"
    pieces = tags(written("camt053", statement([entry(description=words)])), "Ustrd")
    assert " ".join(piece or "" for piece in pieces) == words
    assert all(piece and len(piece) <= 140 and piece == piece.strip() for piece in pieces)


def test_camt_writes_no_reference_that_bunq_does_not_give() -> None:
    content = written("camt053", statement([entry(7)]))
    assert tags(content, "EndToEndId") == []
    assert tags(content, "AcctSvcrRef") == ["7", "7"]


@pytest.mark.parametrize(
    ("kind", "sub_kind", "amount", "codes"),
    [
        ("BUNQ", "PAYMENT", "1", ("PMNT", "RCDT", "BOOK")),
        ("EBA_SCT", "SCT", "-1", ("PMNT", "ICDT", "ESCT")),
        ("EBA_SDD", "SDD", "-1", ("PMNT", "RDDT", "ESDD")),
        ("EBA_SDD", "REVERSAL", "1", ("PMNT", "RDDT", "PRDD")),
        ("EBA_SDD", "SDD", "1", ("PMNT", "IDDT", "ESDD")),
        ("MASTERCARD", "PAYMENT", "-1", ("PMNT", "CCRD", "POSD")),
        ("MASTERCARD", "REVERSAL", "1", ("PMNT", "CCRD", "RIMB")),
        ("MAESTRO", "WITHDRAWAL", "-1", ("PMNT", "CCRD", "CWDL")),
        ("INTEREST", "PAYMENT", "1", ("ACMT", "MCOP", "INTR")),
        ("INTEREST", "PAYMENT", "-1", ("ACMT", "MDOP", "INTR")),
        ("new", "thing", "-1", ("PMNT", "ICDT", "ESCT")),
    ],
)
def test_camt_names_what_happened_in_isos_codes(kind: str, sub_kind: str, amount: str, codes: tuple[str, ...]) -> None:
    content = written("camt053", statement([entry(1, amount, kind=kind, sub_kind=sub_kind)])).decode()
    domain, family, sub_family = codes
    assert f"<Domn><Cd>{domain}</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{sub_family}</SubFmlyCd>" in content
    assert f"<Cd>{kind}/{sub_kind}</Cd><Issr>bunq</Issr>" in content


def test_camt_gives_a_foreign_account_no_bic_of_bunq() -> None:
    assert b"BUNQNL2A" in written("camt053", statement())
    assert b"BUNQNL2A" not in written("camt053", statement(account=account(iban=OTHER_IBAN)))


def test_camt_refuses_what_it_would_have_to_round() -> None:
    with pytest.raises(DoesNotFit):
        written("camt053", statement([entry(1, "0.0000001")]))
    with pytest.raises(DoesNotFit):
        written("camt053", [])


# MT940


def lines_of(of: Statement) -> list[str]:
    return written("mt940", of).decode("ascii").split("\r\n")


def test_mt940_is_what_bunq_sends_in_an_envelope() -> None:
    assert lines_of(
        statement([entry(1000, "-12.95", "2026-10-31 22:30", description="Factuur 2026/05 RI_8 * # = x")])
    ) == [
        "{1:F01BUNQNL2AXXXX0000000000}{2:I940BUNQNL2AXXXXN}{4:",
        ":20:BUNQ BV",
        ":25:NL12BUNQ2034567890 EUR",
        ":28C:26304/1",
        ":60F:C261001EUR100,00",
        ":61:2610311031D12,95NTRFNONREF//1000",
        ":86:/IBAN/NL02ABNA0123456789/NAME/Baker/REMI/Factuur 2026/05 RI_8 * # = x",
        ":62F:C261031EUR87,05",
        "-}",
        "",
    ]


def test_mt940_says_that_a_period_is_not_verified() -> None:
    assert lines_of(statement(verified=False))[1] == ":20:NOTVERIFIED"


def test_mt940_cuts_no_word_of_a_long_text() -> None:
    details = lines_of(statement([entry(description="contributie " * 60)]))[6]
    assert details.endswith("/REMI/" + "contributie " * 28 + "contributie")
    assert len(details) <= len(":86:") + 390


@given(hostile_statements(largest=10**9))
@settings(max_examples=60)
def test_no_text_can_forge_a_field_or_a_codeword_of_mt940(of: Statement) -> None:
    lines = lines_of(of)
    entries = list(of.entries())
    assert sum(line.startswith(":") for line in lines) == 5 + 2 * len(entries)
    assert [line for line in lines if line.startswith("-")] == ["-}"]
    assert not set("{}@") & set("".join(lines[1:-2]))
    details = [line.removeprefix(":86:") for line in lines if line.startswith(":86:")]
    for of_bank, text in zip(entries, details, strict=True):
        assert len(text) <= 390
        words = re.findall("/(IBAN|NAME|EREF|REMI)(?=/)", text)
        assert len(words) == len(set(words))
        assert ("IBAN" in words) <= bool(of_bank.counterparty_iban)
        assert "REMI" in words


@pytest.mark.parametrize("text", ["IBAN", "NAME", "/NAME/Evil/IBAN/NL00", "IBAN/NL00EVIL", "/IBAN//IBAN/x"])
def test_a_text_that_looks_like_a_codeword_is_none(text: str) -> None:
    lines = lines_of(statement([entry(counterparty_name=text, counterparty_iban=None, description=text)]))
    assert "/IBAN/" not in "".join(lines)
    assert "".join(lines).count("/NAME/") == 1


@pytest.mark.parametrize(
    ("amount", "spelled"),
    [("0.01", "C0,01"), ("-999999999999.99", "D999999999999,99"), ("1000000000000", "C1000000000000,")],
)
def test_mt940_writes_amounts_of_at_most_fifteen_characters(amount: str, spelled: str) -> None:
    of = statement([entry(1, amount)], opening=Decimal("0.00"), closing=Decimal("0.00"))
    assert f"1015{spelled}N" in lines_of(of)[5]


def test_mt940_refuses_an_amount_it_has_no_room_for() -> None:
    with pytest.raises(DoesNotFit, match="15 characters"):
        written("mt940", statement([entry(1, "1000000000000.01")]))


# OFX


def of_ofx(of: Statement, tag: str) -> list[str]:
    """Return the texts of all elements of this name."""
    return [unescape(text) for text in re.findall(f"<{tag}>(.*?)</{tag}>", written("ofx", of).decode())]


def test_ofx_says_that_it_is_utf_8_and_whose() -> None:
    head, _, body = written("ofx", statement([entry(description="Zoë 🎉")])).decode().partition("\n\n")
    assert {"OFXHEADER:100", "VERSION:102", "ENCODING:UTF-8", "CHARSET:NONE"} <= set(head.splitlines())
    assert "<FI><ORG>bunq</ORG><FID>BUNQNL2A</FID></FI>" in body
    assert "Zoë 🎉" in body


def test_ofx_says_where_a_name_was_cut_and_keeps_its_limits() -> None:
    name = "A very long name of a counterparty that goes on"
    of = statement([entry(7, counterparty_name=name, description=LONG)])
    assert of_ofx(of, "NAME")[0] == "A very long name of a"
    (memo,) = of_ofx(of, "MEMO")
    assert memo == f"{name} {OTHER_IBAN}"
    assert of_ofx(of, "FITID") == ["7"]


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"])
def test_ofx_gives_local_days_without_a_time(zone: str) -> None:
    moment = datetime(2026, 10, 15, 0, 30, tzinfo=ZoneInfo(zone))
    of = statement([replace(entry(1), booked_at=moment.astimezone(UTC))], zone=ZoneInfo(zone))
    assert of_ofx(of, "DTPOSTED") == ["20261015"]
    assert of_ofx(of, "DTSTART") + of_ofx(of, "DTEND") == ["20261001", "20261031"]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"amount": "1"}, "CREDIT"),
        ({"amount": "-1"}, "DEBIT"),
        ({"amount": "-1", "kind": "MASTERCARD"}, "POS"),
        ({"amount": "-1", "sub_kind": "WITHDRAWAL"}, "ATM"),
        ({"amount": "-1", "kind": "EBA_SDD"}, "DIRECTDEBIT"),
        ({"amount": "1", "kind": "INTEREST"}, "INT"),
    ],
)
def test_ofx_names_the_kind_of_a_payment(changed: dict[str, str], kind: str) -> None:
    assert of_ofx(statement([entry(1, **changed)]), "TRNTYPE") == [kind]


# QIF


def test_qif_has_one_line_per_field_whatever_the_texts_hold() -> None:
    of = statement([entry(1, "-1.00", counterparty_name="^\n!Type:Cash", description="a\r\nT99")])
    assert written("qif", of).decode().splitlines() == [
        "!Type:Bank", "D10/15/2026", "T-1.00", "N1", "P^ !Type:Cash", f"Ma T99 {OTHER_IBAN}", "^",
    ]  # fmt: skip


def test_qif_leaves_out_what_is_empty() -> None:
    bare = entry(1, "-1.00", counterparty_name="", counterparty_iban=None, description="")
    assert written("qif", statement([bare])).decode().splitlines() == ["!Type:Bank", "D10/15/2026", "T-1.00", "N1", "^"]


def test_qif_takes_one_account_as_its_payments_name_none() -> None:
    with pytest.raises(DoesNotFit, match="one account"):
        written("qif", [statement(), statement(account=account(monetary_account_id=10112))])


# hledger and Beancount


@given(texts)
def test_any_name_makes_a_ledger_account(text: str) -> None:
    assert re.fullmatch("[A-Z0-9][A-Za-z0-9]*(-[A-Za-z0-9]+)*-10111", account_part(account(name=text)))


@pytest.mark.parametrize(
    ("name", "part"),
    [("Main account", "Main-account-10111"), ("vakantie ☀️", "Vakantie-10111"), ("🦄", "Account-10111"),
     ("a:b;c", "A-b-c-10111"), ("", "Account-10111")],
)  # fmt: skip
def test_ledger_accounts_are_named_after_the_account(name: str, part: str) -> None:
    assert account_part(account(name=name)) == part


def test_hledger_reads_no_tag_and_no_comment_out_of_a_text() -> None:
    content = written("hledger", statement([entry(1, description="x ; date:2020-01-01 | y")])).decode()
    assert "2026-10-15 * (1) Baker | x , date:2020-01-01 / y\n" in content


def test_hledger_without_an_opening_balance_asserts_nothing() -> None:
    content = whole_ledger("hledger", statement([entry(1)], opening=None)).decode()
    assert "opening balance" not in content.replace("equity:opening balances", "")
    assert "No balance is asserted" in content


@pytest.mark.parametrize("write", [found.write for found in FORMATS.values()], ids=list(FORMATS))
def test_entries_are_asked_for_at_most_twice(write: Callable[[Statement, io.BytesIO], None]) -> None:
    calls: list[int] = []

    def entries() -> Iterator[Entry]:
        calls.append(1)
        return iter([entry(1)])

    write(replace(statement(), entries=entries), io.BytesIO())
    assert 1 <= len(calls) <= 2
