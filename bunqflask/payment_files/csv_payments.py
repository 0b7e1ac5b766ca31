"""Payments from a CSV file, by a mapping of its columns that a person has seen.

    table = csv_table.open_table(content)
    mapping = csv_columns.propose(table.columns)      # shown, corrected, remembered
    found = csv_payments.read(table, mapping)

Each line has its amount as it was read beside the text of the file, for a page to show both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bunqflask.i18n import gettext as _
from bunqflask.payment_files import amounts, csv_columns
from bunqflask.payment_files.csv_columns import ColumnMapping
from bunqflask.payment_files.csv_table import CsvTable, Row
from bunqflask.payment_files.lines import Collector, Field, FileRefused, PaymentFile, one_line, quoted


def read(table: CsvTable, mapping: ColumnMapping) -> PaymentFile | FileRefused:
    """Return all payments of a table, or all of its faults."""
    if faults := csv_columns.faults_of(mapping, table.columns):
        return FileRefused(tuple(faults))
    reading = _Reading(mapping, {heading: place for place, heading in enumerate(table.columns)}, len(table.columns))
    for row in table.rows:
        reading.take(row)
    return reading.collector.result()


def _place(number: int) -> str:
    return _("Line %(number)d") % {"number": number}


@dataclass
class _Reading:
    """One pass over the lines of a table."""

    mapping: ColumnMapping
    places: Mapping[str, int]
    width: int
    collector: Collector = field(default_factory=lambda: Collector(_place))
    # The first sign before cents that an amount shows, and the line of that amount.
    first_sign: tuple[str, int] | None = None

    def take(self, row: Row) -> None:
        """Take one line, or note its faults."""
        if len(row.cells) < self.width or any(cell.strip() for cell in row.cells[self.width :]):
            reason = _(
                "it has %(found)d cells, and the first line names %(named)d: put a text that contains a delimiter in "
                "quotation marks, and leave no cell out"
            )
            filled = reason % {"found": len(row.cells), "named": self.width}
            self.collector.refuse_line(row.number, Field.COLUMNS, filled)
            return
        self._check_currency(row)
        amount_text = self._cell(row, self.mapping.amount)
        self.collector.take(
            row.number,
            amount=self._amount(row.number, amount_text),
            amount_text=amount_text,
            name=self._cell(row, self.mapping.name),
            iban=self._cell(row, self.mapping.iban),
            description=self._cell(row, self.mapping.description),
            reference=self._cell(row, self.mapping.reference),
        )

    def _cell(self, row: Row, heading: str) -> str:
        return row.cells[self.places[heading]] if heading else ""

    def _check_currency(self, row: Row) -> None:
        found = one_line(self._cell(row, self.mapping.currency)).upper()
        if self.mapping.currency and found not in ("EUR", "€", "EURO"):
            reason = _("the currency is %(currency)s, and only euros (EUR) can be paid: remove the line")
            self.collector.refuse_line(row.number, Field.CURRENCY, reason % {"currency": quoted(found)})

    def _amount(self, number: int, text: str) -> Decimal | None:
        """Return the amount of a line; None after its fault was noted."""
        try:
            found = amounts.read(text, self.mapping.decimal_sign)
        except amounts.NotAnAmount as error:
            shown = f"{quoted(text)} " if one_line(text) else ""
            reason = _("the amount %(shown)s%(why)s") % {"shown": shown, "why": error}
            self.collector.refuse_line(number, Field.AMOUNT, reason)
            return None
        if not found.decimal_sign:
            return found.amount
        self.first_sign = self.first_sign or (found.decimal_sign, number)
        sign, first = self.first_sign
        if sign == found.decimal_sign:
            return found.amount
        reason = _("the amount %(amount)s has another sign before its cents than the first (%(first)s): use one in all")
        filled = reason % {"amount": quoted(text), "first": _place(first)}
        self.collector.refuse_line(number, Field.AMOUNT, filled)
        return None
