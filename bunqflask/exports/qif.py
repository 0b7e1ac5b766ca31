"""QIF, as Quicken defined it: dates month first, amounts with a point, the payment's id as number.

A file holds one account and begins with `!Type:Bank`: programs such as Actual refuse an account's header above it. The
opening balance is not written as a payment, which would count it again at every import. So balances, and that a period
is not verified, have no place here. UTF-8 without a byte order mark: programs that still take QIF ask or find out.

https://en.wikipedia.org/wiki/Quicken_Interchange_Format
"""

from datetime import date
from typing import BinaryIO

from bunqflask.exports.statement import DoesNotFit, Statements, booked, decimal_text, each
from bunqflask.exports.text import Sink, plain


def _day(day: date) -> str:
    return f"{day.month:02}/{day.day:02}/{day.year:04}"


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write the payments of one account.

    :raises StatementBroken: see `booked`.
    :raises DoesNotFit: several accounts.
    """
    if len(each(statements)) != 1:
        raise DoesNotFit("QIF holds one account")
    sink = Sink(stream)
    sink.write("!Type:Bank\n")
    for local, entry in booked(each(statements)[0]):
        memo = plain(f"{entry.description} {entry.counterparty_iban or ''}")
        payee = plain(entry.counterparty_name)
        sink.write(
            f"D{_day(local.date())}\nT{decimal_text(entry.amount)}\nN{entry.payment_id}\n"
            + (f"P{payee}\n" if payee else "")
            + (f"M{memo}\n" if memo else "")
            + "^\n"
        )
    sink.flush()
