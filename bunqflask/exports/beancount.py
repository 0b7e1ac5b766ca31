"""Two files for Beancount: the payments, and the ledger that opens the accounts, includes and proves them.

Balances are asserted without any tolerance. The ledger opens its accounts the day before the period and brings the
opening balances in there.

https://beancount.github.io/docs/beancount_language_syntax.html
"""

from typing import BinaryIO

from bunqflask.exports.ledger import Others, account_part, other_half
from bunqflask.exports.statement import (
    Account,
    Statement,
    Statements,
    booked_in_all,
    caution,
    day_after,
    day_before,
    decimal_text,
    each,
    is_verified,
    totals_of,
)
from bunqflask.exports.text import Sink, plain

_OTHERS = Others(income="Income:Unsorted", expenses="Expenses:Unsorted", transfers="Assets:Bunq:Transfers")
_OPENING = "Equity:Opening-Balances"


def _quoted(text: str) -> str:
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _name(account: Account) -> str:
    return f"Assets:Bunq:{account_part(account)}"


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write the payments of all statements, without balances and without opening accounts.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    sink = Sink(stream)
    sink.write(";; Payments from bunq. Every amount is exact. The ledger opens the accounts and has the balances.\n")
    for statement in statements:
        remark = plain(caution(statement, totals_of(statement)) or statement.notice)
        sink.write(
            f"\n;; {_name(statement.account)}\n"
            f";; {statement.first_day} to {statement.last_day}, days in {statement.zone}\n"
            + (f";; {remark}\n" if remark else "")
        )
    sink.write("\n")
    for statement, local, entry in booked_in_all(statements):
        amount, opposite = decimal_text(entry.amount), decimal_text(-entry.amount)
        sink.write(
            f"{local.date()} * {_quoted(entry.counterparty_name)} {_quoted(entry.description)}\n"
            f'  payment: "{entry.payment_id}"\n  booked: "{local.isoformat(timespec="seconds")}"\n'
            f"  {_name(statement.account)}  {amount} {entry.currency}\n"
            f"  {other_half(entry, _OTHERS)}  {opposite} {entry.currency}\n\n"
        )
    sink.flush()


def write_ledger(statements: Statements, payments: str, stream: BinaryIO) -> None:
    """Write the ledger: accounts, opening balances, the file `payments`, closing balances.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    sink = Sink(stream)
    sink.write(";; Accounts, opening balances, the payments of one period, and closing balances.\n")
    sink.write(";; To go on with later periods, include only their payments.\n")
    for currency in sorted({statement.account.currency for statement in statements}):
        sink.write(f'option "operating_currency" "{currency}"\n')
    sink.write(f'\ninclude "{payments}"\n\n')
    if statements:
        earliest = day_before(min(statement.first_day for statement in statements))
        for name in (_OPENING, _OTHERS.income, _OTHERS.expenses, _OTHERS.transfers):
            sink.write(f"{earliest} open {name}\n")
    for statement in statements:
        _write_account(statement, sink)
    sink.flush()


def _write_account(statement: Statement, sink: Sink) -> None:
    account, totals = statement.account, totals_of(statement)
    name, currency = _name(account), account.currency
    eve = day_before(statement.first_day)
    remark = plain(caution(statement, totals) or statement.notice)
    sink.write(
        (f"\n;; {remark}\n" if remark else "\n") + f"{eve} open {name} {currency}\n"
        f"  name: {_quoted(account.name)}\n" + (f"  iban: {_quoted(account.iban)}\n\n" if account.iban else "\n")
    )
    if totals.known:
        opening, closing = decimal_text(totals.opening), decimal_text(totals.closing)
        # A balance that is wrong would keep Beancount from loading anything; the caution above says it.
        asserted = "" if is_verified(statement, totals) else ";; not asserted: "
        sink.write(
            f'{eve} * "Opening balance"\n'
            f"  {name}  {opening} {currency}\n  {_OPENING}  {decimal_text(-totals.opening)} {currency}\n\n"
            f"{statement.first_day} balance {name}  {opening} ~ 0.00 {currency}\n"
            f"{asserted}{day_after(statement.last_day)} balance {name}  {closing} ~ 0.00 {currency}\n"
        )
