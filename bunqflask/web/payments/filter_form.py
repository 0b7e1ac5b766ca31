"""The filters of a payments page: read from the address, shown as chips.

What was typed stays in the form whatever it was; what cannot be understood is said at its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from bunqflask.i18n import gettext as _
from bunqflask.services.payments.filters import Filter
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.tokenizer import search_text
from bunqflask.web.payments import amount_input
from bunqflask.web.payments.amount_input import Ambiguous, NotAnAmount
from bunqflask.web.ui import formatting

LONGEST = 200
# Years that the calendar of any zone, and any database, knows.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_TYPE = re.compile(r"[A-Za-z0-9_]{1,40}")


class Refused(ValueError):
    """A value that cannot be understood; its text is the message beside the field."""


@dataclass(frozen=True)
class Chip:
    """One filter as text, and the filters that remain without it."""

    text: str
    without: dict[str, str]


@dataclass(frozen=True)
class FormField:
    """One filter of the form.

    :param name: its name in the address.
    :param target: the field of `Filter` that it sets.
    :param parse: makes the value of that field from what was typed; raises `Refused`.
    :param chip: names the filter in a few words, given what was typed.
    :param is_folded: it is among the filters that are folded away until one of them is used.
    """

    name: str
    target: str
    parse: Callable[[str, Scope], Any]
    chip: Callable[[str, Scope], str]
    is_folded: bool = True


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a reader asked for: as typed, as understood, and what could not be understood, by field."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    wanted: Filter
    chips: list[Chip] = field(default_factory=list)

    @property
    def more(self) -> bool:
        """Whether one of the filters that are folded away is used."""
        return any(each.is_folded and each.name in self.values for each in FIELDS)


def type_label(kind: str) -> str:
    """bunq's type of a payment for people; an unknown one keeps bunq's own name.

    https://doc.bunq.com/api-reference/payment
    """
    return types().get(kind) or formatting.name(kind.replace("_", " ").capitalize(), 40)


def types() -> dict[str, str]:
    """The types of payment that bunq is known to use, for people."""
    return {
        "BUNQ": _("bunq transfer"),
        "EBA_SCT": _("Bank transfer"),
        "EBA_SDD": _("Direct debit"),
        "IDEAL": _("iDEAL"),
        "MASTERCARD": _("Card"),
        "MAESTRO": _("Card (Maestro)"),
        "FIS": _("Card (older)"),
        "SWIFT": _("International transfer"),
        "INTEREST": _("Interest"),
    }


def _words(text: str, _scope: Scope) -> str:
    if not search_text(text):
        raise Refused(_("Enter at least one letter or digit."))
    return text


def _day(text: str, _scope: Scope) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not _FIRST_YEAR <= day.year < _LAST_YEAR:
        raise Refused(_("Enter a date like 2026-11-22."))
    return day


def _size(text: str, _scope: Scope) -> Any:
    if text.startswith(("-", "+", "−")):
        raise Refused(_("Leave out the plus or minus; use In or Out instead."))
    try:
        return amount_input.parse(text)
    except Ambiguous as two:
        message = _("This could mean two things. Type %(thousands)s or %(decimals)s.")
        raise Refused(message % {"thousands": two.thousands, "decimals": two.decimals}) from None
    except NotAnAmount:
        raise Refused(_("Enter an amount like 12.50.")) from None


def _direction(text: str, _scope: Scope) -> str:
    if text not in ("in", "out"):
        raise Refused(_("Choose In or Out."))
    return text


def _account(text: str, scope: Scope) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 19 and int(text) in scope.accounts:
        return int(text)
    raise Refused(_("That account doesn’t exist or isn’t shared with you."))


def _type(text: str, _scope: Scope) -> str:
    if not _TYPE.fullmatch(text):
        raise Refused(_("Choose one of the types."))
    return text


# A filter is added here, in `services.payments.filters` and in `_filters.html`.
FIELDS = (
    FormField(
        "q",
        "words",
        _words,
        lambda text, _scope: _("“%(words)s”") % {"words": formatting.name(text, 60)},
        is_folded=False,
    ),
    FormField(
        "from",
        "first_day",
        _day,
        lambda text, _scope: _("From %(day)s") % {"day": formatting.day(date.fromisoformat(text), "short")},
    ),
    FormField(
        "to",
        "last_day",
        _day,
        lambda text, _scope: _("To %(day)s") % {"day": formatting.day(date.fromisoformat(text), "short")},
    ),
    FormField(
        "min",
        "at_least",
        _size,
        lambda text, _scope: _("At least %(size)s") % {"size": formatting.name(text, 30)},
    ),
    FormField(
        "max",
        "at_most",
        _size,
        lambda text, _scope: _("At most %(size)s") % {"size": formatting.name(text, 30)},
    ),
    FormField(
        "direction",
        "direction",
        _direction,
        lambda text, _scope: _("Money in") if text == "in" else _("Money out"),
        is_folded=False,
    ),
    FormField(
        "account",
        "account_id",
        _account,
        lambda text, scope: formatting.name(scope.accounts[int(text)].name, 60),
    ),
    FormField("type", "type", _type, lambda text, _scope: type_label(text)),
)
NAMES = tuple(each.name for each in FIELDS)


def read(given: Mapping[str, str], scope: Scope, *, account_id: int | None = None) -> Asked:
    """Read the filters of an address; `account_id` is the account that the page is about, if it is about one."""
    fields = [each for each in FIELDS if account_id is None or each.target != "account_id"]
    values = {each.name: given[each.name].strip()[:LONGEST] for each in fields if given.get(each.name, "").strip()}
    parsed: dict[str, Any] = {} if account_id is None else {"account_id": account_id}
    errors: dict[str, str] = {}
    for each in fields:
        if each.name in values:
            try:
                parsed[each.target] = each.parse(values[each.name], scope)
            except Refused as refused:
                errors[each.name] = str(refused)
    wanted = Filter(**parsed, amount=_amount_meant(values.get("q", "")))
    errors |= _contradictions(wanted)
    chips = [
        Chip(each.chip(values[each.name], scope), {name: text for name, text in values.items() if name != each.name})
        for each in fields
        if each.name in values and each.name not in errors
    ]
    return Asked(values=values, errors=errors, wanted=wanted, chips=chips)


def _contradictions(wanted: Filter) -> dict[str, str]:
    found = {}
    if wanted.first_day and wanted.last_day and wanted.last_day < wanted.first_day:
        found["to"] = _("The end date is before the start date.")
    if wanted.at_least is not None and wanted.at_most is not None and wanted.at_most < wanted.at_least:
        found["max"] = _("This is below the minimum.")
    return found


def _amount_meant(words: str) -> Any:
    """The amount that the words of a search are, if they are one; what is ambiguous is searched as words."""
    try:
        return amount_input.parse(words.lstrip("-+−"))
    except NotAnAmount:
        return None
