"""MT940 as bunq writes it, in an envelope: one statement per account, with the codewords of Dutch banks in field 86.

Layout, references and letters are those of bunq's own files, so that packages set up for bunq take these. Where readers
differ, what all of them take is written: SWIFT's envelope instead of bunq's three lines above a statement, which some
readers refuse and without which others drop the first statement; field 86 on one line, because a reader joins lines
with a space, inside words too; text in ASCII. Of bunq's file we add the payment's id, by which a program recognises it.

A period that is not verified says so in the statement's reference, which programs show and do not compute with: a
field 86 of the whole statement would be taken for the last payment's. The zone has no field here.

https://www2.swift.com/knowledgecentre/publications/us9m_20230720/1.0
"""

import re
from decimal import Decimal
from typing import BinaryIO

from bunqflask.exports.currencies import amount_text
from bunqflask.exports.statement import (
    DoesNotFit,
    Entry,
    Statement,
    Statements,
    booked,
    caution,
    each,
    totals_of,
)
from bunqflask.exports.text import Sink, ascii_text, cut, plain

LONGEST_DETAILS = 390  # SWIFT's six lines of 65
LONGEST_AMOUNT = 15
LONGEST_REFERENCE = 16
LONGEST_IBAN = 34
LONGEST_NAME = 70

_CODEWORD = re.compile(r"(?:(?<=/)|^)([A-Z]{2,5})/")
_OURS = frozenset({"IBAN", "NAME", "REMI"})
# The envelope's braces, and a sign that AqBanking drops (two of them are a line break there).
_SAFE = str.maketrans({"{": "(", "}": ")", "@": "(at)"})
_ENVELOPE = "{1:F01BUNQNL2AXXXX0000000000}{2:I940BUNQNL2AXXXXN}{4:"
_TYPES = {"EBA_SDD": "DDT", "SDD": "DDT", "INTEREST": "INT", "MASTERCARD": "MSC", "MAESTRO": "MSC", "FIS": "MSC"}


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements, one message below the other.

    :raises StatementBroken: see `booked`.
    :raises DoesNotFit: an amount of a million million or more.
    """
    sink = Sink(stream, encoding="ascii")
    for statement in each(statements):
        _write_statement(statement, sink)
    sink.flush()


def _write_statement(statement: Statement, sink: Sink) -> None:
    account, first, last = statement.account, statement.first_day, statement.last_day
    totals = totals_of(statement)
    number = _safe(account.iban or "")[:LONGEST_IBAN] or str(account.monetary_account_id)
    reference = "NOTVERIFIED" if caution(statement, totals) else "BUNQ BV"
    # The statement's number has five digits: the year and the day in it, so that later periods count higher.
    sink.write(
        f"{_ENVELOPE}\r\n:20:{reference}\r\n:25:{number} {account.currency}\r\n:28C:{last:%y%j}/1\r\n"
        f":60F:{_balance(totals.opening, f'{first:%y%m%d}', account.currency)}\r\n"
    )
    for local, entry in booked(statement):
        sign, amount = _signed(entry.amount, entry.currency)
        kind = _TYPES.get(entry.kind.upper()) or _TYPES.get(entry.sub_kind.upper()) or "TRF"
        sink.write(
            f":61:{local:%y%m%d%m%d}{sign}{amount}N{kind}NONREF//{str(entry.payment_id)[:LONGEST_REFERENCE]}\r\n"
            f":86:{_details(entry)}\r\n"
        )
    sink.write(f":62F:{_balance(totals.closing, f'{last:%y%m%d}', account.currency)}\r\n-}}\r\n")


def _balance(amount: Decimal, day: str, currency: str) -> str:
    sign, text = _signed(amount, currency)
    return f"{sign}{day}{currency}{text}"


def _signed(amount: Decimal, currency: str) -> tuple[str, str]:
    """Return SWIFT's mark and amount, whose comma stands also where no decimals follow: ("D", "12,95")."""
    whole, _, fraction = amount_text(abs(amount), currency).partition(".")
    text = f"{whole},{fraction}"
    if len(text) > LONGEST_AMOUNT and text.endswith(",00"):
        text = text[:-2]
    if len(text) > LONGEST_AMOUNT:
        raise DoesNotFit(f"MT940 has {LONGEST_AMOUNT} characters for an amount")
    return ("D" if amount < 0 else "C"), text


def _details(entry: Entry) -> str:
    """Return field 86: one line, in which only our codewords are codewords."""
    # A slash in a name would read as the next codeword; free text keeps its slashes, but none closes a codeword.
    iban = plain(_safe(entry.counterparty_iban or "").replace("/", " "))[:LONGEST_IBAN]
    name = cut(plain(_safe(entry.counterparty_name).replace("/", " ")), LONGEST_NAME)
    remittance = plain(_CODEWORD.sub(r"\1 ", _safe(entry.description)))
    head = "".join(
        # Somebody called "NAME" is written "Name": a value must not look like a codeword.
        f"/{word}/{value.capitalize() if value in _OURS else value}"
        for word, value in (("IBAN", iban), ("NAME", name))
        if value
    )
    head += "/REMI/"
    return head + cut(remittance, LONGEST_DETAILS - len(head))


def _safe(text: str) -> str:
    return ascii_text(text).translate(_SAFE)
