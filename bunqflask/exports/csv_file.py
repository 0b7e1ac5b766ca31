"""CSV, with columns of our own: one row per payment, several accounts below each other.

There are two: comma and decimal point as in RFC 4180, which import screens expect, and semicolon and decimal comma,
which a spreadsheet takes for columns and numbers where people write amounts so, as in the Netherlands.

For bookkeepers: UTF-8 with a byte order mark, because Excel takes a file without one for its local code page and
turns "Café" into "CafÃ©". No cell holds a line break, and none begins like a formula, at whatever separator a program
splits the line: an apostrophe stands before `=`, `+`, `-` and `@` in text (amounts are numbers).

https://www.rfc-editor.org/rfc/rfc4180 · https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
from decimal import Decimal
from typing import BinaryIO

from bunqflask.exports.cards import foreign_amount
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
    "amount",  # signed
    "currency",
    "balance_after",  # as the bank said; empty where it did not
    "counterparty",
    "counterparty_iban",
    "description",
    "type",
    "sub_type",
    "own_transfer",  # "yes": the other side is an account of the same people
    "foreign_amount",  # of a card payment in another currency, signed; empty where bunq did not tell it
    "foreign_currency",
    "verified",  # "yes": the period agrees with the bank's balances to the cent
)


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
    sink.write("\ufeff")
    rows = csv.writer(sink, delimiter=separator)
    rows.writerow(COLUMNS)

    def number(amount: Decimal | None) -> str:
        return "" if amount is None else decimal_text(amount).replace(".", mark)

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
            abroad = foreign_amount(entry)
            rows.writerow(
                (
                    day,
                    clock,
                    *of_account,
                    entry.payment_id,
                    number(entry.amount),
                    entry.currency,
                    number(entry.balance_after),
                    guarded(entry.counterparty_name),
                    guarded(entry.counterparty_iban or ""),
                    guarded(entry.description),
                    guarded(entry.kind),
                    guarded(entry.sub_kind),
                    "yes" if entry.is_own_transfer else "no",
                    number(abroad[0]) if abroad else "",
                    abroad[1] if abroad else "",
                    verified,
                )
            )
    sink.flush()
