"""Payments from a pain.001 file, as bookkeeping programs write them for a bank: versions .03 and .09.

Taken are SEPA credit transfers in euros. The numbers of payments and the sums that the file states have to agree with
its payments, so that one that lost some is noticed. The receiver's bank (BIC) is not needed: it follows from the IBAN.

https://www.iso20022.org/iso-20022-message-definitions (Payments Initiation)
https://www.europeanpaymentscouncil.eu/document-library/implementation-guidelines (EPC132-08)
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from bunqflask import ibans
from bunqflask.i18n import gettext as _
from bunqflask.payment_files.amounts import LARGEST
from bunqflask.payment_files.lines import (
    MOST_LINES,
    Collector,
    Field,
    FileRefused,
    PaymentFile,
    one_line,
    quoted,
    too_many,
)
from bunqflask.payment_files.xml_tree import Malformed, Node, XmlRefused, parse

_MESSAGES = "urn:iso:std:iso:20022:tech:xsd:"
_ROOTS = tuple(f"{{{_MESSAGES}{version}}}Document" for version in ("pain.001.001.03", "pain.001.001.09"))
# What a program writes that has no reference for a payment.
_NO_REFERENCE = "NOTPROVIDED"
_AMOUNT = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,2})?")
_SUM = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,17})?")
_COUNT = re.compile(r"[0-9]{1,15}")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9:.]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?")
# What says something to the bank or the receiver for which a draft of bunq has no field.
_NOT_CARRIED = (
    "LclInstrm", "CtgyPurp", "UltmtDbtr", "UltmtCdtr", "InstrForCdtrAgt", "InstrForDbtrAgt", "Purp", "RgltryRptg",
    "Tax", "RltdRmtInf", "RfrdDocAmt", "RltdDt", "SplmtryData",
)  # fmt: skip


def read(content: bytes) -> PaymentFile | FileRefused:
    """Return all payments of a pain.001 file, or all of its faults."""
    try:
        root = parse(content)
    except XmlRefused as error:
        return FileRefused.because(str(error))
    if root.tag not in _ROOTS:
        return FileRefused.because(_other_root(root.tag), Field.KIND)
    return _Reading().whole(Node(root))


def _other_root(tag: str) -> str:
    if tag.startswith(f"{{{_MESSAGES}pain.008."):
        return _("This file collects money (direct debit). Here it is only paid: export a pain.001 file.")
    return _("This is not a payment file in pain.001.001.03 or pain.001.001.09. Export it in one of them.")


def _place(number: int) -> str:
    return _("Payment %(number)d") % {"number": number}


class _Reading:
    """One pass over a file."""

    def __init__(self) -> None:
        self._collector = Collector(_place)
        self._count = 0
        # None once an amount could not be read: then no sum can be compared.
        self._sum: Decimal | None = Decimal(0)
        self._debtor_iban: str | None = None

    def whole(self, root: Node) -> PaymentFile | FileRefused:
        """Read a document."""
        message_id = ""
        try:
            initiation = root.need("CstmrCdtTrfInitn")
            batches = initiation.all("PmtInf")
            if sum(len(batch.all("CdtTrfTxInf")) for batch in batches) > MOST_LINES:
                return FileRefused.because(too_many())
            header = initiation.need("GrpHdr")
            message_id = header.text("MsgId")
            header.need("NbOfTxs")
            for number, batch in enumerate(batches, start=1):
                self._batch(batch, _("Batch %(number)d") % {"number": number})
            self._compare(header, _("The file"), self._count, self._sum)
        except Malformed as error:
            self._collector.refuse(_("The file is not complete: %(why)s. Export it again.") % {"why": error})
        if not self._count and not self._collector.is_refused:
            self._collector.refuse(_("The file has no payments. Export it again."))
        return self._collector.result(
            debtor_iban=self._debtor_iban,
            message_id=message_id or None,
            not_carried=[name for name in _NOT_CARRIED if root.has_below(name)],
        )

    def _batch(self, batch: Node, place: str) -> None:
        """Read a batch: payments from one account on one day."""
        if batch.text("PmtMtd") != "TRF":
            reason = _("%(place)s is not paid by transfer, but for example by cheque. Only SEPA transfers can be paid.")
            self._collector.refuse(reason % {"place": place}, Field.KIND)
        if why := _not_sepa(batch):
            self._collector.refuse(f"{place}: {why}.", Field.KIND)
        self._check_debtor(batch, place)
        day = self._day(batch, place)
        before, sum_before = self._count, self._sum
        for transfer in batch.all("CdtTrfTxInf"):
            self._count += 1
            try:
                self._transfer(transfer, day)
            except Malformed as error:
                self._sum = None
                reason = _("%(why)s: export the file again") % {"why": error}
                self._collector.refuse_line(self._count, Field.FILE, reason)
        found = None if self._sum is None or sum_before is None else self._sum - sum_before
        self._compare(batch, place, self._count - before, found)

    def _check_debtor(self, batch: Node, place: str) -> None:
        iban = ibans.normalise(batch.text("DbtrAcct/Id/IBAN"))
        if not iban:
            reason = _("%(place)s does not name the IBAN of the account to pay from. Choose one when you export.")
            self._collector.refuse(reason % {"place": place}, Field.IBAN)
        elif why := ibans.fault_of(iban):
            reason = _("%(place)s: the IBAN %(iban)s of the account to pay from %(why)s. Correct it and export again.")
            self._collector.refuse(reason % {"place": place, "iban": quoted(iban), "why": why}, Field.IBAN)
        elif iban != (self._debtor_iban or iban):
            reason = _("%(place)s is paid from another account than those before it. Export one file for each account.")
            self._collector.refuse(reason % {"place": place}, Field.IBAN)
        else:
            self._debtor_iban = iban
        if batch.text("DbtrAcct/Ccy") not in ("", "EUR"):
            reason = _("%(place)s is paid from an account in another currency. Choose one in euros.")
            self._collector.refuse(reason % {"place": place}, Field.CURRENCY)

    def _day(self, batch: Node, place: str) -> date | None:
        """Return the day on which a batch is to be paid; None after its fault was noted."""
        wanted = batch.need("ReqdExctnDt")
        text = (wanted.text("Dt") or wanted.text("DtTm")) if len(wanted.element) else wanted.own_text()
        found = _DAY.fullmatch(text)
        try:
            return date.fromisoformat(found[1] if found else "")
        except ValueError:
            reason = _("%(place)s: the day of payment %(day)s is none. Write it as 2026-12-31.")
            self._collector.refuse(reason % {"place": place, "day": quoted(text)}, Field.DAY)
            return None

    def _transfer(self, transfer: Node, day: date | None) -> None:
        if why := _not_sepa(transfer):
            self._collector.refuse_line(self._count, Field.KIND, why)
        if transfer.find("CdtrAcct/Id/Othr") is not None:
            reason = _("the account of the receiver is not an IBAN: only those in SEPA can be paid")
            self._collector.refuse_line(self._count, Field.IBAN, reason)
            self._sum = None
            return
        reference = transfer.need("PmtId/EndToEndId").own_text()
        amount_text = transfer.text("Amt/InstdAmt")
        amount = self._amount(transfer, amount_text)
        self._sum = None if self._sum is None or amount is None else self._sum + amount
        self._collector.take(
            self._count,
            amount=amount,
            amount_text=amount_text,
            name=transfer.text("Cdtr/Nm"),
            iban=transfer.text("CdtrAcct/Id/IBAN"),
            description=_description(transfer),
            reference="" if reference == _NO_REFERENCE else reference,
            execution_day=day,
        )

    def _amount(self, transfer: Node, text: str) -> Decimal | None:
        """Return the amount of a payment; None after its fault was noted."""
        if fault := _amount_fault(transfer.find("Amt/InstdAmt"), text):
            self._collector.refuse_line(self._count, *fault)
            return None
        return Decimal(text).quantize(Decimal("0.01"))

    def _compare(self, stating: Node, place: str, count: int, total: Decimal | None) -> None:
        """Compare the number and the sum that a part of the file states with its payments."""
        stated = stating.text("NbOfTxs")
        if stated and not (_COUNT.fullmatch(stated) and int(stated) == count):
            reason = _("%(place)s states %(stated)s payments and has %(count)d: some may be lost. Export it again.")
            self._collector.refuse(reason % {"place": place, "stated": quoted(stated), "count": count})
        stated = stating.text("CtrlSum")
        if stated and total is not None and not (_SUM.fullmatch(stated) and Decimal(stated) == total):
            reason = _("%(place)s states the sum %(stated)s, and its payments add up to %(total)s. Export it again.")
            self._collector.refuse(reason % {"place": place, "stated": quoted(stated), "total": total}, Field.AMOUNT)


def _not_sepa(node: Node) -> str | None:
    """Say why a batch or a payment is no SEPA credit transfer; None if it is one, or says nothing."""
    levels = [level for kind in node.all("PmtTpInf") for level in kind.all("SvcLvl")]
    for level in levels:
        if (found := level.text("Cd") or level.text("Prtry")) != "SEPA":
            return _("the service %(found)s is not SEPA: export SEPA transfers") % {"found": quoted(found)}
    if (found := node.text("ChrgBr")) not in ("", "SLEV"):
        return _("the charges are %(found)s, and SEPA only has shared ones (SLEV)") % {"found": quoted(found)}
    return None


def _amount_fault(instructed: Node | None, text: str) -> tuple[Field, str] | None:
    """Say what is wrong with the amount of a payment, and with which part of it; None where nothing is."""
    if instructed is None:
        return Field.AMOUNT, _("the amount is missing, or is one in a currency that has to be exchanged")
    if (currency := instructed.element.get("Ccy", "")) != "EUR":
        reason = _("the currency is %(currency)s, and only euros (EUR) can be paid")
        return Field.CURRENCY, reason % {"currency": quoted(currency)}
    if not _AMOUNT.fullmatch(text):
        reason = _("the amount %(text)s is none: write it as 1234.56, with at most two decimals")
        return Field.AMOUNT, reason % {"text": quoted(text)}
    if not 0 < Decimal(text) <= LARGEST:
        reason = _("the amount %(text)s is zero, or more than one payment can be, which is 999,999,999.99 euros")
        return Field.AMOUNT, reason % {"text": quoted(text)}
    return None


def _description(transfer: Node) -> str:
    """Return what the receiver is to read: free text, numbers of invoices and the receiver's reference (RF)."""
    remittance = transfer.find("RmtInf")
    if remittance is None:
        return ""
    texts = [each.own_text() for each in remittance.all("Ustrd")]
    for structured in remittance.all("Strd"):
        texts += [document.text("Nb") for document in structured.all("RfrdDocInf")]
        texts.append(structured.text("CdtrRefInf/Ref"))
        texts += [each.own_text() for each in structured.all("AddtlRmtInf")]
    return one_line(" ".join(texts))
