"""What hledger and Beancount share: names for accounts, and where a payment's other half is booked.

Each program gets two files. The payments of the period stand in one that says nothing about balances, because such
files are combined: on the command line, by an include or by an import, and a balance that is right for one period
would count twice, or be refused, beside another. The ledger includes it, brings the opening balances in and asserts the
closing ones: it proves the period, and is the begin of a ledger to which later periods are added.
"""

from dataclasses import dataclass

from bunqflask.exports.statement import Account, Entry
from bunqflask.exports.text import name_part

LONGEST_NAME = 40


@dataclass(frozen=True)
class Others:
    """The accounts, in one program's spelling, that take the other half of a payment."""

    income: str
    expenses: str
    transfers: str


def account_part(account: Account) -> str:
    """Return the last part of a ledger account's name: "Main-account-10111".

    bunq's id makes it unique, whatever the account is called; a name of emoji alone becomes "Account-10111".
    """
    name = name_part(account.name, longest=LONGEST_NAME) or "Account"
    name = name[0].upper() + name[1:]
    return f"{name}-{account.monetary_account_id}"


def other_half(entry: Entry, others: Others) -> str:
    """Return the account that takes the other half of a payment.

    A transfer between own accounts goes through a clearing account, which both halves bring back to zero: otherwise
    it would count as income and as expense.
    """
    if entry.is_own_transfer:
        return others.transfers
    return others.expenses if entry.amount < 0 else others.income
