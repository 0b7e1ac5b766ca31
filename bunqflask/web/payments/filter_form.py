"""The filters of a payments page: read from the address, shown as chips.

What was typed stays in the form whatever it was; what cannot be understood is said at its field. A holder narrows the
scope itself: what went to accounts of others is then no transfer between own accounts. Accounts can be several.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from werkzeug.datastructures import MultiDict

from bunqflask.i18n import gettext as _
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments import local_days
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
_LAST_OF_IBAN = 4

# What was typed, by the names in the address; a list where several may be chosen.
Values = dict[str, str | list[str]]


class Refused(ValueError):
    """A value that cannot be understood; its text is the message beside the field."""


@dataclass(frozen=True)
class Chip:
    """One filter as text, and the filters that remain without it."""

    text: str
    without: Values


@dataclass(frozen=True)
class FormField:
    """One filter of the form.

    :param name: its name in the address.
    :param target: the field of `Filter` that it sets; None for the holder, who narrows the scope.
    :param parse: makes the value of that field from what was typed; raises `Refused`.
    :param chip: names the filter in a few words, given what was typed.
    :param is_several: several may be chosen; the value is the set of what `parse` makes of each.
    :param is_tucked: it is asked for in the form of all filters only, not in the toolbar as well.
    """

    name: str
    target: str | None
    parse: Callable[[str, Scope], Any]
    chip: Callable[[str, Scope], str]
    is_several: bool = False
    is_tucked: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a reader asked for: as typed, as understood, and what could not be understood, by field.

    `scope` is the principal's, narrowed to the holder who was asked for.
    """

    values: Values
    errors: dict[str, str] = field(default_factory=dict)
    scope: Scope
    wanted: Filter
    chips: list[Chip] = field(default_factory=list)

    @property
    def tucked_count(self) -> int:
        """How many filters are used that the toolbar does not show."""
        used = {each.name for each in FIELDS if each.is_tucked and each.name in self.values}
        return len(used - ({"from", "to"} if self.month else set()))

    @property
    def month(self) -> date | None:
        """The first day of the month, if the days asked for are exactly one."""
        return _month_of(self.wanted)

    def with_days(self, first: date | None, last: date | None) -> Values:
        """Return the filters with other days."""
        others: Values = {name: value for name, value in self.values.items() if name not in ("from", "to")}
        return others | ({"from": str(first)} if first else {}) | ({"to": str(last)} if last else {})

    def with_holder(self, connection_id: int | None) -> Values:
        """Return the filters with another holder, without accounts: they would be somebody else's."""
        others: Values = {name: value for name, value in self.values.items() if name not in ("holder", "account")}
        return others | ({"holder": str(connection_id)} if connection_id else {})


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


def account_label(account: AccountBalance) -> str:
    """The name of an account and the end of its IBAN: two may have the same name."""
    name = formatting.name(account.name, 60)
    return f"{name} ··{account.iban[-_LAST_OF_IBAN:]}" if account.iban else name


def _account(text: str, scope: Scope) -> int:
    if (number := _number(text)) in scope.accounts:
        return number
    raise Refused(_("That account doesn’t exist or isn’t shared with you."))


def _holder(text: str, scope: Scope) -> int:
    if (number := _number(text)) in scope.by_id:
        return number
    raise Refused(_("That account holder doesn’t exist or shares nothing with you."))


def _number(text: str) -> int:
    """A row id, or 0, which no row has."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _type(text: str, _scope: Scope) -> str:
    if not _TYPE.fullmatch(text):
        raise Refused(_("Choose one of the types."))
    return text


def receipts() -> dict[str, str]:
    """Whether a file of a payment is known here, for people."""
    return {"missing": _("No receipt known"), "known": _("With a receipt")}


def _receipt(text: str, _scope: Scope) -> str:
    if text not in receipts():
        raise Refused(_("Choose one of the two."))
    return text


# A filter is added here, in `services.payments.filters` and in `_filters.html`.
FIELDS = (
    FormField(
        "q",
        "words",
        _words,
        lambda text, _scope: _("“%(words)s”") % {"words": formatting.name(text, 60)},
    ),
    FormField(
        "holder",
        None,
        _holder,
        lambda text, scope: formatting.name(scope.by_id[int(text)].holder_name, 60),
    ),
    FormField(
        "from",
        "first_day",
        _day,
        lambda text, _scope: _("From %(day)s") % {"day": formatting.day(date.fromisoformat(text), "short")},
        is_tucked=True,
    ),
    FormField(
        "to",
        "last_day",
        _day,
        lambda text, _scope: _("To %(day)s") % {"day": formatting.day(date.fromisoformat(text), "short")},
        is_tucked=True,
    ),
    FormField(
        "min",
        "at_least",
        _size,
        lambda text, _scope: _("At least %(size)s") % {"size": formatting.name(text, 30)},
        is_tucked=True,
    ),
    FormField(
        "max",
        "at_most",
        _size,
        lambda text, _scope: _("At most %(size)s") % {"size": formatting.name(text, 30)},
        is_tucked=True,
    ),
    FormField(
        "direction",
        "direction",
        _direction,
        lambda text, _scope: _("Money in") if text == "in" else _("Money out"),
    ),
    FormField(
        "account",
        "account_ids",
        _account,
        lambda text, scope: account_label(scope.accounts[int(text)]),
        is_several=True,
    ),
    FormField("type", "type", _type, lambda text, _scope: type_label(text), is_tucked=True),
    FormField("receipt", "receipt", _receipt, lambda text, _scope: receipts()[text], is_tucked=True),
)
NAMES = tuple(each.name for each in FIELDS)


def read(given: MultiDict[str, str], scope: Scope, *, account_id: int | None = None) -> Asked:
    """Read the filters of an address; `account_id` is the account that the page is about, if it is about one."""
    fields = [each for each in FIELDS if account_id is None or each.name not in ("holder", "account")]
    values = typed(given, fields)
    parsed: dict[str, Any] = {} if account_id is None else {"account_ids": frozenset((account_id,))}
    errors: dict[str, str] = {}
    for each in fields:
        try:
            found = [each.parse(text, scope) for text in _texts(values, each.name)]
        except Refused as refused:
            errors[each.name] = str(refused)
            continue
        if not found:
            continue
        if each.target is None:
            scope = scope.of_connection(found[0])
        else:
            parsed[each.target] = frozenset(found) if each.is_several else found[0]
    wanted = Filter(**parsed, amount=_amount_meant(given.get("q", "").strip()[:LONGEST]))
    errors |= _contradictions(wanted)
    asked = Asked(values=values, errors=errors, scope=scope, wanted=wanted)
    return replace(asked, chips=[chip for each in fields if each.name not in errors for chip in _chips(asked, each)])


def typed(given: MultiDict[str, str], fields: Iterable[FormField] = FIELDS) -> Values:
    """Return what an address holds of filters, without empty ones and repetitions."""
    values: Values = {}
    for each in fields:
        texts = [text.strip()[:LONGEST] for text in given.getlist(each.name) if text.strip()]
        if texts:
            values[each.name] = list(dict.fromkeys(texts)) if each.is_several else texts[0]
    return values


def _texts(values: Values, name: str) -> list[str]:
    value = values.get(name, [])
    return [value] if isinstance(value, str) else value


def _chips(asked: Asked, of: FormField) -> Iterator[Chip]:
    """Name a filter, or each of several values of it; the two days of a whole month are one."""
    if asked.month and of.name in ("from", "to"):
        if of.name == "from":
            yield Chip(formatting.day(asked.month, "month"), asked.with_days(None, None))
        return
    texts = _texts(asked.values, of.name)
    for text in texts:
        others: Values = {name: value for name, value in asked.values.items() if name != of.name}
        left = [each for each in texts if each != text]
        yield Chip(of.chip(text, asked.scope), others | ({of.name: left} if left else {}))


def _month_of(wanted: Filter) -> date | None:
    first = wanted.first_day
    is_whole = first and first.day == 1 and wanted.last_day == local_days.last_of_month(first)
    return first if is_whole else None


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
