"""The formats by name: what a form offers, a download is called and a pack contains."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import BinaryIO

from bunqflask.exports import beancount, bunq_csv, camt053, csv_file, hledger, jsonl, mt940, notes_csv, ofx, qif, xlsx
from bunqflask.exports.statement import Statements

_CSV, _TEXT = "text/csv; charset=utf-8", "text/plain; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format. `together`: all accounts of a pack share one file; otherwise each account has its own.

    `write` takes one statement or several, and raises `ExportError`, perhaps after some bytes went out. `write_ledger`
    writes a second file, which includes the first one by the name that it is given. `write_with_commas` writes
    the same table with decimal commas, for a pack whose payments have them. `stem` begins the name of a file of all
    accounts.
    """

    name: str
    label: str
    extension: str
    media_type: str
    together: bool
    write: Callable[[Statements, BinaryIO], None]
    write_ledger: Callable[[Statements, str, BinaryIO], None] | None = None
    write_with_commas: Callable[[Statements, BinaryIO], None] | None = None
    stem: str = "payments"


_ALL = (
    Format(name="csv", label="CSV", extension="csv", media_type=_CSV, together=True, write=csv_file.write),
    Format(
        name="csv-comma", label="CSV with decimal commas", extension="csv", media_type=_CSV, together=True,
        write=csv_file.write_with_commas, stem="payments-comma",
    ),
    Format(
        name="bunq-csv", label="CSV as bunq writes it", extension="csv", media_type=_CSV, together=False,
        write=bunq_csv.write,
    ),
    Format(
        name="bunq-csv-comma", label="CSV as bunq writes it, with decimal commas", extension="csv", media_type=_CSV,
        together=False, write=bunq_csv.write_with_commas,
    ),
    Format(
        name="xlsx", label="Excel (XLSX)", extension="xlsx", together=True, write=xlsx.write,
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    Format(
        name="jsonl", label="JSON Lines", extension="jsonl", media_type="application/x-ndjson", together=True,
        write=jsonl.write,
    ),
    Format(
        name="camt053", label="CAMT.053", extension="xml", media_type="application/xml", together=False,
        write=camt053.write,
    ),
    Format(
        name="mt940", label="MT940", extension="sta", media_type="text/plain; charset=us-ascii", together=False,
        write=mt940.write,
    ),
    Format(
        name="ofx", label="OFX", extension="ofx", media_type="application/x-ofx", together=False, write=ofx.write
    ),
    Format(
        name="qif", label="QIF", extension="qif", media_type="application/qif; charset=utf-8", together=False,
        write=qif.write,
    ),
    Format(
        name="hledger", label="hledger", extension="journal", media_type=_TEXT, together=True, write=hledger.write,
        write_ledger=hledger.write_ledger,
    ),
    Format(
        name="beancount", label="Beancount", extension="beancount", media_type=_TEXT, together=True,
        write=beancount.write, write_ledger=beancount.write_ledger,
    ),
    Format(
        name="notes", label="Notes (CSV)", extension="csv", media_type=_CSV, together=True, write=notes_csv.write,
        write_with_commas=notes_csv.write_with_commas, stem="notes",
    ),
)  # fmt: skip
FORMATS = {format_.name: format_ for format_ in _ALL}
_WITH_POINTS, _WITH_COMMAS = ("csv", "bunq-csv"), ("csv-comma", "bunq-csv-comma")


def have_commas(formats: Collection[str]) -> bool:
    """Tell whether the payments are for a spreadsheet in which people write 1,50: so are the tables beside them."""
    return not set(formats).isdisjoint(_WITH_COMMAS) and set(formats).isdisjoint(_WITH_POINTS)


# What bookkeeping packages import.
BANK_FILES = ("camt053", "mt940")
