"""A CSV file as a table of texts: its encoding and its delimiter are found, and told, so that a page can show them.

No cell is more than text: one that begins like a spreadsheet's formula is that text and nothing else.

https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bunqflask import ibans
from bunqflask.i18n import gettext as _
from bunqflask.payment_files.csv_columns import count_known, heading_of
from bunqflask.payment_files.lines import MOST_BYTES, MOST_LINES, FileRefused, too_large, too_many
from bunqflask.payment_files.xml_tree import is_xml

MOST_COLUMNS = 100
_DELIMITERS = (";", ",", "\t")
# Spreadsheets write this line so that others know the delimiter.
_SEPARATOR_LINE = re.compile(r"sep=([;,\t])\r?\n", re.IGNORECASE)
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Letters with accents in UTF-8. In Windows-1252 these bytes would be a capital letter and a sign: no text has that.
_UTF8_LETTER = re.compile(rb"\xc3[\x80-\xbf]")


@dataclass(frozen=True)
class Row:
    """The cells of a line of the table; `number` is the line of the file in which it begins, from 1."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CsvTable:
    """A file that is a table. `columns` are its headings, `rows` what follows them, without empty lines."""

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class _Unreadable(Exception):
    """The file is no table; its text says why, in whole sentences."""


def open_table(content: bytes) -> CsvTable | FileRefused:
    """Read a file as a table whose first line names its columns."""
    try:
        return _open(content)
    except _Unreadable as error:
        return FileRefused.because(str(error))


def _open(content: bytes) -> CsvTable:
    if len(content) > MOST_BYTES:
        raise _Unreadable(too_large())
    encoding, text = _decoded(content)
    skipped = 0
    if said := _SEPARATOR_LINE.match(text):
        skipped, text = 1, text[said.end() :]
    delimiter = _delimiter_of(text) if said is None else said[1]
    rows = []
    # One more than is allowed for its heading, and one to notice that there are too many.
    for row in _rows(text, delimiter, skipped):
        rows.append(row)
        if len(rows) > MOST_LINES + 1:
            raise _Unreadable(too_many())
    if len(rows) < 2:
        raise _Unreadable(
            _("The file has no payments. Its first line has to name the columns, and each other line is one.")
        )
    return CsvTable(
        encoding=encoding,
        delimiter=delimiter,
        columns=_columns(rows[0]),
        rows=tuple(rows[1:]),
    )


def _decoded(content: bytes) -> tuple[str, str]:
    """Return the encoding of a file and its text."""
    if (other := _other_kind(content)) is not None:
        raise _Unreadable(other)
    try:
        if content.startswith(_UTF16_MARKS):
            encoding, text = "UTF-16", content.decode("utf-16")
        else:
            encoding, text = "UTF-8", content.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding, text = "Windows-1252", _in_windows_1252(content)
    if not text.strip():
        raise _Unreadable(_("The file is empty. Export it again from your program."))
    if "\0" in text:
        raise _Unreadable(_("The file is not a text file. Save it as CSV."))
    return encoding, text


def _in_windows_1252(content: bytes) -> str:
    reason = _("The file mixes encodings, so that names would be wrong. Save it as “CSV UTF-8”.")
    if content.startswith(_UTF16_MARKS) or _UTF8_LETTER.search(content):
        raise _Unreadable(reason)
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise _Unreadable(reason) from None


def _other_kind(content: bytes) -> str | None:
    """Say which other kind of file this is, where its first bytes show that it is no CSV."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _("This is a workbook of a spreadsheet. Open it there and save it as “CSV UTF-8”.")
    if content.startswith(b"%PDF"):
        return _("This is a PDF. Export the payments from the program that made it as CSV or pain.001.")
    if is_xml(content):
        return _("This is an XML or HTML file. Payments in XML have to be pain.001; other ones have to be CSV.")
    return None


def _delimiter_of(text: str) -> str:
    """Return the delimiter with which the first line names most that is known, and then most columns."""
    # csv.Sniffer looks at all lines, and finds none where amounts and descriptions have commas.
    scores = sorted(((_score(text, each), each) for each in _DELIMITERS), reverse=True)
    (best, delimiter), (second, _other) = scores[:2]
    if best[1] < 2 or best == second:
        raise _Unreadable(
            _("The columns of the file are not clear. Its first line has to name them, with a semicolon between them.")
        )
    return delimiter


def _score(text: str, delimiter: str) -> tuple[int, int]:
    try:
        columns = next(_rows(text, delimiter)).cells
    except (_Unreadable, StopIteration):
        return 0, 0
    return count_known([heading_of(cell) for cell in columns[:MOST_COLUMNS]]), len(columns)


def _rows(text: str, delimiter: str, skipped: int = 0) -> Iterator[Row]:
    """Yield the lines that are not empty.

    :raises _Unreadable: a quotation mark that is not closed, or a cell too long to be one.
    """
    number = skipped + 1
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(number, tuple(cells))
            number = skipped + reader.line_num + 1
    except csv.Error as error:
        reason = _("Line %(line)d: a quotation mark is not closed, or stands inside a cell. Correct the line.")
        raise _Unreadable(reason % {"line": number}) from error


def _columns(first: Row) -> tuple[str, ...]:
    if len(first.cells) > MOST_COLUMNS:
        raise _Unreadable(
            _("The file has more than %(most)d columns. Leave out what is not needed.") % {"most": MOST_COLUMNS}
        )
    if any(ibans.fault_of(ibans.normalise(cell)) is None for cell in first.cells):
        raise _Unreadable(_("The first line is a payment. Put a line above it that names the columns."))
    return tuple(map(heading_of, first.cells))
