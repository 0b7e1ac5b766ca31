"""Tables for spreadsheets, which fetch them automatically: stable columns, as CSV or as JSON.

No byte order mark: Google Sheets would show it in the first heading, and the type of the answer says that it is UTF-8.
Texts are guarded as in `csv_file`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bunqflask.exports.statement import decimal_text
from bunqflask.exports.text import guarded

Cell = str | Decimal | None


@dataclass(frozen=True)
class Table:
    """Rows under columns; texts are as the bank gave them, days and times in ISO 8601."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def as_csv(self, *, separator: str, mark: str) -> str:
        """Return it as CSV.

        :param mark: the decimal mark of amounts.
        """
        text = io.StringIO()
        writer = csv.writer(text, delimiter=separator)
        writer.writerow(self.columns)
        writer.writerows([_cell(each, mark) for each in row] for row in self.rows)
        return text.getvalue()

    def as_json(self) -> str:
        """Return a list of objects; amounts are decimal texts, as everywhere in the API."""
        rows = [dict(zip(self.columns, map(_value, row), strict=True)) for row in self.rows]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _cell(value: Cell, mark: str) -> str:
    if value is None:
        return ""
    return decimal_text(value).replace(".", mark) if isinstance(value, Decimal) else guarded(value)


def _value(value: Cell) -> str | None:
    if value is None:
        return None
    return decimal_text(value) if isinstance(value, Decimal) else guarded(value)
