"""Where the bank gave no balance, no file makes one up: it stands nowhere, or is said to count from zero."""

import csv
import io
import json
import zipfile
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from bunqflask.exports.pack import Manifest, write_pack
from bunqflask.exports.statement import Statement, totals_of
from tests.unit.exports.statements import entry, statement, whole_ledger, written

FROM_ZERO = "The bank's balances are not known: where a file has to state them, they count from zero."


def unknown(**changed: Any) -> Statement:
    return statement([entry(1, "10.00"), entry(2, "-4.00")], opening=None, **changed)


def packed(of: Statement, previous: Manifest | None = None) -> tuple[zipfile.ZipFile, Manifest]:
    stream = io.BytesIO()
    manifest = write_pack([of], [], stream, previous)
    return zipfile.ZipFile(stream), manifest


def test_a_balance_after_any_payment_tells_both_balances() -> None:
    later = [entry(1, "10.00"), entry(2, "-4.00", balance_after=Decimal("56.00")), entry(3, "1.00")]
    totals = totals_of(statement(later, opening=None))
    assert (totals.known, totals.opening, totals.closing) == (True, Decimal("50.00"), Decimal("57.00"))


@pytest.mark.parametrize("name", ["camt053", "hledger", "beancount"])
def test_formats_with_room_for_it_say_that_the_balances_are_not_known(name: str) -> None:
    assert FROM_ZERO in written(name, unknown()).decode()


def test_mt940_and_ofx_have_to_state_a_balance_and_mark_it() -> None:
    lines = written("mt940", unknown()).decode("ascii").split("\r\n")
    assert (lines[1], lines[4], lines[-3]) == (":20:NOTVERIFIED", ":60F:C261001EUR0,00", ":62F:C261031EUR6,00")
    assert b"<BAL><NAME>Opening balance not known</NAME>" in written("ofx", unknown())


@pytest.mark.parametrize("name", ["hledger", "beancount"])
def test_formats_that_can_do_without_a_balance_have_none(name: str) -> None:
    content = whole_ledger(name, unknown()).decode()
    assert "pening balance\n" not in content
    assert '"Opening balance"' not in content
    assert not [line for line in content.splitlines() if " balance Assets:" in line]


def test_the_sheets_cells_are_empty() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx", unknown())))
    (row,) = book["Summary"].iter_rows(min_row=2, values_only=True)
    assert row[8:12] == (None, 10, -4, None)
    assert row[14] == FROM_ZERO


def test_json_lines_say_null() -> None:
    about = json.loads(written("jsonl", unknown()).splitlines()[0])
    assert (about["opening"], about["closing"]) == (None, None)


def test_a_packs_own_files_leave_them_out() -> None:
    archive, manifest = packed(unknown())
    (row,) = csv.DictReader(io.StringIO(archive.read("balances.csv").decode("utf-8-sig")))
    assert (row["opening"], row["money_in"], row["closing"]) == ("", "10.00", "")
    assert (manifest["accounts"][0]["opening"], manifest["accounts"][0]["closing"]) == (None, None)


def test_a_pack_says_that_a_balance_became_known_and_unknown_again() -> None:
    known = statement([entry(1, "10.00"), entry(2, "-4.00")])
    for before, after, words in (
        (unknown(), known, "  = opening balance 100.00 EUR, was not known"),
        (known, unknown(), "  = closing balance not known, was 106.00"),
        (unknown(), unknown(), "nothing changed"),
    ):
        _, manifest = packed(before)
        archive, _ = packed(after, json.loads(json.dumps(manifest)))
        assert words in archive.read("changes.txt").decode()
