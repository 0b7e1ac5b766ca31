"""MT940 as Dutch banks give it to bookkeeping programs: one statement per account, structured field 86.

Field 86 names its parts with codewords (`/IBAN/`, `/NAME/`, `/EREF/`, `/REMI/`), as ABN AMRO and Rabobank do; the
free text comes last, so that the six lines of 65 characters can only cost its end. Only characters of SWIFT's set "x"
are written: accents fall off, everything else without a likeness becomes a full stop. A period that is not verified
says so in the statement's reference, which programs show and do not compute with: a field 86 of the whole statement
would be taken for the last payment's. The zone has no field here; the pack's other files name it.

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
    day_before,
    each,
    totals_of,
)
from bunqflask.exports.text import Sink, chunks, plain, swift

LINE_WIDTH = 65
LINES_OF_86 = 6
LONGEST_AMOUNT = 15
LONGEST_REFERENCE = 16
LONGEST_ACCOUNT = 35
LONGEST_NAME = 70

_CODEWORD = re.compile(r"(?:(?<=/)|^)([A-Z]{2,5})/")
_OURS = frozenset({"IBAN", "NAME", "EREF", "REMI"})
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
    account, last = statement.account, statement.last_day
    totals = totals_of(statement)
    number = (swift(account.iban or "") or str(account.monetary_account_id))[:LONGEST_ACCOUNT]
    reference = "NOTVERIFIED" if caution(statement, totals) else str(account.monetary_account_id)[:LONGEST_REFERENCE]
    # The statement's number has five digits: the year and the day in it, so that later periods count higher.
    sink.write(
        f":20:{reference}\r\n:25:{number}\r\n:28C:{last:%y%j}/1\r\n"
        f":60F:{_balance(totals.opening, f'{day_before(statement.first_day):%y%m%d}', account.currency)}\r\n"
    )
    for local, entry in booked(statement):
        sign, amount = _signed(entry.amount, entry.currency)
        kind = _TYPES.get(entry.kind.upper()) or _TYPES.get(entry.sub_kind.upper()) or "TRF"
        sink.write(
            f":61:{local:%y%m%d%m%d}{sign}{amount}N{kind}NONREF//{str(entry.payment_id)[:LONGEST_REFERENCE]}\r\n"
            f":86:{_details(entry)}\r\n"
        )
    sink.write(f":62F:{_balance(totals.closing, f'{last:%y%m%d}', account.currency)}\r\n-\r\n")


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
    """Return field 86: at most six lines, and none after the first that looks like the begin of a field."""
    # A slash in a name would read as the next codeword; free text keeps its slashes, but none closes a codeword.
    iban = plain(swift(entry.counterparty_iban or "").replace("/", " "))[:LONGEST_ACCOUNT]
    name = plain(swift(entry.counterparty_name).replace("/", " "))[:LONGEST_NAME].strip()
    remittance = plain(_CODEWORD.sub(r"\1 ", swift(entry.description)))
    text = "".join(
        # Somebody called "NAME" is written "Name": a value must not look like a codeword.
        f"/{word}/{value.capitalize() if value in _OURS else value}"
        for word, value in (("IBAN", iban), ("NAME", name), ("EREF", "NOTPROVIDED"), ("REMI", remittance))
        if value
    )
    lines = chunks(text[: LINES_OF_86 * LINE_WIDTH], LINE_WIDTH, not_first=":-")[:LINES_OF_86]
    return "\r\n".join("." + line[1:] if line[0] in ":-" else line for line in lines).rstrip()
