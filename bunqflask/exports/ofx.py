"""OFX 1.0.2 in UTF-8, with every end tag: the form that all programs read whole, accents and emoji included.

Programs built on ofxparse take the newer form, which is XML, for ASCII and refuse its first accent. FITID is bunq's
payment id, so importing a period twice adds nothing. Dates have no time: with one, a program on a computer in another
time zone books payments around midnight on the day before.

https://financialdataexchange.org/FDX/About/OFX-Work-Group.aspx
"""

from datetime import date
from decimal import Decimal
from typing import BinaryIO
from xml.sax.saxutils import escape

from bunqflask.exports.cards import CARDS
from bunqflask.exports.statement import (
    Account,
    DoesNotFit,
    Entry,
    Statement,
    Statements,
    booked,
    caution,
    decimal_text,
    each,
    totals_of,
)
from bunqflask.exports.text import Sink, cut, is_iban, plain

LONGEST_NAME = 32
LONGEST_MEMO = 255
LONGEST_BALANCE_TEXT = 80
LONGEST_ACCOUNT = 22
LONGEST_AMOUNT = 32

_HEADER = (
    "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:UTF-8\nCHARSET:NONE\nCOMPRESSION:NONE\n"
    "OLDFILEUID:NONE\nNEWFILEUID:NONE\n\n"
)
_BANK = "<FI><ORG>bunq</ORG><FID>BUNQNL2A</FID></FI>"
_DIRECT_DEBITS = frozenset({"EBA_SDD", "SDD"})


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements as one OFX file.

    :raises StatementBroken: see `booked`.
    """
    statements = each(statements)
    sink = Sink(stream)
    signed_on = max((_day(statement.last_day) for statement in statements), default="20000101")
    sink.write(
        f"{_HEADER}<OFX>\n<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>"
        f"<DTSERVER>{signed_on}</DTSERVER><LANGUAGE>ENG</LANGUAGE>{_BANK}</SONRS></SIGNONMSGSRSV1>\n"
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
    first, last = _day(statement.first_day), _day(statement.last_day)
    sink.write(
        f"<STMTTRNRS><TRNUID>{account.monetary_account_id}</TRNUID>"
        "<STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>\n"
        f"<STMTRS><CURDEF>{account.currency}</CURDEF>{_bank_account(account)}\n"
        f"<BANKTRANLIST><DTSTART>{first}</DTSTART><DTEND>{last}</DTEND>\n"
    )
    for local, entry in booked(statement):
        sink.write(
            f"<STMTTRN><TRNTYPE>{_type(entry)}</TRNTYPE><DTPOSTED>{_day(local)}</DTPOSTED>"
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
    if kind in CARDS:
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
    return escape(cut(plain(text), longest))


def _amount(amount: Decimal) -> str:
    text = decimal_text(amount)
    if len(text) > LONGEST_AMOUNT:
        raise DoesNotFit(f"OFX has {LONGEST_AMOUNT} characters for an amount")
    return text


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"
