"""OFX 2.1.1, the form that is XML: names keep their accents, and any XML parser can check it.

OFX 1.0.2 (SGML) has no agreed way to write anything beyond Windows-1252; programs that import OFX today take both.
FITID is bunq's payment id, so importing a period twice adds nothing. DTPOSTED carries the zone's distance to UTC, and
its first eight digits, which is all that many programs read, are the local day.

https://financialdataexchange.org/FDX/About/OFX-Work-Group.aspx
"""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import BinaryIO
from xml.sax.saxutils import escape

from bunqflask.exports.statement import (
    Account,
    DoesNotFit,
    Entry,
    Statement,
    Statements,
    begin_of,
    booked,
    caution,
    decimal_text,
    each,
    end_of,
    totals_of,
)
from bunqflask.exports.text import Sink, is_iban, plain

LONGEST_NAME = 32
LONGEST_MEMO = 255
LONGEST_BALANCE_TEXT = 80
LONGEST_ACCOUNT = 22
LONGEST_AMOUNT = 32

_HEADER = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    '<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)
_CARDS = frozenset({"MASTERCARD", "MAESTRO", "FIS"})
_DIRECT_DEBITS = frozenset({"EBA_SDD", "SDD"})


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one OFX file.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    sink = Sink(stream)
    signed_on = max((_moment(end_of(statement)) for statement in statements), default="20000101000000")
    sink.write(
        f"{_HEADER}<OFX>\n<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>"
        f"<DTSERVER>{signed_on}</DTSERVER><LANGUAGE>ENG</LANGUAGE></SONRS></SIGNONMSGSRSV1>\n"
    )
    if statements:
        sink.write("<BANKMSGSRSV1>\n")
        for statement in statements:
            _write_statement(statement, sink)
        sink.write("</BANKMSGSRSV1>\n")
    sink.write("</OFX>\n")
    sink.flush()


def _write_statement(statement: Statement, sink: Sink) -> None:
    account = statement.account
    totals = totals_of(statement)
    first, last = _moment(begin_of(statement)), _moment(end_of(statement))
    sink.write(
        f"<STMTTRNRS><TRNUID>{account.monetary_account_id}</TRNUID>"
        "<STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>\n"
        f"<STMTRS><CURDEF>{account.currency}</CURDEF>{_bank_account(account)}\n"
        f"<BANKTRANLIST><DTSTART>{first}</DTSTART><DTEND>{last}</DTEND>\n"
    )
    for local, entry in booked(statement):
        sink.write(
            f"<STMTTRN><TRNTYPE>{_type(entry)}</TRNTYPE><DTPOSTED>{_moment(local)}</DTPOSTED>"
            f"<TRNAMT>{_amount(entry.amount)}</TRNAMT><FITID>{entry.payment_id}</FITID>{_texts(entry)}</STMTTRN>\n"
        )
    opening = "Opening balance" if totals.known else "Opening balance not known"
    about = _fitting(plain(f"{statement.zone}. {caution(statement, totals)}"), LONGEST_BALANCE_TEXT)
    sink.write(
        f"</BANKTRANLIST>\n<LEDGERBAL><BALAMT>{_amount(totals.closing)}</BALAMT><DTASOF>{last}</DTASOF></LEDGERBAL>\n"
        f"<BALLIST><BAL><NAME>{opening}</NAME><DESC>{about}</DESC><BALTYPE>DOLLAR</BALTYPE>"
        f"<VALUE>{_amount(totals.opening)}</VALUE><DTASOF>{first}</DTASOF></BAL></BALLIST>\n</STMTRS></STMTTRNRS>\n"
    )


def _bank_account(account: Account) -> str:
    number, bank = plain(account.iban or "") or str(account.monetary_account_id), "BUNQ"
    if is_iban(number):
        # Room for 22 characters: of a longer IBAN (France's has 27) the bank takes the national number's begin, and
        # the account its end, so that nothing is lost but the country.
        national = number[4:]
        bank = national[: max(4, len(national) - LONGEST_ACCOUNT)]
        number = number if len(number) <= LONGEST_ACCOUNT else national[-LONGEST_ACCOUNT:]
    elif len(number) > LONGEST_ACCOUNT:
        number = str(account.monetary_account_id)
    kind = "SAVINGS" if "saving" in account.kind.casefold() else "CHECKING"
    return (
        f"<BANKACCTFROM><BANKID>{bank}</BANKID><ACCTID>{escape(number)}</ACCTID>"
        f"<ACCTTYPE>{kind}</ACCTTYPE></BANKACCTFROM>"
    )


def _type(entry: Entry) -> str:
    kind, sub_kind = entry.kind.upper(), entry.sub_kind.upper()
    if sub_kind == "WITHDRAWAL":
        return "ATM"
    if kind == "INTEREST":
        return "INT"
    if kind in _CARDS:
        return "POS"
    if entry.amount < 0 and (kind in _DIRECT_DEBITS or sub_kind in _DIRECT_DEBITS):
        return "DIRECTDEBIT"
    return "DEBIT" if entry.amount < 0 else "CREDIT"


def _texts(entry: Entry) -> str:
    name, description = plain(entry.counterparty_name), plain(entry.description)
    # What the short NAME cuts off stands in full before the rest.
    parts = (name if len(name) > LONGEST_NAME else "", plain(entry.counterparty_iban or ""), description)
    memo = _fitting(" ".join(filter(None, parts)), LONGEST_MEMO)
    head = _fitting(name or description or entry.kind, LONGEST_NAME) or "-"
    return f"<NAME>{head}</NAME>" + (f"<MEMO>{memo}</MEMO>" if memo else "")


def _fitting(text: str, longest: int) -> str:
    return escape(plain(text)[:longest].strip())


def _amount(amount: Decimal) -> str:
    text = decimal_text(amount)
    if len(text) > LONGEST_AMOUNT:
        raise DoesNotFit(f"OFX has {LONGEST_AMOUNT} characters for an amount")
    return text


def _moment(local: datetime) -> str:
    """Return OFX's date and time: "20261031233000.000[+1:CET]".

    Programs read "+5.30" as half an hour or as three tenths of one. So where a zone lies between whole hours, the
    same time is written as the clock shows it in the whole hour next to it where the day is the same.
    """
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    hours, between = divmod(minutes, 60)
    name = "" if between else local.tzname() or ""
    shown = local.astimezone(timezone(timedelta(hours=hours)))
    if shown.date() != local.date():
        hours += 1
        shown = local.astimezone(timezone(timedelta(hours=hours)))
    label = f":{name}" if name.isascii() and name.isalpha() else ""
    return f"{shown:%Y%m%d%H%M%S}.000[{f'{hours:+}' if hours else '0'}{label}]"
