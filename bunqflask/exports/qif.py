"""QIF, as Quicken defined it: dates month first, amounts with a point, the payment's id as number.

The opening balance is not written as a payment, which would count it again at every import; the closing balance
stands in the account's header. UTF-8 without a byte order mark: programs that still take QIF ask or find out.

https://en.wikipedia.org/wiki/Quicken_Interchange_Format
"""

from collections import Counter
from datetime import date
from typing import BinaryIO

from bunqflask.exports.statement import Account, Statements, booked, caution, decimal_text, each, totals_of
from bunqflask.exports.text import Sink, plain


def _day(day: date) -> str:
    return f"{day.month:02}/{day.day:02}/{day.year:04}"


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements, each below the header of its account.

    :raises StatementBroken: see `booked`.
    """
    sink = Sink(stream)
    statements = each(statements)
    called = Counter(_name(statement.account) for statement in statements)
    for statement in statements:
        account = statement.account
        name = _name(account)
        if called[name] > 1:
            # Programs tell accounts apart by their names alone.
            name = f"{name} {account.monetary_account_id}"
        totals = totals_of(statement)
        about = " ".join(
            filter(None, (account.iban, account.currency, str(statement.zone), caution(statement, totals)))
        )
        sink.write(
            f"!Account\nN{name}\nTBank\nD{plain(about)}\n"
            f"/{_day(statement.last_day)}\n${decimal_text(totals.closing)}\n^\n!Type:Bank\n"
        )
        for local, entry in booked(statement):
            memo = plain(f"{entry.description} {entry.counterparty_iban or ''}")
            payee = plain(entry.counterparty_name)
            sink.write(
                f"D{_day(local.date())}\nT{decimal_text(entry.amount)}\nN{entry.payment_id}\n"
                + (f"P{payee}\n" if payee else "")
                + (f"M{memo}\n" if memo else "")
                + "^\n"
            )
    sink.flush()


def _name(account: Account) -> str:
    return plain(account.name) or str(account.monetary_account_id)
