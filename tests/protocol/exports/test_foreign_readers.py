"""Two months of two accounts with odd texts, read back by the programs that people import bank files with."""

import io
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import mt940
import openpyxl
import pytest

from bunqflask.exports.pack import write_files
from bunqflask.exports.statement import Statement
from bunqflask.exports.text import plain
from tests.support.readers import Reader, output_of, program
from tests.unit.exports.statements import ABROAD, OTHER_IBAN, entry, statement, two_months, written

MONTHS = two_months()


def payments(of: list[Statement]) -> list[tuple[str, str, Decimal]]:
    """Return id, day and amount of each payment."""
    return [
        (str(one.payment_id), one.booked_at.astimezone(each.zone).date().isoformat(), one.amount)
        for each in of
        for one in each.entries()
    ]


def details(content: bytes) -> list[str]:
    """Return what stands in each field 86."""
    return re.findall(r"^:86:(.*?)\r$", content.decode("ascii"), flags=re.MULTILINE)


# MT940


@pytest.fixture(scope="module")
def sta() -> bytes:
    return written("mt940", MONTHS)


def test_mt_940_reads_every_statement_whole(sta: bytes) -> None:
    for each in MONTHS:
        found = mt940.parse(written("mt940", each).decode("ascii"))
        read = [one.data for one in found if one.data.get("id")]
        assert [(one["bank_reference"], one["date"].isoformat(), one["amount"].amount) for one in read] == payments(
            [each]
        )
        assert [one["transaction_details"] for one in read] == details(written("mt940", each))
        assert found.data["final_opening_balance"].amount.amount == each.opening
        assert found.data["final_closing_balance"].amount.amount == each.closing
    assert len(mt940.parse(sta.decode("ascii"))) == len(payments(MONTHS))


@pytest.mark.parametrize("name", ["mt940js", "mt940-js"])
def test_the_readers_of_npm_read_every_statement_whole(reader: Callable[[str], Reader], sta: bytes, name: str) -> None:
    found = reader("mt940").read(sta)[name]
    assert [one["account"] for one in found] == [f"{each.account.iban} EUR" for each in MONTHS]
    assert [Decimal(str(one["opening"])) for one in found] == [each.opening for each in MONTHS]
    assert [Decimal(str(one["closing"])) for one in found] == [each.closing for each in MONTHS]
    read = [each for one in found for each in one["payments"]]
    assert [(day, Decimal(str(amount))) for _, day, amount, _ in read] == [each[1:] for each in payments(MONTHS)]
    assert [text for *_, text in read] == details(sta)
    if name == "mt940js":
        assert [number for number, *_ in read] == [number for number, *_ in payments(MONTHS)]


@pytest.fixture(scope="module")
def aqbanking(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], list[list[str]]]:
    """Import a file with AqBanking, as GnuCash and KMyMoney do, and return day, amount, account and text of each."""
    place = tmp_path_factory.mktemp("aqbanking")

    def read(content: bytes) -> list[list[str]]:
        (place / "in.sta").write_bytes(content)
        (place / "context").unlink(missing_ok=True)
        start = [program("aqbanking-cli", "aqbanking-tools"), "--noninteractive"]
        choice = ["--importer=swift", "--profile=SWIFT-MT940", "-c", str(place / "context")]
        output_of([*start, "import", *choice, f"--infile={place / 'in.sta'}"], HOME=str(place))
        listed = output_of([*start, "listtrans", "-c", str(place / "context")], HOME=str(place))
        return [[cell for cell in line.split("\t") if cell] for line in listed.splitlines()]

    return read


def test_aqbanking_reads_every_statement_whole(aqbanking: Callable[[bytes], list[list[str]]], sta: bytes) -> None:
    read = aqbanking(sta)
    days = ["-".join(reversed(each[0].split("."))) for each in read]
    assert sorted((day, Decimal(each[1])) for day, each in zip(days, read, strict=True)) == sorted(
        each[1:] for each in payments(MONTHS)
    )
    assert sorted(each[3] for each in read) == sorted(details(sta))
    assert {each[2] for each in read} == {f"{each.account.iban} EUR" for each in MONTHS}


# OFX


@pytest.fixture(scope="module")
def ofx() -> bytes:
    return written("ofx", MONTHS)


def test_ofxparse_and_ledger_autosync_read_every_statement_whole(reader: Callable[[str], Reader], ofx: bytes) -> None:
    found = reader("ofxparse").read(ofx)
    assert [one["account"] for one in found] == [each.account.iban for each in MONTHS]
    assert {one["bank"] for one in found} == {"bunq"}
    assert [Decimal(one["closing"]) for one in found] == [each.closing for each in MONTHS]
    read = [each for one in found for each in one["payments"]]
    assert [(number, day, Decimal(amount)) for number, day, amount, *_ in read] == payments(MONTHS)
    whole = " ".join(f"{name} {memo}" for *_, name, memo in read)
    assert all(text in whole for text in ("Zoë 🎉", "Feest 🥳 €12,50 – “dank je”", "نور الهدى", "東京ストア", "Łódź"))
    journal = "".join(each for one in found for each in one["autosync"])
    assert all(f"ofxid: BUNQNL2A.{MONTHS[0].account.iban}.{one.payment_id}\n" in journal for one in MONTHS[0].entries())


def test_ofxtools_reads_texts_and_balances(reader: Callable[[str], Reader], ofx: bytes) -> None:
    found = reader("ofx").read(ofx)
    assert [Decimal(one["opening"]) for one in found] == [each.opening for each in MONTHS]
    assert [Decimal(one["closing"]) for one in found] == [each.closing for each in MONTHS]
    memos = [text for one in found for text in one["texts"]]
    assert f"{OTHER_IBAN} Feest 🥳 €12,50 – “dank je”" in memos
    assert any(memo.endswith((" jaar 2026 lid", " 12345")) for memo in memos if "RF18" in memo)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland"])
def test_libofx_books_each_payment_on_its_day_in_every_time_zone(tmp_path: Path, ofx: bytes, zone: str) -> None:
    (tmp_path / "all.ofx").write_bytes(ofx)
    # Its status is 1 whatever it read.
    printed = output_of([program("ofxdump", "ofx"), str(tmp_path / "all.ofx")], status=1, TZ=zone)
    days = [f"{year}-{month}-{int(day):02}" for month, day, year in re.findall(
        r"Date posted: \w+ (\w+) +(\d+) [\d:]+ (\d+)", printed)]  # fmt: skip
    months = {"10": "Oct", "11": "Nov"}
    assert days == [f"{day[:4]}-{months[day[5:7]]}-{day[8:]}" for _, day, _ in payments(MONTHS)]
    assert "Feest 🥳 €12,50 – “dank je”" in printed
    assert [Decimal(each) for each in re.findall(r"Total money amount: (\S+)", printed)] == [
        amount for *_, amount in payments(MONTHS)
    ]


# CSV, opened where people write 1,50 and where they write 1.50


@pytest.mark.parametrize(
    ("name", "how"), [("csv", "44,34,76,1,,1033"), ("csv-comma", "59,34,76,1,,1043"),
                      ("bunq-csv", "44,34,76,1,,1033"), ("bunq-csv-comma", "59,34,76,1,,1043")],
)  # fmt: skip
def test_libreoffice_takes_amounts_for_numbers_and_days_for_dates(tmp_path: Path, name: str, how: str) -> None:
    """`how` is separator, quote, UTF-8, first line, all columns as they come, and the language of the spreadsheet."""
    (tmp_path / "payments.csv").write_bytes(written(name, MONTHS))
    output_of(
        [
            *(program("soffice", "libreoffice-calc-nogui"), f"-env:UserInstallation=file://{tmp_path}/profile"),
            *("--headless", f"--infilter=CSV:{how},false,true", "--convert-to", "xlsx"),
            *("--outdir", str(tmp_path / "read"), str(tmp_path / "payments.csv")),
        ]
    )
    head, *rows = openpyxl.load_workbook(tmp_path / "read" / "payments.xlsx").worksheets[0].values
    found = [dict(zip([str(each).casefold() for each in head], row, strict=True)) for row in rows]
    assert all(isinstance(row["amount"], int | float) for row in found)
    read = [(f"{row['date']:%Y-%m-%d}", Decimal(str(row["amount"]))) for row in found]
    assert read == [each[1:] for each in payments(MONTHS)]


# hledger, ledger and Beancount: months in every way in which people combine them


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Return a folder with the files of both months in both formats, as two downloads leave them."""
    for of in (MONTHS[::2], MONTHS[1::2]):
        for name in ("hledger", "beancount"):
            stream = io.BytesIO()
            write_files(of, [name], stream)
            zipfile.ZipFile(stream).extractall(tmp_path)
    return tmp_path


ENDS = [("Main-account-10111", MONTHS[1].closing), ("Savings-10112", MONTHS[3].closing)]
OCTOBER, NOVEMBER = "20261001-20261031", "20261101-20261130"


def balances(printed: str) -> list[tuple[str, Decimal]]:
    """Return account and amount of each line of a balance report that names one of our accounts."""
    found = re.findall(r"(-?[\d.]+) EUR +(?:assets:bunq:)?(\S+-\d{5})", printed)
    return [(name, Decimal(amount)) for amount, name in found]


def journal_commands(books: Path) -> dict[str, list[str]]:
    first, second = books / f"ledger-{OCTOBER}.journal", books / f"payments-{NOVEMBER}.journal"
    main = books / "main.journal"
    main.write_text(f"include {first.name}\ninclude {second.name}\n")
    joined = books / "joined.journal"
    joined.write_text(first.read_text() + second.read_text())
    return {"-f -f": [str(first), "-f", str(second)], "include": [str(main)], "below each other": [str(joined)]}


@pytest.mark.parametrize("name", ["hledger", "ledger"])
@pytest.mark.parametrize("way", ["-f -f", "include", "below each other"])
def test_months_combine_without_doubled_openings(books: Path, name: str, way: str) -> None:
    start = [program(name, name), "-f", *journal_commands(books)[way]]
    assert balances(output_of([*start, "balance", "--flat", "assets"])) == ENDS
    assert Decimal(output_of([*start, "balance", "equity"]).split()[0]) == Decimal("-200.00")
    if name == "hledger":
        output_of([*start, "check", "--strict", "ordereddates"] if way != "-f -f" else [*start, "check"])


def test_hledger_imports_months_one_after_the_other(books: Path) -> None:
    main = books / "main.journal"
    main.write_text(f"include ledger-{OCTOBER}.journal\n")
    start = [program("hledger", "hledger"), "-f", str(main)]
    for _again in range(2):
        output_of([*start, "import", str(books / f"payments-{NOVEMBER}.journal")])
    assert balances(output_of([*start, "balance", "--flat", "assets"])) == ENDS
    main.write_text("")
    for remembered in books.glob(".latest.*"):
        remembered.unlink()
    for period in (OCTOBER, NOVEMBER):
        output_of([*start, "import", str(books / f"payments-{period}.journal")])
    assert balances(output_of([*start, "balance", "--flat", "assets"])) == [
        (name, amount - 100) for name, amount in ENDS if amount
    ]


def test_two_ledgers_below_each_other_are_refused_and_not_doubled(books: Path, reader: Callable[[str], Reader]) -> None:
    """The second brings its opening balance in once more. Where hledger and Beancount see both, they say so."""
    for suffix, include in (("journal", "include {}\n"), ("beancount", 'include "{}"\n')):
        names = [f"ledger-{period}.{suffix}" for period in (OCTOBER, NOVEMBER)]
        (books / f"both.{suffix}").write_text("".join(map(include.format, names)))
    told = subprocess.run(
        [program("hledger", "hledger"), "-f", str(books / "both.journal"), "balance"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (told.returncode, "asserted" in told.stderr) == (1, True)
    errors = reader("beancount").open(books / "both.beancount")["errors"]
    assert any("Balance failed" in each for each in errors)


@pytest.mark.parametrize("period", [OCTOBER, NOVEMBER])
def test_each_month_is_proved_by_its_own_ledger(books: Path, reader: Callable[[str], Reader], period: str) -> None:
    output_of([program("hledger", "hledger"), "-f", str(books / f"ledger-{period}.journal"), "check", "--strict"])
    found = reader("beancount").open(books / f"ledger-{period}.beancount")
    assert found["errors"] == []
    assert len(found["balances"]) == 4
    payments_file = books / f"payments-{period}.beancount"
    payments_file.write_text(payments_file.read_text() + '2026-10-02 * "x"\n  Assets:Bunq:Savings-10112  0.01 EUR\n'
                             '  Income:Unsorted  -0.01 EUR\n')  # fmt: skip
    assert any(
        "Balance failed" in each for each in reader("beancount").open(books / f"ledger-{period}.beancount")["errors"]
    )


def test_beancount_includes_a_second_month(books: Path, reader: Callable[[str], Reader]) -> None:
    main = books / "main.beancount"
    main.write_text(f'include "ledger-{OCTOBER}.beancount"\ninclude "payments-{NOVEMBER}.beancount"\n'
                    f"2026-12-01 balance Assets:Bunq:Main-account-10111 {MONTHS[1].closing} EUR\n")  # fmt: skip
    found = reader("beancount").open(main)
    assert found["errors"] == []
    assert len(found["payments"]) == len(payments(MONTHS))


# Actual Budget reads three formats


def of_actual(
    read: list[dict[str, Any]], number: str, day: Callable[[str], str] = str
) -> list[tuple[str, str, Decimal]]:
    return [(one[number], day(one["date"]), Decimal(str(one["amount"]))) for one in read]


def iso(american: str) -> str:
    month, day, year = american.split("/")
    return f"{year}-{month}-{day}"


def each_file(name: str) -> Iterator[tuple[Statement, bytes]]:
    for each in MONTHS:
        yield each, written(name, each)


def test_actual_reads_every_qif_file(reader: Callable[[str], Reader]) -> None:
    for each, content in each_file("qif"):
        read = reader("actual").read(content)
        assert of_actual(read, "number", iso) == payments([each])
        assert [one.get("payee", "") for one in read] == [
            plain(one.counterparty_name).replace("&amp;", "&") for one in each.entries()
        ]


def test_actual_reads_every_ofx_file(reader: Callable[[str], Reader]) -> None:
    for each, content in each_file("ofx"):
        read = reader("actual").read(content)
        assert of_actual(read, "fitId") == payments([each])
    assert "Łódź" in {one["name"] for one in reader("actual").read(written("ofx", MONTHS[1]))}


def test_actual_reads_every_camt_file_with_bunqs_id_as_reference(reader: Callable[[str], Reader]) -> None:
    for each, content in each_file("camt053"):
        read = reader("actual").read(content)
        assert of_actual(read, "imported_id") == payments([each])
        # Where a payment has no text, Actual shows its reference instead.
        texts = [plain(one.description) or str(one.payment_id) for one in each.entries()]
        assert [one["notes"] for one in read] == texts


def test_pycamt_joins_a_long_text_as_it_was(reader: Callable[[str], Reader]) -> None:
    text = "Contributie jaar 2026 lid 12345 " * 12
    found = reader("camt").read(written("camt053", statement([entry(description=text)])))
    assert found["errors"] == []
    assert found["payments"][0][4] == text.strip()


def test_a_reference_of_an_invoice_is_one_in_camt_and_its_text_too(reader: Callable[[str], Reader]) -> None:
    content = written("camt053", statement([entry(description="RF18 5390 0754 7034"), entry(2)]))
    found = reader("camt").read(content)
    assert found["errors"] == []
    assert [one[4] for one in found["payments"]] == ["RF18 5390 0754 7034", "Bread"]
    assert [one["notes"] for one in reader("actual").read(content)] == ["RF18 5390 0754 7034", "Bread"]
    assert re.findall(b"<Strd>.*?</Strd>", content) == [
        b"<Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>ISO</Issr></Tp><Ref>RF18539007547034</Ref>"
        b"</CdtrRefInf></Strd>"
    ]


def test_what_a_shop_charged_in_another_currency_is_not_taken_for_the_amount(reader: Callable[[str], Reader]) -> None:
    of = statement([entry(1, "-9.20", kind="MASTERCARD", counterparty_iban=None, description=ABROAD), entry(2, "4.00")])
    content = written("camt053", of)
    assert b'<AmtDtls><InstdAmt><Amt Ccy="JPY">1500</Amt></InstdAmt></AmtDtls>' in content
    found = reader("camt").read(content)
    assert found["errors"] == []
    assert [(Decimal(one[2]), one[3]) for one in found["payments"]] == [
        (Decimal("9.20"), "DBIT"), (Decimal("4.00"), "CRDT")
    ]  # fmt: skip
    assert [Decimal(str(one["amount"])) for one in reader("actual").read(content)] == [Decimal("-9.2"), Decimal(4)]
