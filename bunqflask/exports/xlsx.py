"""XLSX: a summary, then one sheet per account with real dates and numbers, in constant memory.

Amounts go in as decimal digits, never by way of a binary fraction, so what Excel shows is what the bank said. Excel
keeps 15 digits; a longer amount is written as text, because a rounded one would be false. Text is only ever text:
nothing in it becomes a formula or a link.

https://xlsxwriter.readthedocs.io/working_with_memory.html
"""

import shutil
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import xlsxwriter

from bunqflask.exports.statement import (
    Statement,
    Statements,
    Sums,
    Totals,
    booked,
    caution,
    decimal_text,
    each,
    end_of,
    is_verified,
)
from bunqflask.exports.text import plain

ROWS_OF_A_SHEET = 1_048_576
DIGITS_OF_EXCEL = 15
LONGEST_CELL = 16_383  # Excel takes 32,767 UTF-16 units; a character is two at most
LONGEST_SHEET_NAME = 31  # UTF-16 units

_COLUMNS = (
    ("Date", 11),
    ("Time", 9),
    ("Amount", 14),
    ("Currency", 9),
    ("Balance after", 14),
    ("Counterparty", 30),
    ("Counterparty IBAN", 24),
    ("Description", 60),
    ("Type", 12),
    ("Sub type", 12),
    ("Payment", 14),
)
_SUMMARY = (
    ("Account", 30),
    ("IBAN", 24),
    ("Holder", 30),
    ("Kind", 12),
    ("Currency", 9),
    ("From", 11),
    ("To", 11),
    ("Time zone", 18),
    ("Opening", 14),
    ("In", 14),
    ("Out", 14),
    ("Closing", 14),
    ("Payments", 10),
    ("Verified", 9),
    ("Notice", 70),
)


class _Book:
    """The workbook and its formats."""

    def __init__(self, path: Path, temporary: str, made_at: datetime) -> None:
        options = {
            "constant_memory": True,
            "tmpdir": temporary,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        }
        self.workbook = xlsxwriter.Workbook(str(path), options)
        self.workbook.set_properties({"title": "Payments", "created": made_at.replace(tzinfo=None)})
        self._head = self.workbook.add_format({"bold": True, "bottom": 1})
        self._money = self.workbook.add_format({"num_format": "#,##0.00##"})
        self._right = self.workbook.add_format({"align": "right"})
        self._day = self.workbook.add_format({"num_format": "yyyy-mm-dd"})
        self._clock = self.workbook.add_format({"num_format": "hh:mm:ss"})
        self._names: set[str] = {"history"}  # Excel reserves this name

    def sheet(self, name: str, columns: tuple[tuple[str, int], ...]) -> Any:
        sheet = self.workbook.add_worksheet(self._free_name(name))
        for column, (title, width) in enumerate(columns):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, title, self._head)
        sheet.freeze_panes(1, 0)
        return sheet

    def _free_name(self, name: str) -> str:
        name = "".join(letter for letter in plain(name) if letter not in "[]:*?/\\").strip("' ") or "Account"
        number = 1
        while True:
            tail = f" ({number})" if number > 1 else ""
            head = name
            while len((head + tail).encode("utf-16-le")) > 2 * LONGEST_SHEET_NAME:
                head = head[:-1]
            free = head.rstrip("' ") + tail
            if free.casefold() not in self._names:
                self._names.add(free.casefold())
                return free
            number += 1

    def text(self, sheet: Any, row: int, column: int, text: str | None) -> None:
        if text:
            sheet.write_string(row, column, plain(text)[:LONGEST_CELL])

    def money(self, sheet: Any, row: int, column: int, amount: Decimal | None) -> None:
        if amount is None:
            return
        text = decimal_text(amount)
        if sum(map(str.isdigit, text)) > DIGITS_OF_EXCEL:
            sheet.write_string(row, column, text, self._right)
        else:
            sheet.write_number(row, column, amount, self._money)

    def day(self, sheet: Any, row: int, column: int, time: datetime) -> None:
        sheet.write_datetime(row, column, time, self._day)

    def clock(self, sheet: Any, row: int, column: int, time: datetime) -> None:
        sheet.write_datetime(row, column, time.time().replace(microsecond=0), self._clock)


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one workbook; it grows in a temporary folder and is handed on at the end.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    made_at = max((end_of(statement) for statement in statements), default=datetime(2000, 1, 1))  # noqa: DTZ001
    with TemporaryDirectory(prefix="bunqflask-xlsx-") as temporary:
        path = Path(temporary) / "book.xlsx"
        book = _Book(path, temporary, made_at)
        try:
            summary = book.sheet("Summary", _SUMMARY)
            for row, statement in enumerate(statements, start=1):
                _write_summary(book, summary, row, statement, _write_entries(book, statement))
        finally:
            # Also when a statement was refused: what is unfinished stays in the folder and goes with it.
            book.workbook.close()
        with path.open("rb") as finished:
            shutil.copyfileobj(finished, stream)


def _write_entries(book: _Book, statement: Statement) -> Totals:
    name = statement.account.name or f"Account {statement.account.monetary_account_id}"
    columns = (_COLUMNS[0], (f"Time in {statement.zone}", 9), *_COLUMNS[2:])
    sheet = book.sheet(name, columns)
    sums = Sums(statement)
    row = 1
    for local, entry in booked(statement):
        if row == ROWS_OF_A_SHEET:
            sheet, row = book.sheet(name, columns), 1
        naive = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        book.day(sheet, row, 0, naive)
        book.clock(sheet, row, 1, local)
        book.money(sheet, row, 2, entry.amount)
        book.text(sheet, row, 3, entry.currency)
        book.money(sheet, row, 4, entry.balance_after)
        book.text(sheet, row, 5, entry.counterparty_name)
        book.text(sheet, row, 6, entry.counterparty_iban)
        book.text(sheet, row, 7, entry.description)
        book.text(sheet, row, 8, entry.kind)
        book.text(sheet, row, 9, entry.sub_kind)
        book.text(sheet, row, 10, str(entry.payment_id))
        sums.add(entry)
        row += 1
    return sums.totals()


def _write_summary(book: _Book, sheet: Any, row: int, statement: Statement, totals: Totals) -> None:
    account = statement.account
    texts = (account.name, account.iban, account.holder, account.kind, account.currency)
    for column, text in enumerate(texts):
        book.text(sheet, row, column, text)
    for column, day in enumerate((statement.first_day, statement.last_day), start=5):
        book.day(sheet, row, column, datetime(day.year, day.month, day.day))  # noqa: DTZ001
    book.text(sheet, row, 7, str(statement.zone))
    opening, closing = (totals.opening, totals.closing) if totals.known else (None, None)
    for column, amount in enumerate((opening, totals.money_in, totals.money_out, closing), start=8):
        book.money(sheet, row, column, amount)
    sheet.write_number(row, 12, totals.count)
    book.text(sheet, row, 13, "yes" if is_verified(statement, totals) else "no")
    book.text(sheet, row, 14, caution(statement, totals) or statement.notice)
