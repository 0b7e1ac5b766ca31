"""A ledger for Beancount: both halves of every payment, opening and closing balances asserted without any tolerance.

A file stands on its own: it opens its accounts the day before the period and brings the opening balance in there.

https://beancount.github.io/docs/beancount_language_syntax.html
"""

from typing import BinaryIO

from bunqflask.exports.ledger import Others, account_part, other_half, own_ibans
from bunqflask.exports.statement import (
    Statement,
    Statements,
    booked,
    caution,
    day_after,
    day_before,
    decimal_text,
    each,
    totals_of,
)
from bunqflask.exports.text import Sink, plain

_OTHERS = Others(income="Income:Unsorted", expenses="Expenses:Unsorted", transfers="Assets:Bunq:Transfers")
_OPENING = "Equity:Opening-Balances"


def _quoted(text: str) -> str:
    return '"' + plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one ledger.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    own = own_ibans(statements)
    sink = Sink(stream)
    sink.write(";; Payments from bunq. Every amount is exact.\n")
    for currency in sorted({statement.account.currency for statement in statements}):
        sink.write(f'option "operating_currency" "{currency}"\n')
    sink.write("\n")
    if statements:
        earliest = day_before(min(statement.first_day for statement in statements))
        for name in (_OPENING, _OTHERS.income, _OTHERS.expenses, _OTHERS.transfers):
            sink.write(f"{earliest} open {name}\n")
    for statement in statements:
        _write_statement(statement, own, sink)
    sink.flush()


def _write_statement(statement: Statement, own: frozenset[str], sink: Sink) -> None:
    account = statement.account
    name, currency = f"Assets:Bunq:{account_part(account)}", account.currency
    totals = totals_of(statement)
    eve = day_before(statement.first_day)
    remark = plain(caution(statement, totals) or statement.notice)
    sink.write(
        f"\n;; {statement.first_day} to {statement.last_day}, days in {statement.zone}\n"
        + (f";; {remark}\n" if remark else "")
        + f"{eve} open {name} {currency}\n"
        f"  name: {_quoted(account.name)}\n" + (f"  iban: {_quoted(account.iban)}\n\n" if account.iban else "\n")
    )
    if totals.known:
        opening = decimal_text(totals.opening)
        sink.write(
            f'{eve} * "Opening balance"\n'
            f"  {name}  {opening} {currency}\n  {_OPENING}  {decimal_text(-totals.opening)} {currency}\n\n"
            f"{statement.first_day} balance {name}  {opening} ~ 0.00 {currency}\n\n"
        )
    for local, entry in booked(statement):
        amount, opposite = decimal_text(entry.amount), decimal_text(-entry.amount)
        sink.write(
            f"{local.date()} * {_quoted(entry.counterparty_name)} {_quoted(entry.description)}\n"
            f'  payment: "{entry.payment_id}"\n  booked: "{local.isoformat(timespec="seconds")}"\n'
            f"  {name}  {amount} {entry.currency}\n"
            f"  {other_half(entry, own, _OTHERS)}  {opposite} {entry.currency}\n\n"
        )
    if totals.known:
        # A balance that is wrong would keep Beancount from loading anything; the caution above says it.
        asserted = "" if totals.agree else ";; not asserted: "
        closing = decimal_text(totals.closing)
        sink.write(f"{asserted}{day_after(statement.last_day)} balance {name}  {closing} ~ 0.00 {currency}\n")
