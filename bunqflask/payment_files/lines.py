"""Payment lines as every file becomes them: complete, checked, and few enough; and the faults of files that do not.

A reason quotes the file: names, IBANs and amounts of strangers. It belongs on a page, never in a log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from bunqflask import ibans, invisible
from bunqflask.i18n import gettext as _

# How many payments bunq takes in one draft.
# https://doc.bunq.com/draft-payment
MOST_PER_DRAFT = 350
# Ten full drafts; a page of more lines nobody checks.
MOST_LINES = 10 * MOST_PER_DRAFT
MOST_BYTES = 2 * 1024 * 1024
# To an IBAN outside bunq; the field `description` of an entry.
# https://doc.bunq.com/api-reference/draft-payment
LONGEST_DESCRIPTION = 140
# SEPA's rules for a beneficiary's name and for an end-to-end reference; bunq documents no limits of its own.
# https://www.europeanpaymentscouncil.eu/document-library/implementation-guidelines (EPC132-08, AT-21 and AT-41)
LONGEST_NAME = 70
LONGEST_REFERENCE = 35
MOST_FAULTS = 100
_LONGEST_QUOTATION = 60


class Field(StrEnum):
    """What a fault is about."""

    FILE = "file"
    COLUMNS = "columns"
    AMOUNT = "amount"
    CURRENCY = "currency"
    NAME = "name"
    IBAN = "iban"
    DESCRIPTION = "description"
    REFERENCE = "reference"
    DAY = "day"
    KIND = "kind"


@dataclass(frozen=True, kw_only=True)
class PaymentLine:
    """One payment of a file. `amount` is in euros, more than zero, with two decimals; `amount_text` as written.

    `number` is the line of a CSV file in which it begins, or which payment of an XML file it is; both from 1.
    `execution_day` is when the file wants it to be paid; bunq's drafts have no such day.
    """

    number: int
    amount: Decimal
    amount_text: str
    name: str
    iban: str
    description: str
    end_to_end_id: str | None = None
    execution_day: date | None = None


@dataclass(frozen=True)
class LineFault:
    """What is wrong, and what to do, in whole sentences; `line` is a `PaymentLine.number`, None for the whole file."""

    line: int | None
    field: Field
    reason: str


@dataclass(frozen=True, kw_only=True)
class PaymentFile:
    """A file without faults. `debtor_iban` is the account that it wants to be paid from, `message_id` its own number.

    `not_carried` are names of elements that say something for which a draft of bunq has no place.
    """

    lines: tuple[PaymentLine, ...]
    debtor_iban: str | None = None
    message_id: str | None = None
    not_carried: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """The sum of all lines, in euros."""
        return sum((line.amount for line in self.lines), Decimal("0.00"))


@dataclass(frozen=True)
class FileRefused:
    """A file with faults, of which nothing is taken: the first ones, and how many more there are."""

    faults: tuple[LineFault, ...]
    left_out: int = 0

    @classmethod
    def because(cls, reason: str, field: Field = Field.FILE) -> FileRefused:
        """Return the refusal of a whole file for one reason."""
        return cls((LineFault(None, field, reason),))


def split_into_drafts(lines: Sequence[PaymentLine], largest: int = MOST_PER_DRAFT) -> list[tuple[PaymentLine, ...]]:
    """Return the lines in as few drafts as bunq allows, in the file's order, each line in exactly one."""
    return [tuple(lines[start : start + largest]) for start in range(0, len(lines), largest)]


def quoted(text: str) -> str:
    """Return a text of a file as a sentence quotes it: one line, not too long."""
    plain = one_line(text)
    return f"“{plain if len(plain) <= _LONGEST_QUOTATION else plain[: _LONGEST_QUOTATION - 1].rstrip() + '…'}”"


def one_line(text: str) -> str:
    """Return a text of a file without what is invisible, with single spaces."""
    return " ".join(invisible.remove(text).split())


class Collector:
    """Collects the lines and faults of one file, and says in the end which of both it is.

    `place` turns a line's number into the begin of a sentence: "Line 3".
    """

    def __init__(self, place: Callable[[int], str]) -> None:
        self._place = place
        self._lines: list[PaymentLine] = []
        self._faults: list[LineFault] = []
        self._left_out = 0
        self._references: dict[str, int] = {}

    @property
    def is_refused(self) -> bool:
        return bool(self._faults)

    def refuse(self, reason: str, field: Field = Field.FILE) -> None:
        """Note a fault of the whole file: whole sentences."""
        self._add(LineFault(None, field, reason))

    def refuse_line(self, number: int, field: Field, reason: str) -> None:
        """Note a fault of a line: a sentence without its place and its full stop."""
        self._add(LineFault(number, field, f"{self._place(number)}: {reason}."))

    def _add(self, fault: LineFault) -> None:
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(fault)
        else:
            self._left_out += 1

    def take(
        self,
        number: int,
        *,
        amount: Decimal | None,
        amount_text: str,
        name: str,
        iban: str,
        description: str,
        reference: str = "",
        execution_day: date | None = None,
    ) -> None:
        """Check a line and keep it; without an `amount` its fault was noted before."""
        line = PaymentLine(
            number=number,
            amount=amount or Decimal(0),
            amount_text=one_line(amount_text),
            name=one_line(name),
            iban=ibans.normalise(iban),
            description=one_line(description),
            end_to_end_id=one_line(reference) or None,
            execution_day=execution_day,
        )
        self._check_receiver(line, iban)
        self._check_texts(line)
        # After a fault nothing is taken any more, but the rest is still checked.
        if not self._faults:
            self._lines.append(line)

    def _check_receiver(self, line: PaymentLine, iban_text: str) -> None:
        if not line.name:
            self.refuse_line(line.number, Field.NAME, _("the name of the receiver is missing: write one"))
        elif len(line.name) > LONGEST_NAME:
            reason = _("the name %(name)s has %(length)d characters, and a bank takes %(most)d: shorten it")
            filled = reason % {"name": quoted(line.name), "length": len(line.name), "most": LONGEST_NAME}
            self.refuse_line(line.number, Field.NAME, filled)
        if not line.iban:
            reason = _("the IBAN of the receiver is missing: write one, or remove the line if it is no payment")
            self.refuse_line(line.number, Field.IBAN, reason)
        elif why := ibans.fault_of(line.iban):
            reason = _("the IBAN %(iban)s %(why)s; compare it with the invoice")
            self.refuse_line(line.number, Field.IBAN, reason % {"iban": quoted(iban_text), "why": why})

    def _check_texts(self, line: PaymentLine) -> None:
        if len(line.description) > LONGEST_DESCRIPTION:
            reason = _("the description has %(length)d characters, and bunq takes %(most)d: shorten it")
            filled = reason % {"length": len(line.description), "most": LONGEST_DESCRIPTION}
            self.refuse_line(line.number, Field.DESCRIPTION, filled)
        if line.end_to_end_id is None:
            return
        if len(line.end_to_end_id) > LONGEST_REFERENCE:
            reason = _("the reference %(reference)s has more than %(most)d characters: shorten it")
            filled = reason % {"reference": quoted(line.end_to_end_id), "most": LONGEST_REFERENCE}
            self.refuse_line(line.number, Field.REFERENCE, filled)
        first = self._references.setdefault(line.end_to_end_id, line.number)
        if first != line.number:
            reason = _("the reference %(reference)s is there before (%(first)s): give each payment its own")
            filled = reason % {"reference": quoted(line.end_to_end_id), "first": self._place(first)}
            self.refuse_line(line.number, Field.REFERENCE, filled)

    def result(
        self, *, debtor_iban: str | None = None, message_id: str | None = None, not_carried: Sequence[str] = ()
    ) -> PaymentFile | FileRefused:
        """Return all lines, or all faults that were noted."""
        if self._faults:
            return FileRefused(tuple(self._faults), self._left_out)
        return PaymentFile(
            lines=tuple(self._lines),
            debtor_iban=debtor_iban,
            message_id=message_id,
            not_carried=tuple(not_carried),
        )


def too_many() -> str:
    """Say that a file has too many payments."""
    return _("The file has more than %(most)d payments. Split it into several files.") % {"most": MOST_LINES}


def too_large() -> str:
    """Say that a file has too many bytes."""
    most = MOST_BYTES // (1024 * 1024)
    return _("The file is larger than %(most)d MB. Split it into several files.") % {"most": most}
