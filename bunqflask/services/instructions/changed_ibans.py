"""Payments to a known receiver with another IBAN than before: nobody prepares or approves one without a word about it.

Such an IBAN is how false invoices are paid. So the member who prepares or approves says for each that they compared it
with something else than the message in which it came; a page, a program and a command all have to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bunqflask.i18n import ngettext
from bunqflask.models import MonetaryAccount
from bunqflask.payment_files import marks
from bunqflask.payment_files.lines import PaymentLine
from bunqflask.payment_files.marks import Mark, MarkKind
from bunqflask.services.instructions import facts
from bunqflask.services.instructions.checks import InstructionRefused

# A file can have thousands of lines, and the answer is read by a person.
_MOST_NAMED = 50


class IbansNotCompared(InstructionRefused):
    """Nobody said that these IBANs were compared; `marks` has a sentence for each payment, the text names them."""

    def __init__(self, found: Sequence[Mark]) -> None:
        text = ngettext(
            "Payment %(numbers)s goes to another IBAN than its receiver had before. Compare the IBAN with something "
            "else than the message in which it came, and say that you did.",
            "Payments %(numbers)s go to other IBANs than their receivers had before. Compare each IBAN with something "
            "else than the message in which it came, and say that you did.",
            len(found),
        )
        more = ", …" if len(found) > _MOST_NAMED else ""
        super().__init__(text % {"numbers": ", ".join(str(each.line) for each in found[:_MOST_NAMED]) + more})
        self.marks = tuple(found)


def find(account: MonetaryAccount, lines: Sequence[PaymentLine]) -> list[Mark]:
    """Return a mark for each payment whose receiver was paid from the account before, at other IBANs alone."""
    found = marks.unknown_payees(lines, facts.payees_of(account))
    return [each for each in found if each.kind is MarkKind.CHANGED_IBAN]


def check(account: MonetaryAccount, lines: Sequence[PaymentLine], compared: Collection[int]) -> None:
    """Make sure that somebody compared each changed IBAN.

    :param compared: the numbers of the payments of which they say so.
    :raises IbansNotCompared: they do not say it of all.
    """
    if missing := [each for each in find(account, lines) if each.line not in compared]:
        raise IbansNotCompared(missing)
