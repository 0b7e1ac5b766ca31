"""A payment file as its pages show it: every line as it was read, and which column is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bunqflask.i18n import gettext as _
from bunqflask.payment_files.csv_columns import ColumnMapping
from bunqflask.payment_files.csv_table import CsvTable
from bunqflask.services.instructions.draft_files import Look
from bunqflask.web.instructions.draft_presenters import ShownLine, other_ibans, shown_marks


@dataclass(frozen=True)
class ColumnChoice:
    """What a column can hold, and which one is chosen for it; empty: none."""

    field: str
    label: str
    chosen: str


@dataclass(frozen=True)
class Columns:
    """How a CSV file was read."""

    names: Sequence[str]
    choices: Sequence[ColumnChoice]
    decimal_sign: str
    encoding: str
    delimiter: str


@dataclass(frozen=True, kw_only=True)
class ShownFile:
    """A file that can be prepared."""

    lines: Sequence[ShownLine]
    marked: int
    total: Decimal
    drafts: int
    seen: str
    not_carried: Sequence[str]
    shows_amount_texts: bool


def present(look: Look) -> ShownFile:
    """Return a file for its page."""
    marks, others = shown_marks(look.marks), other_ibans(look.marks)
    shown = [
        ShownLine(
            number=each.number,
            name=each.name,
            iban=each.iban,
            description=each.description,
            amount=each.amount,
            amount_text=each.amount_text,
            reference=each.end_to_end_id or "",
            marks=marks.get(each.number, ()),
            has_other_iban=each.number in others,
            is_new=False,
            payment_row_id=None,
            paid_at=None,
        )
        for each in look.file.lines
    ]
    return ShownFile(
        lines=shown,
        marked=len(marks),
        total=look.file.total,
        drafts=look.drafts,
        seen=look.seen,
        not_carried=look.file.not_carried,
        shows_amount_texts=any(each.amount_text != f"{each.amount:.2f}" for each in shown),
    )


def columns(table: CsvTable, mapping: ColumnMapping) -> Columns:
    """Return which column is what, for a form that changes it."""
    labels = {
        "name": _("Name of the receiver"),
        "iban": _("IBAN of the receiver"),
        "amount": _("Amount"),
        "description": _("Description"),
        "reference": _("Reference (end-to-end)"),
        "currency": _("Currency"),
    }
    choices = [ColumnChoice(name, label, getattr(mapping, name)) for name, label in labels.items()]
    delimiters = {";": _("semicolon"), ",": _("comma"), "\t": _("tab")}
    return Columns(
        names=[each for each in dict.fromkeys(table.columns) if each],
        choices=choices,
        decimal_sign=mapping.decimal_sign,
        encoding=table.encoding,
        delimiter=delimiters[table.delimiter],
    )
