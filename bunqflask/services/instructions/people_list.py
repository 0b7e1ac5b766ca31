"""The list of people of a collection, typed, pasted or from a CSV file: a name, whom to ask, and an amount a line.

Cells are separated by semicolons or tabs, or by commas where there are neither. Nothing is guessed silently: each line
is shown as it was read, and with a single wrong line nobody is asked.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from bunqflask.i18n import gettext as _
from bunqflask.models import InstructionKind, Party
from bunqflask.services.instructions import checks, collections, payers
from bunqflask.services.instructions.collections import Person
from bunqflask.services.instructions.payers import NoPayer

# More than 350 lines of the longest cells.
LONGEST_LIST = 100_000
_HEADINGS = ("name", "naam")
_CELLS = 3
_MOST_FAULTS = 20
# Reads an amount; what it raises for a text that is none is a ValueError with a text for people.
ReadAmount = Callable[[str], Decimal]


@dataclass(frozen=True)
class Fault:
    """What is wrong in a line, numbered from 1; line 0: in the list as a whole."""

    line: int
    text: str


@dataclass(frozen=True)
class PeopleList:
    """A list as it was read: the people, and what is wrong; `more_faults` are beyond those that are named."""

    people: tuple[Person, ...]
    faults: tuple[Fault, ...]
    more_faults: int = 0

    @property
    def total(self) -> Decimal:
        """The sum of all amounts."""
        return sum((each.amount for each in self.people), Decimal(0))


def decode(data: bytes) -> str:
    """Return the text of a file: UTF-8, or what older programs in Western Europe write."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read(text: str, kind: InstructionKind, for_all: Decimal | None, read_amount: ReadAmount) -> PeopleList:
    """Read a list.

    :param for_all: the amount of lines that have none.
    """
    if len(text) > LONGEST_LIST:
        return PeopleList((), (Fault(0, _("The list is too long: it has at most 350 people.")),))
    people: list[Person] = []
    faults: list[Fault] = []
    lines_of: dict[Person, int] = {}
    for number, cells in _rows(text):
        person, wrong = _person(cells, kind, for_all, read_amount)
        if person is not None and person in lines_of:
            wrong = _("It is the same as line %(n)d. Remove one of them.") % {"n": lines_of[person]}
        if person is None or wrong:
            faults.append(Fault(number, wrong))
        else:
            lines_of[person] = number
            people.append(person)
    if len(people) > collections.MOST_PEOPLE:
        faults.insert(0, Fault(0, _("A collection has at most 350 people. Make two of it.")))
    if not people and not faults:
        faults.append(Fault(0, _("Write at least one line.")))
    return PeopleList(tuple(people), tuple(faults[:_MOST_FAULTS]), max(0, len(faults) - _MOST_FAULTS))


def _rows(text: str) -> Iterable[tuple[int, list[str]]]:
    """Yield the lines that are not empty, numbered from 1, as their cells; a heading is left out."""
    lines = text.replace("\0", "\N{REPLACEMENT CHARACTER}").splitlines()
    separator = next((each for each in ";\t" if any(each in line for line in lines)), ",")
    for number, line in enumerate(lines, start=1):
        cells = [" ".join(each.split()) for each in next(csv.reader([line], delimiter=separator), [])]
        is_heading = number == 1 and bool(cells) and cells[0].lower() in _HEADINGS
        if any(cells) and not is_heading:
            yield number, cells


def _person(
    cells: list[str], kind: InstructionKind, for_all: Decimal | None, read_amount: ReadAmount
) -> tuple[Person | None, str]:
    """Return the person of a line; where it is wrong, None and why."""
    if len(cells) > _CELLS and any(cells[_CELLS:]):
        return None, _("It has more than three parts. Separate them by semicolons: name; email; 12,50.")
    name, payer, amount = (*cells, "", "")[:_CELLS]
    if not 1 <= len(name) <= collections.LONGEST_PERSON or not name.isprintable():
        return None, _("A name needs 1 to %(n)d characters.") % {"n": collections.LONGEST_PERSON}
    if kind is InstructionKind.LINK and not amount and not _is_payer(payer):
        payer, amount = "", payer  # nobody has to be named
    try:
        party = _payer(payer, name, kind)
        return Person(name, party, for_all if not amount and for_all is not None else read_amount(amount)), ""
    except ValueError as wrong:
        return None, str(wrong)


def _payer(text: str, name: str, kind: InstructionKind) -> Party | None:
    if not text and kind is InstructionKind.LINK:
        return None
    if not text:
        raise NoPayer(_("A request needs an email address, a phone number or an IBAN."))
    found = payers.read(text, name)
    if fault := checks.check_payer(found):
        raise NoPayer(fault)
    return found


def _is_payer(text: str) -> bool:
    try:
        payers.read(text, "")
    except NoPayer:
        return False
    return True
