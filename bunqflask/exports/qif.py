"""QIF, as Quicken defined it: dates month first, amounts with a point, the payment's id as number.

The opening balance is not written as a payment, which would count it again at every import; the closing balance
stands in the account's header, where it is known. Programs distinguish accounts by their names alone, across files, so
bunq's id stands behind each. UTF-8 without a byte order mark: programs that still take QIF ask or find out.

https://en.wikipedia.org/wiki/Quicken_Interchange_Format
"""

from datetime import date
from typing import BinaryIO

from bunqflask.exports.statement import Account, Statements, booked, caution, decimal_text, each, totals_of
from bunqflask.exports.text import Sink, plain

# In the name of an account these would part it: GnuCash reads a colon as "the account below", Quicken takes none.
_SAFE = str.maketrans(dict.fromkeys(":/|^[]", "-"))


def _day(day: date) -> str:
    return f"{day.month:02}/{day.day:02}/{day.year:04}"


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements, each below the header of its account.

    :raises StatementBroken: see `booked`.
    """
    sink = Sink(stream)
    for statement in each(statements):
        account = statement.account
        totals = totals_of(statement)
        about = " ".join(
            filter(None, (account.iban, account.currency, str(statement.zone), caution(statement, totals)))
        )
        sink.write(
            f"!Account\nN{_name(account)}\nTBank\nD{plain(about)}\n"
            + (f"/{_day(statement.last_day)}\n${decimal_text(totals.closing)}\n" if totals.known else "")
            + "^\n!Type:Bank\n"
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
    return plain(f"{account.name} {account.monetary_account_id}").translate(_SAFE)
