"""Which column of a CSV file is what: proposed from its headings, in Dutch and in English, and chosen by a person."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bunqflask.i18n import gettext as _
from bunqflask.payment_files.amounts import DecimalSign
from bunqflask.payment_files.lines import Field, LineFault, one_line, quoted

_NOT_A_WORD = re.compile(r"[\W_]+")

# Headings of files, in the order in which they are preferred: what says that it is the receiver's comes first, since a
# file may name both accounts.
HEADINGS = {
    "name": (
        "naam begunstigde", "naam ontvanger", "naam tegenpartij", "naam tegenrekening", "naam crediteur",
        "beneficiary name", "recipient name", "counterparty name", "creditor name", "payee name", "begunstigde",
        "ontvanger", "tegenpartij", "crediteur", "leverancier", "beneficiary", "recipient", "receiver", "payee",
        "creditor", "supplier", "naam", "name",
    ),
    "iban": (
        "iban begunstigde", "iban ontvanger", "iban tegenpartij", "iban tegenrekening", "tegenrekening iban",
        "iban crediteur", "beneficiary iban", "recipient iban", "counterparty iban", "creditor iban", "payee iban",
        "tegenrekening", "rekening begunstigde", "iban", "iban nummer", "iban number", "rekeningnummer",
        "bankrekeningnummer", "bankrekening", "account number",
    ),
    "amount": (
        "te betalen bedrag", "te betalen", "betaalbedrag", "bedrag eur", "bedrag in eur", "bedrag euro",
        "bedrag in euro", "amount eur", "amount in eur", "bedrag", "amount",
    ),
    "description": (
        "omschrijving betaling", "payment description", "remittance information", "omschrijving", "description",
        "mededeling", "mededelingen", "betreft", "remittance", "memo",
    ),
    "reference": (
        "end to end id", "endtoendid", "end to end reference", "end to end kenmerk", "betalingskenmerk",
        "payment reference", "kenmerk", "referentie", "reference",
    ),
    "currency": ("valutacode", "currency code", "valuta", "muntsoort", "munt", "currency"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ColumnMapping:
    """The headings of the columns with each value; an empty one: none. The first three are needed.

    `decimal_sign` is the sign that stands before the cents; empty: each amount has to be clear without it.
    """

    name: str = ""
    iban: str = ""
    amount: str = ""
    description: str = ""
    reference: str = ""
    currency: str = ""
    decimal_sign: DecimalSign = ""


def propose(columns: Sequence[str]) -> ColumnMapping:
    """Return which columns their headings show, for a person to confirm; it may lack some that are needed."""
    words = [_NOT_A_WORD.sub(" ", heading.casefold()).strip() for heading in columns]
    found = {}
    for value, headings in HEADINGS.items():
        places = next(([at for at, word in enumerate(words) if word == each] for each in headings if each in words), [])
        # Two columns with the same heading: a person has to choose.
        if len(places) == 1:
            found[value] = columns[places[0]]
    return ColumnMapping(**found)  # type: ignore[arg-type]  # no heading is looked for as the decimal sign


def count_known(columns: Sequence[str]) -> int:
    """Return how many values `propose` finds a column for."""
    mapping = propose(columns)
    return sum(bool(getattr(mapping, value)) for value in HEADINGS)


def faults_of(mapping: ColumnMapping, columns: Sequence[str]) -> list[LineFault]:
    """Return why this mapping cannot be used with these columns; empty where it can."""
    return [LineFault(None, Field.COLUMNS, reason) for reason in _reasons(mapping, columns)]


def _reasons(mapping: ColumnMapping, columns: Sequence[str]) -> Iterator[str]:
    if not mapping.name:
        yield _("No column is chosen for the names of the receivers. Choose one.")
    if not mapping.iban:
        yield _("No column is chosen for the IBANs of the receivers. Choose one.")
    if not mapping.amount:
        yield _("No column is chosen for the amounts. Choose one.")
    chosen = Counter(heading for value in HEADINGS if (heading := getattr(mapping, value)))
    there = Counter(columns)
    for heading, times in chosen.items():
        if times > 1:
            yield _("The column %(name)s is chosen twice. Choose each for one value.") % {"name": quoted(heading)}
        if heading not in there:
            yield _("The file has no column %(name)s. Choose the columns of this file.") % {"name": quoted(heading)}
        elif there[heading] > 1:
            reason = _("The file has more than one column %(name)s. Rename one of them in the file.")
            yield reason % {"name": quoted(heading)}


def heading_of(cell: str) -> str:
    """Return a heading as a mapping names it."""
    return one_line(cell)
