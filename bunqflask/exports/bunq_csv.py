"""CSV as bunq writes it, for packages and converters that know bunq's own export.

bunq calls the two forms UK_US (comma, decimal point) and EUROPEAN (semicolon, decimal comma). Oldest first; every cell
is quoted; no byte order mark, because programs look for `Date` as the first column. Both dates are the day of booking.

https://doc.bunq.com/api-reference/customer-statement
"""

import csv
from typing import BinaryIO

from bunqflask.exports.statement import Statements, booked, decimal_text, each
from bunqflask.exports.text import Sink, guarded

COLUMNS = ("Date", "Interest Date", "Amount", "Account", "Counterparty", "Name", "Description")


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one table, with comma and decimal point.

    :raises StatementBroken: see `booked`.
    """
    _write(statements, stream, separator=",", mark=".")


def write_with_commas(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one table, with semicolon and decimal comma.

    :raises StatementBroken: see `booked`.
    """
    _write(statements, stream, separator=";", mark=",")


def _write(statements: Statements, stream: BinaryIO, *, separator: str, mark: str) -> None:
    sink = Sink(stream)
    rows = csv.writer(sink, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows.writerow(COLUMNS)
    for statement in each(statements):
        account = guarded(statement.account.iban or "") or str(statement.account.monetary_account_id)
        for local, entry in booked(statement):
            day = local.date().isoformat()
            amount = decimal_text(entry.amount).replace(".", mark)
            texts = (entry.counterparty_iban or "", entry.counterparty_name, entry.description)
            rows.writerow((day, day, amount, account, *map(guarded, texts)))
    sink.flush()
