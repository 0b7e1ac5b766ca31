"""A journal for hledger: every payment with both halves spelled out, the closing balance asserted.

Months can be included below each other in one journal: the opening entry says what the balance has to be on that
morning, so the first month brings the balance in and each later one adds nothing. Texts stand in the description
only; comments hold ids and times, because hledger would read `date:` in a comment as the date.

https://hledger.org/hledger.html#journal
"""

from typing import BinaryIO

from bunqflask.exports.currencies import decimals_of
from bunqflask.exports.ledger import Others, account_part, other_half, own_ibans
from bunqflask.exports.statement import Statement, Statements, booked, caution, decimal_text, each, totals_of
from bunqflask.exports.text import Sink, plain

_OTHERS = Others(income="income:unsorted", expenses="expenses:unsorted", transfers="assets:bunq:transfers")
_OPENING = "equity:opening balances"
# `;` would begin a comment, `|` part payee from note.
_SAFE = str.maketrans({";": ",", "|": "/"})


def _words(text: str) -> str:
    return plain(text).translate(_SAFE)


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one journal.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    own = own_ibans(statements)
    sink = Sink(stream)
    sink.write("; Payments from bunq. Every amount is exact.\ndecimal-mark .\n\n")
    for currency in sorted({statement.account.currency for statement in statements}):
        sink.write(f"commodity 1000.{max(2, decimals_of(currency)) * '0'} {currency}\n")
    for name in (_OPENING, _OTHERS.income, _OTHERS.expenses, _OTHERS.transfers):
        sink.write(f"account {name}\n")
    for statement in statements:
        _write_statement(statement, own, sink)
    sink.flush()


def _write_statement(statement: Statement, own: frozenset[str], sink: Sink) -> None:
    account = statement.account
    name = f"assets:bunq:{account_part(account)}"
    sink.write(f"\naccount {name}\n")
    sink.write(f"; {_words(account.name)} {_words(account.iban or '')}\n")
    sink.write(f"; {statement.first_day} to {statement.last_day}, days in {statement.zone}\n")
    totals = totals_of(statement)
    remark = caution(statement, totals)
    if remark or statement.notice:
        sink.write(f"; {_words(remark or statement.notice)}\n")
    sink.write("\n")
    if totals.known:
        sink.write(
            f"{statement.first_day} * opening balance\n"
            f"    {name}  = {decimal_text(totals.opening)} {account.currency}\n    {_OPENING}\n\n"
        )
    for local, entry in booked(statement):
        about = " | ".join(filter(None, (_words(entry.counterparty_name), _words(entry.description))))
        amount, opposite = decimal_text(entry.amount), decimal_text(-entry.amount)
        sink.write(
            f"{local.date()} * ({entry.payment_id}) {about}\n"
            f"    ; booked: {local.isoformat(sep=' ', timespec='seconds')}\n"
            f"    {name}  {amount} {entry.currency}\n"
            f"    {other_half(entry, own, _OTHERS)}  {opposite} {entry.currency}\n\n"
        )
    if totals.known and totals.agree:
        sink.write(
            f"{statement.last_day} * closing balance\n"
            f"    {name}  0.00 {account.currency} = {decimal_text(totals.closing)} {account.currency}\n\n"
        )
    else:
        sink.write(f"; No balance is asserted for {name}. {_words(remark)}\n\n")
