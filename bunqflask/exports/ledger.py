"""What hledger and Beancount share: names for accounts, and where a payment's other half is booked."""

from collections.abc import Sequence
from dataclasses import dataclass

from bunqflask.exports.statement import Account, Entry, Statement
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


def own_ibans(statements: Sequence[Statement]) -> frozenset[str]:
    """Return the IBANs of the accounts written together.

    A payment between two of them is booked against one clearing account, which both halves bring back to zero;
    otherwise it would count as income and as expense.
    """
    return frozenset(statement.account.iban for statement in statements if statement.account.iban)


def other_half(entry: Entry, own: frozenset[str], others: Others) -> str:
    """Return the account that takes the other half of a payment."""
    if entry.counterparty_iban in own:
        return others.transfers
    return others.expenses if entry.amount < 0 else others.income
