"""CSV, with columns of our own: one row per payment, several accounts below each other.

For bookkeepers: UTF-8 with a byte order mark, because Excel takes a file without one for its local code page and
turns "Café" into "CafÃ©"; comma and decimal point as in RFC 4180, which import screens expect. No cell holds a line
break, and none begins like a formula, at whatever separator a program splits the line: an apostrophe stands before `=`,
`+`, `-` and `@` in text (amounts are numbers).

https://www.rfc-editor.org/rfc/rfc4180 · https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
from typing import BinaryIO

from bunqflask.exports.statement import Statements, booked, decimal_text, each
from bunqflask.exports.text import Sink, guarded

COLUMNS = (
    "date",  # the day in `zone`, YYYY-MM-DD
    "time",  # HH:MM:SS in `zone`, with the offset from UTC at that time
    "zone",
    "account",
    "account_iban",
    "account_id",  # bunq's id of the monetary account
    "payment_id",  # bunq's id of the payment, stable
    "amount",  # signed, a point before the cents
    "currency",
    "balance_after",  # as the bank said; empty where it did not
    "counterparty",
    "counterparty_iban",
    "description",
    "type",
    "sub_type",
    "verified",  # "yes": the period agrees with the bank's balances to the cent
)


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one table.

    :raises StatementBroken: see `booked`.
    """
    sink = Sink(stream)
    sink.write("\ufeff")
    rows = csv.writer(sink)
    rows.writerow(COLUMNS)
    for statement in each(statements):
        account = statement.account
        of_account = (
            str(statement.zone),
            guarded(account.name),
            guarded(account.iban or ""),
            account.monetary_account_id,
        )
        verified = "yes" if statement.verified else "no"
        for local, entry in booked(statement):
            day, _, clock = local.isoformat(timespec="seconds").partition("T")
            rows.writerow(
                (
                    day,
                    clock,
                    *of_account,
                    entry.payment_id,
                    decimal_text(entry.amount),
                    entry.currency,
                    "" if entry.balance_after is None else decimal_text(entry.balance_after),
                    guarded(entry.counterparty_name),
                    guarded(entry.counterparty_iban or ""),
                    guarded(entry.description),
                    guarded(entry.kind),
                    guarded(entry.sub_kind),
                    verified,
                )
            )
    sink.flush()
