"""XLSX: a summary, all payments by time where there are several accounts, and one sheet per account.

Dates and numbers are real ones. All sheets of payments have the same columns. Memory stays constant.

Amounts go in as decimal digits, never by way of a binary fraction, so what Excel shows is what the bank said. Excel
keeps 15 digits; a longer amount is written as text, because a rounded one would be false. Text is only ever text:
nothing in it becomes a formula or a link.

https://xlsxwriter.readthedocs.io/working_with_memory.html
"""

import shutil
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from bunqflask.exports.cards import foreign_amount
from bunqflask.exports.currencies import amount_text, decimals_of
from bunqflask.exports.statement import (
    Account,
    Entry,
    Statement,
    Statements,
    Sums,
    Totals,
    booked_in_all,
    caution,
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
    ("Account", 24),
    ("Account IBAN", 24),
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
    ("Own transfer", 12),
    ("Foreign amount", 14),
    ("Foreign currency", 9),
    ("Payment", 14),
    ("Account number", 14),
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
    ("Account number", 14),
    ("Sheet", 30),
)


class _Book:
    """The workbook and its formats."""

    def __init__(self, path: Path, temporary: str, made_at: datetime) -> None:
        # Imported here: few processes write workbooks, and each would hold 3 MB for it.
        import xlsxwriter

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
        self._money: dict[int, Any] = {}
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

    def _money_format(self, places: int) -> Any:
        if places not in self._money:
            number = "#,##0" + ("." + "0" * places if places else "")
            self._money[places] = self.workbook.add_format({"num_format": number})
        return self._money[places]

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

    def money(self, sheet: Any, row: int, column: int, amount: Decimal | None, currency: str) -> None:
        """Write an amount with the decimals of its currency, or with those that it has where they are more."""
        if amount is None:
            return
        text = amount_text(amount, currency)
        if sum(map(str.isdigit, text)) > DIGITS_OF_EXCEL:
            sheet.write_string(row, column, text, self._right)
        else:
            places = max(decimals_of(currency), len(text.partition(".")[2]))
            sheet.write_number(row, column, amount, self._money_format(places))

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
            written = _write_payments(book, statements)
            for row, (statement, (sheet, sums)) in enumerate(zip(statements, written, strict=True), start=1):
                _write_summary(book, summary, row, statement, sums, sheet)
            summary.autofilter(0, 0, max(1, len(statements)), len(_SUMMARY) - 1)
        finally:
            # Also when a statement was refused: what is unfinished stays in the folder and goes with it.
            book.workbook.close()
        with path.open("rb") as finished:
            shutil.copyfileobj(finished, stream)


class _Payments:
    """The sheets of one name, as many as the payments in them need."""

    def __init__(self, book: _Book, name: str, columns: tuple[tuple[str, int], ...]) -> None:
        self._book, self._name, self._columns = book, name, columns
        self._sheet, self._row = book.sheet(name, columns), 1
        self.name: str = self._sheet.name  # of the first

    def add(self, account: Account, local: datetime, entry: Entry) -> None:
        if self._row == ROWS_OF_A_SHEET:
            self.end()
            self._sheet, self._row = self._book.sheet(self._name, self._columns), 1
        book, sheet, row = self._book, self._sheet, self._row
        abroad, currency = foreign_amount(entry) or (None, ""), entry.currency
        book.day(sheet, row, 2, local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0))
        book.clock(sheet, row, 3, local)
        book.money(sheet, row, 4, entry.amount, currency)
        book.money(sheet, row, 6, entry.balance_after, currency)
        book.money(sheet, row, 13, abroad[0], abroad[1])
        texts = {
            0: account.name, 1: account.iban, 5: currency, 7: entry.counterparty_name, 8: entry.counterparty_iban,
            9: entry.description, 10: entry.kind, 11: entry.sub_kind, 12: "yes" if entry.is_own_transfer else "no",
            14: abroad[1], 15: str(entry.payment_id), 16: str(account.monetary_account_id),
        }  # fmt: skip
        for column, text in texts.items():
            book.text(sheet, row, column, text)
        self._row += 1

    def end(self) -> None:
        """Let a person filter the rows of the last sheet."""
        self._sheet.autofilter(0, 0, max(1, self._row - 1), len(self._columns) - 1)


def _write_payments(book: _Book, statements: Sequence[Statement]) -> list[tuple[str, Totals]]:
    """Write the payments of all accounts in one pass, and return the name of its sheet and the sums of each."""
    zones = {str(statement.zone) for statement in statements}
    time = f"Time in {', '.join(sorted(zones))}"
    columns = tuple((time if title == "Time" else title, width) for title, width in _COLUMNS)
    everything = _Payments(book, "All payments", columns) if len(statements) > 1 else None
    sheets = [_Payments(book, _title(statement.account), columns) for statement in statements]
    sums = [Sums(statement) for statement in statements]
    places = {id(statement): place for place, statement in enumerate(statements)}
    for statement, local, entry in booked_in_all(statements):
        place = places[id(statement)]
        sheets[place].add(statement.account, local, entry)
        if everything is not None:
            everything.add(statement.account, local, entry)
        sums[place].add(entry)
    for sheet in [*sheets, everything] if everything else sheets:
        sheet.end()
    return [(sheet.name, each.totals()) for sheet, each in zip(sheets, sums, strict=True)]


def _title(account: Account) -> str:
    return account.name or f"Account {account.monetary_account_id}"


def _write_summary(book: _Book, sheet: Any, row: int, statement: Statement, totals: Totals, name_of_sheet: str) -> None:
    account = statement.account
    texts = (account.name, account.iban, account.holder, account.kind, account.currency)
    for column, text in enumerate(texts):
        book.text(sheet, row, column, text)
    for column, day in enumerate((statement.first_day, statement.last_day), start=5):
        book.day(sheet, row, column, datetime(day.year, day.month, day.day))  # noqa: DTZ001
    book.text(sheet, row, 7, str(statement.zone))
    opening, closing = (totals.opening, totals.closing) if totals.known else (None, None)
    for column, amount in enumerate((opening, totals.money_in, totals.money_out, closing), start=8):
        book.money(sheet, row, column, amount, account.currency)
    sheet.write_number(row, 12, totals.count)
    book.text(sheet, row, 13, "yes" if is_verified(statement, totals) else "no")
    book.text(sheet, row, 14, caution(statement, totals) or statement.notice)
    book.text(sheet, row, 15, str(account.monetary_account_id))
    book.text(sheet, row, 16, name_of_sheet)
