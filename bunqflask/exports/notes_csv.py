"""Notes on payments as CSV: one row for each note, with the payment that it is on, several accounts below each other.

A file beside the others, because no format of bookkeeping has a place for what people wrote later. Encoded and guarded
like the CSV of payments.
"""

import csv
from typing import BinaryIO

from bunqflask.exports.statement import Statements, booked, decimal_text, each
from bunqflask.exports.text import Sink, guarded

COLUMNS = (
    "date",  # of the payment, the day in `zone`, YYYY-MM-DD
    "zone",
    "account",
    "account_iban",
    "account_id",  # bunq's id of the monetary account
    "payment_id",  # bunq's id of the payment, as in the other files
    "amount",  # of the payment, signed
    "currency",
    "counterparty",
    "description",
    "note_time",  # when bunq got the note, RFC 3339 in `zone`; empty where bunq did not tell it
    "author",
    "note",
    "files",  # how many files are attached to the note
)


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write the notes of all statements as one table, in the order of their payments, with comma and decimal point.

    :raises StatementBroken: see `booked`.
    """
    _write(statements, stream, separator=",", mark=".")


def write_with_commas(statements: Statements, stream: BinaryIO) -> None:
    """Write the same table with semicolon and decimal comma.

    :raises StatementBroken: see `booked`.
    """
    _write(statements, stream, separator=";", mark=",")


def _write(statements: Statements, stream: BinaryIO, *, separator: str, mark: str) -> None:
    sink = Sink(stream)
    sink.write("\ufeff")
    rows = csv.writer(sink, delimiter=separator)
    rows.writerow(COLUMNS)
    for statement in each(statements):
        account, zone = statement.account, statement.zone
        of_account = str(zone), guarded(account.name), guarded(account.iban or ""), account.monetary_account_id
        for local, entry in booked(statement):
            for note in entry.notes:
                at = note.created_at
                rows.writerow(
                    (
                        local.date().isoformat(),
                        *of_account,
                        entry.payment_id,
                        decimal_text(entry.amount).replace(".", mark),
                        entry.currency,
                        guarded(entry.counterparty_name),
                        guarded(entry.description),
                        at.astimezone(zone).isoformat(timespec="seconds") if at is not None else "",
                        guarded(note.author),
                        guarded(note.text),
                        note.files,
                    )
                )
    sink.flush()
