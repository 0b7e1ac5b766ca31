"""CAMT.053 in version camt.053.001.02.

That version is the one the Dutch banks' common guideline describes and the one bookkeeping programs in the Netherlands
read; those that take the newer .08 take this as well. Written as text, entry by entry, so that its size costs nothing.
bunq's API does not give the end-to-end reference, and SEPA's placeholder for it is left out: programs show it as
the reference of every payment, in place of the payment's id.

https://www.iso20022.org/catalogue-messages · https://www.betaalvereniging.nl
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import BinaryIO
from xml.sax.saxutils import escape

from bunqflask.exports.cards import CARDS, foreign_amount
from bunqflask.exports.currencies import amount_text
from bunqflask.exports.statement import (
    Account,
    DoesNotFit,
    Entry,
    Statement,
    Statements,
    Totals,
    begin_of,
    booked,
    caution,
    each,
    end_of,
    totals_of,
)
from bunqflask.exports.text import Sink, creditor_reference, cut, is_iban, pieces, plain

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"
LONGEST_REFERENCE = 35
LONGEST_NUMBER = 34
LONGEST_ACCOUNT_NAME = 70
LONGEST_NAME = 140
LONGEST_REMITTANCE = 140
LONGEST_REMARK = 500
DIGITS, DECIMALS = 18, 5

_DIRECT_DEBITS = frozenset({"EBA_SDD", "SDD"})


def write(statements: Statements, stream: BinaryIO) -> None:
    """Write all statements into one message.

    :raises StatementBroken: see `booked`.
    :raises DoesNotFit: an amount of more than 18 digits, or of more than 5 decimals.
    """
    statements = each(statements)
    sink = Sink(stream)
    sink.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>\n')
    sink.write(_header(statements))
    for statement in statements:
        _write_statement(statement, sink)
    sink.write("</BkToCstmrStmt></Document>\n")
    sink.flush()


def _header(statements: Sequence[Statement]) -> str:
    if not statements:
        raise DoesNotFit("CAMT.053 needs at least one statement")
    latest = max(statements, key=lambda statement: end_of(statement))
    number = min(statement.account.monetary_account_id for statement in statements)
    # Two periods that end on the same day are two messages: programs refuse an id that they have seen.
    first = min(statement.first_day for statement in statements)
    message = f"bunq-{number}-{first:%Y%m%d}-{latest.last_day:%Y%m%d}"
    return (
        f"<GrpHdr><MsgId>{message[:LONGEST_REFERENCE]}</MsgId>"
        f"<CreDtTm>{end_of(latest).isoformat()}</CreDtTm></GrpHdr>\n"
    )


def _write_statement(statement: Statement, sink: Sink) -> None:
    totals = totals_of(statement)
    account, first, last = statement.account, statement.first_day, statement.last_day
    number = f"{account.monetary_account_id}-{first:%Y%m%d}-{last:%Y%m%d}"[:LONGEST_REFERENCE]
    sink.write(
        f"<Stmt><Id>{number}</Id><ElctrncSeqNb>{last:%Y%j}</ElctrncSeqNb>"
        f"<CreDtTm>{end_of(statement).isoformat()}</CreDtTm>"
        f"<FrToDt><FrDtTm>{begin_of(statement).isoformat()}</FrDtTm><ToDtTm>{end_of(statement).isoformat()}</ToDtTm>"
        f"</FrToDt>\n{_account(account)}\n"
        f"{_balance('OPBD', totals.opening, account.currency, first.isoformat())}\n"
        f"{_balance('CLBD', totals.closing, account.currency, last.isoformat())}\n"
        f"{_summary(totals, account.currency)}\n"
    )
    for local, entry in booked(statement):
        sink.write(_entry(entry, local.date().isoformat(), local.isoformat(timespec="seconds")))
    remark = plain(f"Days in {statement.zone}. {caution(statement, totals) or statement.notice}")
    sink.write(f"<AddtlStmtInf>{escape(remark[:LONGEST_REMARK].rstrip())}</AddtlStmtInf></Stmt>\n")


def _account(account: Account) -> str:
    name, holder = plain(account.name)[:LONGEST_ACCOUNT_NAME], plain(account.holder)[:LONGEST_NAME]
    number = plain(account.iban or "") or str(account.monetary_account_id)
    at_bunq = not is_iban(number) or number[4:8] == "BUNQ"
    return (
        f"<Acct><Id>{_number(number)}</Id><Ccy>{account.currency}</Ccy>"
        + _named("Nm", name)
        + (f"<Ownr>{_named('Nm', holder)}</Ownr>" if holder else "")
        + ("<Svcr><FinInstnId><BIC>BUNQNL2A</BIC></FinInstnId></Svcr>" if at_bunq else "")
        + "</Acct>"
    )


def _number(number: str) -> str:
    if is_iban(number):
        return f"<IBAN>{number}</IBAN>"
    return f"<Othr><Id>{escape(plain(number)[:LONGEST_NUMBER].rstrip())}</Id></Othr>"


def _named(tag: str, text: str) -> str:
    text = text.strip()
    return f"<{tag}>{escape(text)}</{tag}>" if text else ""


def _balance(code: str, amount: Decimal, currency: str, day: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(amount, currency)}<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _amount(amount: Decimal, currency: str) -> str:
    return f'<Amt Ccy="{currency}">{_digits(amount, currency)}</Amt><CdtDbtInd>{_side(amount)}</CdtDbtInd>'


def _digits(amount: Decimal, currency: str) -> str:
    text = amount_text(abs(amount), currency)
    if len(text) > DIGITS + 1 or len(text.partition(".")[2]) > DECIMALS:
        raise DoesNotFit(f"CAMT.053 has {DIGITS} digits for an amount, {DECIMALS} of them decimals")
    return text


def _side(amount: Decimal) -> str:
    return "DBIT" if amount < 0 else "CRDT"


def _summary(totals: Totals, currency: str) -> str:
    net, turnover = totals.money_in + totals.money_out, totals.money_in - totals.money_out
    return (
        f"<TxsSummry><TtlNtries><NbOfNtries>{totals.count}</NbOfNtries>"
        f"<Sum>{_digits(turnover, currency)}</Sum><TtlNetNtryAmt>{_digits(net, currency)}</TtlNetNtryAmt>"
        f"<CdtDbtInd>{_side(net)}</CdtDbtInd></TtlNtries>"
        f"<TtlCdtNtries><Sum>{_digits(totals.money_in, currency)}</Sum></TtlCdtNtries>"
        f"<TtlDbtNtries><Sum>{_digits(totals.money_out, currency)}</Sum></TtlDbtNtries></TxsSummry>"
    )


def _entry(entry: Entry, day: str, booked_at: str) -> str:
    return (
        f"<Ntry><NtryRef>{entry.payment_id}</NtryRef>{_amount(entry.amount, entry.currency)}<Sts>BOOK</Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>{entry.payment_id}</AcctSvcrRef>"
        f"{_transaction_code(entry)}{_abroad(entry)}<NtryDtls><TxDtls>"
        f"<Refs><AcctSvcrRef>{entry.payment_id}</AcctSvcrRef></Refs>"
        f"{_parties(entry)}{_remittance(entry.description)}<RltdDts><TxDtTm>{booked_at}</TxDtTm></RltdDts>"
        "</TxDtls></NtryDtls></Ntry>\n"
    )


def _transaction_code(entry: Entry) -> str:
    """Return ISO's code for what happened, and bunq's own text beside it."""
    kind, sub_kind, out = entry.kind.upper(), entry.sub_kind.upper(), entry.amount < 0
    is_back = sub_kind == "REVERSAL"
    if kind == "INTEREST":
        code = ("ACMT", "MDOP" if out else "MCOP", "INTR")
    elif kind in CARDS or sub_kind == "WITHDRAWAL":
        code = ("PMNT", "CCRD", "CWDL" if sub_kind == "WITHDRAWAL" else "POSD" if out else "RIMB")
    elif kind in _DIRECT_DEBITS or sub_kind in _DIRECT_DEBITS:
        # Money back of a direct debit that we paid is still one that we received.
        code = ("PMNT", "RDDT", "ESDD") if out else ("PMNT", "RDDT", "PRDD") if is_back else ("PMNT", "IDDT", "ESDD")
    else:
        code = ("PMNT", "ICDT" if out else "RCDT", "BOOK" if kind == "BUNQ" else "ESCT")
    own = escape(plain(f"{entry.kind}/{entry.sub_kind}")[:LONGEST_REFERENCE].rstrip())
    return (
        f"<BkTxCd><Domn><Cd>{code[0]}</Cd><Fmly><Cd>{code[1]}</Cd><SubFmlyCd>{code[2]}</SubFmlyCd></Fmly></Domn>"
        f"<Prtry><Cd>{own}</Cd><Issr>bunq</Issr></Prtry></BkTxCd>"
    )


def _abroad(entry: Entry) -> str:
    """Return what the shop charged where that was in another currency.

    It stands in the entry: programs take the first amount in its details for that of the payment.
    """
    abroad = foreign_amount(entry)
    if abroad is None:
        return ""
    amount, currency = abroad
    return f'<AmtDtls><InstdAmt><Amt Ccy="{currency}">{_digits(abs(amount), currency)}</Amt></InstdAmt></AmtDtls>'


def _parties(entry: Entry) -> str:
    # Who is not us: the debtor of money that came in, the creditor of money that went out.
    tag = "Cdtr" if entry.amount < 0 else "Dbtr"
    name = _named("Nm", cut(plain(entry.counterparty_name), LONGEST_NAME))
    number = plain(entry.counterparty_iban or "")
    parties = (f"<{tag}>{name}</{tag}>" if name else "") + (
        f"<{tag}Acct><Id>{_number(number)}</Id></{tag}Acct>" if number else ""
    )
    return f"<RltdPties>{parties}</RltdPties>" if parties else ""


def _remittance(description: str) -> str:
    text = plain(description)
    texts = "".join(f"<Ustrd>{escape(piece)}</Ustrd>" for piece in pieces(text, LONGEST_REMITTANCE))
    return f"<RmtInf>{texts}{_creditor_reference(text)}</RmtInf>" if texts else ""


def _creditor_reference(text: str) -> str:
    """Return the reference once more where the whole text is one: packages match invoices by this element."""
    reference = creditor_reference(text)
    if reference is None:
        return ""
    kind = "<Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry><Issr>ISO</Issr></Tp>"
    return f"<Strd><CdtrRefInf>{kind}<Ref>{reference}</Ref></CdtrRefInf></Strd>"
