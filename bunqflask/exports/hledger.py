"""Two journals for hledger: the payments with both halves spelled out, and the ledger that includes and proves them.

Texts stand in the description only; comments hold ids and times, because hledger would read `date:` in a comment as the
date. Payments stand in the order of time over all accounts.

https://hledger.org/hledger.html#journal
"""

from collections.abc import Sequence
from typing import BinaryIO

from bunqflask.exports.currencies import decimals_of
from bunqflask.exports.ledger import Others, account_part, other_half
from bunqflask.exports.statement import (
    Account,
    Statement,
    Statements,
    Totals,
    booked_in_all,
    caution,
    decimal_text,
    each,
    is_verified,
    totals_of,
)
from bunqflask.exports.text import Sink, plain

_OTHERS = Others(income="income:unsorted", expenses="expenses:unsorted", transfers="assets:bunq:transfers")
_OPENING = "equity:opening balances"
# `;` would begin a comment, `|` part payee from note.
_SAFE = str.maketrans({";": ",", "|": "/"})


def _words(text: str) -> str:
    return plain(text).translate(_SAFE)


def _name(account: Account) -> str:
    return f"assets:bunq:{account_part(account)}"


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write the payments of all statements as one journal, without balances.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    sink = Sink(stream)
    sink.write("; Payments from bunq. Every amount is exact. Opening and closing balances are in the ledger.\n")
    _write_head(statements, sink)
    for statement in statements:
        account = statement.account
        sink.write(f"\naccount {_name(account)}\n; {_words(account.name)} {_words(account.iban or '')}\n")
        _write_period(statement, caution(statement, totals_of(statement)), sink)
    sink.write("\n")
    for statement, local, entry in booked_in_all(statements):
        about = " | ".join(filter(None, (_words(entry.counterparty_name), _words(entry.description))))
        amount, opposite = decimal_text(entry.amount), decimal_text(-entry.amount)
        sink.write(
            f"{local.date()} * ({entry.payment_id}) {about}\n"
            f"    ; booked: {local.isoformat(sep=' ', timespec='seconds')}\n"
            f"    {_name(statement.account)}  {amount} {entry.currency}\n"
            f"    {other_half(entry, _OTHERS)}  {opposite} {entry.currency}\n\n"
        )
    sink.flush()


def write_ledger(statements: Statements, payments: str, stream: BinaryIO) -> None:
    """Write the ledger: opening balances, the file `payments`, closing balances asserted.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    sink = Sink(stream)
    sink.write("; Opening balances, the payments of one period, and closing balances.\n")
    sink.write("; To go on with later periods, add only their payments: the balances are in already.\n")
    _write_head(statements, sink)
    totals = [totals_of(statement) for statement in statements]
    for statement, sums in zip(statements, totals, strict=True):
        sink.write(f"\naccount {_name(statement.account)}\n")
        _write_opening(statement, sums, sink)
    sink.write(f"\ninclude {payments}\n")
    for statement, sums in zip(statements, totals, strict=True):
        _write_closing(statement, sums, sink)
    sink.flush()


def _write_head(statements: Sequence[Statement], sink: Sink) -> None:
    sink.write("decimal-mark .\n\n")
    for currency in sorted({statement.account.currency for statement in statements}):
        sink.write(f"commodity 1000.{max(2, decimals_of(currency)) * '0'} {currency}\n")
    for name in (_OPENING, _OTHERS.income, _OTHERS.expenses, _OTHERS.transfers):
        sink.write(f"account {name}\n")


def _write_period(statement: Statement, remark: str, sink: Sink) -> None:
    sink.write(f"; {statement.first_day} to {statement.last_day}, days in {statement.zone}\n")
    if remark or statement.notice:
        sink.write(f"; {_words(remark or statement.notice)}\n")


def _write_opening(statement: Statement, totals: Totals, sink: Sink) -> None:
    if totals.known and totals.opening:
        amount, opposite, currency = (
            decimal_text(totals.opening),
            decimal_text(-totals.opening),
            statement.account.currency,
        )
        sink.write(
            f"\n{statement.first_day} * opening balance\n"
            f"    {_name(statement.account)}  {amount} {currency}\n    {_OPENING}  {opposite} {currency}\n"
        )


def _write_closing(statement: Statement, totals: Totals, sink: Sink) -> None:
    name, currency = _name(statement.account), statement.account.currency
    if totals.known and is_verified(statement, totals):
        sink.write(
            f"\n{statement.last_day} * closing balance\n"
            f"    {name}  0.00 {currency} = {decimal_text(totals.closing)} {currency}\n"
        )
    else:
        sink.write(f"\n; No balance is asserted for {name}. {_words(caution(statement, totals))}\n")
