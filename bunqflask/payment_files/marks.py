"""What to look at before drafts are prepared of a file: marks on lines, from facts about earlier payments.

A mark refuses nothing; a person decides, and for a changed IBAN has to say so
(`services.instructions.changed_ibans`). Pure functions over the lines and over facts that the caller has loaded, which
must be of accounts that the person who looks may see. The texts of marks belong on a page and never in a log.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from babel.dates import format_date

from bunqflask import invisible
from bunqflask.i18n import gettext as _
from bunqflask.i18n import language
from bunqflask.payment_files.lines import PaymentLine, quoted

# The same amount to the same IBAN is a duplicate within a week; with the same description also later, but before a
# payment that comes every four weeks comes again.
SAME_AMOUNT_WITHIN = timedelta(days=7)
SAME_DESCRIPTION_WITHIN = timedelta(days=25)
UNUSUAL_TIMES = Decimal("1.5")
UNUSUAL_AT_LEAST = Decimal("10.00")
_MOST_NAMED = 3
_MINUS = "\N{MINUS SIGN}"
_NOT_A_WORD = re.compile(r"[\W_]+")
# "Noord" and "Noord B.V." are the same receiver to a person who pays an invoice.
_NOT_PART_OF_NAMES = frozenset(["bv", "nv", "vof", "cv", "gmbh", "sa", "sarl", "srl", "ltd", "dhr", "mevr", "mw"])


class MarkKind(StrEnum):
    """Why to look at a line."""

    CHANGED_IBAN = "changed_iban"
    UNKNOWN_PAYEE = "unknown_payee"
    TWICE_IN_FILE = "twice_in_file"
    PAID_BEFORE = "paid_before"
    UNUSUAL_AMOUNT = "unusual_amount"
    OVER_BALANCE = "over_balance"
    LATER_DAY = "later_day"


@dataclass(frozen=True)
class Mark:
    """Something to look at in a line, in whole sentences; `line` is its `PaymentLine.number`."""

    line: int
    kind: MarkKind
    text: str


@dataclass(frozen=True, kw_only=True)
class EarlierPayment:
    """Money that went to an IBAN on a local day, or a draft of that day which is still open. `amount` is positive."""

    iban: str
    amount: Decimal
    description: str
    day: date
    is_draft: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts at the time when a file is looked at; amounts are in euros and positive, IBANs are normalised.

    `payees` are the IBANs that were paid before, with the names they had then. `usual_amounts` are amounts that were
    paid to an IBAN. `recent` are payments and open drafts, of at least `SAME_DESCRIPTION_WITHIN`. `balance` is that of
    the account to pay from, None if it is not known. `today` is a local day.
    """

    today: date
    payees: Mapping[str, Collection[str]] = field(default_factory=dict)
    usual_amounts: Mapping[str, Collection[Decimal]] = field(default_factory=dict)
    recent: Sequence[EarlierPayment] = ()
    balance: Decimal | None = None


def marks_of(lines: Sequence[PaymentLine], facts: Facts) -> list[Mark]:
    """Return all marks of a file's lines, in the order of the lines."""
    found = [
        *unknown_payees(lines, facts.payees),
        *duplicates_in_file(lines),
        *paid_before(lines, facts.recent, facts.today),
        *unusual_amounts(lines, facts.usual_amounts),
        *over_balance(lines, facts.balance),
        *later_days(lines, facts.today),
    ]
    return sorted(found, key=lambda mark: mark.line)


def unknown_payees(lines: Sequence[PaymentLine], payees: Mapping[str, Collection[str]]) -> Iterator[Mark]:
    """Mark IBANs that were never paid; as changed, where their name is known with another IBAN."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for iban, names in payees.items():
        for name in {comparable_name(name) for name in names}:
            by_name[name].append(iban)
    for line in lines:
        if line.iban in payees:
            continue
        if known := by_name.get(comparable_name(line.name)):
            yield Mark(line.number, MarkKind.CHANGED_IBAN, _changed_iban(line, sorted(known)))
        else:
            text = _("Nobody was paid at this IBAN before. Compare it with the invoice.")
            yield Mark(line.number, MarkKind.UNKNOWN_PAYEE, text)


def _changed_iban(line: PaymentLine, known: Sequence[str]) -> str:
    text = _(
        "%(name)s had another IBAN before: %(known)s. Ask them whether it has changed, in another way than the message "
        "that it came in."
    )
    more = "…" if len(known) > _MOST_NAMED else ""
    return text % {"name": quoted(line.name), "known": ", ".join(known[:_MOST_NAMED]) + more}


def comparable_name(name: str) -> str:
    """Return what two spellings of a name have in common: no case, accents, points, order, legal form or title."""
    # Folding case can make letters that fall apart, and taking letters apart can make capitals.
    folded = unicodedata.normalize("NFKD", invisible.remove(name)).casefold()
    spread = unicodedata.normalize("NFKD", folded)
    plain = "".join(sign for sign in spread if not unicodedata.combining(sign)).replace(".", "").replace("'", "")
    words = _NOT_A_WORD.sub(" ", plain).split()
    return " ".join(sorted(word for word in words if word not in _NOT_PART_OF_NAMES) or sorted(words))


def duplicates_in_file(lines: Sequence[PaymentLine]) -> Iterator[Mark]:
    """Mark each line that has the IBAN and the amount of a line before it, with the same description or another."""
    first: dict[tuple[str, Decimal], PaymentLine] = {}
    for line in lines:
        earlier = first.setdefault((line.iban, line.amount), line)
        if earlier is line:
            continue
        text = (
            _("The same IBAN, amount and description as number %(number)d. See whether both are due.")
            if _same_text(earlier.description, line.description)
            else _("The same IBAN and amount as number %(number)d, with another description. See whether both are due.")
        )
        yield Mark(line.number, MarkKind.TWICE_IN_FILE, text % {"number": earlier.number})


def paid_before(lines: Sequence[PaymentLine], recent: Sequence[EarlierPayment], today: date) -> Iterator[Mark]:
    """Mark lines whose IBAN and amount are those of a recent payment or open draft.

    Recent is a week, and 25 days where the description is the same too; a draft that is still open is always recent.
    """
    by_receiver: dict[tuple[str, Decimal], list[EarlierPayment]] = defaultdict(list)
    for each in recent:
        by_receiver[each.iban, each.amount].append(each)
    for line in lines:
        same = [each for each in by_receiver[line.iban, line.amount] if _is_recent(each, line, today)]
        if same:
            latest = max(same, key=lambda each: each.day)
            text = (
                _("A draft of %(day)s with this IBAN and amount is open: %(text)s. Do not pay it twice.")
                if latest.is_draft
                else _("This amount was paid to this IBAN on %(day)s: %(text)s. See whether it is due again.")
            )
            filled = text % {"day": _day(latest.day), "text": quoted(latest.description)}
            yield Mark(line.number, MarkKind.PAID_BEFORE, filled)


def _is_recent(earlier: EarlierPayment, line: PaymentLine, today: date) -> bool:
    same_text = _same_text(earlier.description, line.description)
    return earlier.is_draft or today - earlier.day <= (SAME_DESCRIPTION_WITHIN if same_text else SAME_AMOUNT_WITHIN)


def _same_text(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


def unusual_amounts(lines: Sequence[PaymentLine], usual: Mapping[str, Collection[Decimal]]) -> Iterator[Mark]:
    """Mark amounts of at least one and a half times the largest that this IBAN got, and at least 10 euros more.

    An IBAN that got nothing yet has no usual amount; it is marked as unknown instead.
    """
    for line in lines:
        largest = max(usual.get(line.iban, ()), default=None)
        if largest is None or line.amount < largest * UNUSUAL_TIMES or line.amount - largest < UNUSUAL_AT_LEAST:
            continue
        text = _("The largest amount that this IBAN got before is %(largest)s. Compare this one with the invoice.")
        yield Mark(line.number, MarkKind.UNUSUAL_AMOUNT, text % {"largest": _euros(largest)})


def over_balance(lines: Sequence[PaymentLine], balance: Decimal | None) -> Iterator[Mark]:
    """Mark each line with which the file, from its first line on, adds up to more than the account has."""
    total = Decimal(0)
    for line in lines:
        total += line.amount
        if balance is not None and total > balance:
            text = _(
                "Up to this line the file adds up to %(total)s; the account has %(balance)s and is %(short)s short."
            )
            filled = {"total": _euros(total), "balance": _euros(balance), "short": _euros(total - balance)}
            yield Mark(line.number, MarkKind.OVER_BALANCE, text % filled)


def later_days(lines: Sequence[PaymentLine], today: date) -> Iterator[Mark]:
    """Mark lines that the file wants to be paid on a later day: a draft is paid when the holder accepts it."""
    for line in lines:
        if line.execution_day is not None and line.execution_day > today:
            text = _(
                "The file wants this paid on %(day)s, but bunq pays as soon as the holder accepts. Accept it then."
            )
            yield Mark(line.number, MarkKind.LATER_DAY, text % {"day": _day(line.execution_day)})


def _euros(amount: Decimal) -> str:
    return f"{_MINUS if amount < 0 else ''}€{abs(amount):,.2f}"


def _day(day: date) -> str:
    return format_date(day, "d MMMM y", locale=language())
