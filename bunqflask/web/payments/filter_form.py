"""The filters of a payments page: read from the address, told back in words, never guessed at.

What was typed stays in the form whatever it was; what cannot be understood is said at its field.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

from bunqflask.i18n import gettext as _
from bunqflask.services.payments.repository import Scope
from bunqflask.services.payments.search import Filter
from bunqflask.services.payments.tokenizer import search_text
from bunqflask.web.ui import formatting

NAMES = ("q", "from", "to", "min", "max", "direction", "account", "type")
LONGEST = 200
# A year that the calendar of any zone, and any database, knows.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_DIGITS = 14
_SIGNS = re.compile(r"[\s'’]|€|EUR")
_PLAIN = re.compile(r"\d+")
_DECIMAL = re.compile(r"(\d+)[.,](\d{1,4})")
_EITHER = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")
_BOTH = re.compile(r"([1-9]\d{0,2}(?:([.,])\d{3})(?:\2\d{3})*)[.,](\d{1,2})")
_TYPE = re.compile(r"[A-Za-z0-9_]{1,40}")


class NotAnAmount(ValueError):
    """A text that is no amount, or one that no account could hold."""


class Ambiguous(NotAnAmount):
    """An amount that can be read in two ways, both of which it names."""

    def __init__(self, thousands: str, decimals: str) -> None:
        super().__init__(thousands, decimals)
        self.thousands, self.decimals = thousands, decimals


@dataclass(frozen=True)
class Chip:
    """One filter in words, and the filters that remain without it."""

    text: str
    without: dict[str, str]


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
        return any(name not in ("q", "direction") for name in self.values)


def type_words(kind: str) -> str:
    """bunq's type of a payment in words; an unknown one keeps bunq's own name.

    https://doc.bunq.com/api-reference/payment
    """
    return types().get(kind) or formatting.name(kind.replace("_", " ").capitalize(), 40)


def types() -> dict[str, str]:
    """The types of payment that bunq is known to use, in words."""
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


def read(given: Mapping[str, str], scope: Scope, *, account_id: int | None = None) -> Asked:
    """Read the filters of an address; `account_id` is the account that the page is about, if it is about one."""
    names = [name for name in NAMES if account_id is None or name != "account"]
    values = {name: given[name].strip()[:LONGEST] for name in names if given.get(name, "").strip()}
    errors: dict[str, str] = {}
    since, until = (_day(name, values, errors) for name in ("from", "to"))
    if since and until and until < since:
        errors["to"] = _("This is before the first day.")
    at_least, at_most = (_size(name, values, errors) for name in ("min", "max"))
    if at_least is not None and at_most is not None and at_most < at_least:
        errors["max"] = _("This is less than the smallest amount.")
    wanted = Filter(
        words=_words(values, errors),
        amount=_amount_meant(values.get("q", "")),
        account_id=account_id if account_id is not None else _account(values, scope, errors),
        since=start_of(since) if since else None,
        before=start_of(until + timedelta(days=1)) if until else None,
        at_least=at_least,
        at_most=at_most,
        direction=_direction(values, errors),
        type=_type(values, errors),
    )
    chips = [
        Chip(text, {name: value for name, value in values.items() if name != each})
        for each in values
        if each not in errors and (text := _chip(each, values[each], scope))
    ]
    return Asked(values=values, errors=errors, wanted=wanted, chips=chips)


def start_of(day: date) -> datetime:
    """The moment at which a day begins in this site's zone."""
    return datetime(day.year, day.month, day.day, tzinfo=formatting.zone())


def span_of(day: date) -> tuple[datetime, datetime]:
    """The day's beginning and the next one's, which are 23, 24 or 25 hours apart."""
    return start_of(day), start_of(day + timedelta(days=1))


def amount(text: str) -> Decimal:
    """Read an amount as people write it: 1234.5, 1.234,50 and 1,234.50 are all understood.

    :raises Ambiguous: 1.234 and 1,234 can be read in two ways.
    :raises NotAnAmount: it is none.
    """
    plain = _SIGNS.sub("", unicodedata.normalize("NFKC", text))
    if not plain.isascii() or sum(sign.isdigit() for sign in plain) > _DIGITS:
        raise NotAnAmount(text)
    if _EITHER.fullmatch(plain):
        whole, last = re.split("[.,]", plain)
        raise Ambiguous(whole + last, f"{whole}.{last[:2] if last[2] == '0' else last + '0'}")
    if both := _BOTH.fullmatch(plain):
        if both[2] == plain[both.end(1)]:
            raise NotAnAmount(text)
        return Decimal(re.sub("[.,]", "", both[1]) + "." + both[3])
    if _PLAIN.fullmatch(plain):
        return Decimal(plain)
    if parts := _DECIMAL.fullmatch(plain):
        return Decimal(f"{parts[1]}.{parts[2]}")
    if _GROUPED.fullmatch(plain):
        return Decimal(re.sub("[.,]", "", plain))
    raise NotAnAmount(text)


def _words(values: dict[str, str], errors: dict[str, str]) -> str:
    words = values.get("q", "")
    if words and not search_text(words):
        errors["q"] = _("Write at least one letter or digit.")
    return words


def _amount_meant(words: str) -> Decimal | None:
    """The amount that the words of a search are, if they are one; what is ambiguous is searched as words."""
    try:
        return amount(words.lstrip("-+−"))
    except NotAnAmount:
        return None


def _day(name: str, values: dict[str, str], errors: dict[str, str]) -> date | None:
    if name not in values:
        return None
    try:
        day = date.fromisoformat(values[name])
        if _FIRST_YEAR <= day.year < _LAST_YEAR:
            return day
    except ValueError:
        pass
    errors[name] = _("Write a date as year-month-day, such as 2026-11-22.")
    return None


def _size(name: str, values: dict[str, str], errors: dict[str, str]) -> Decimal | None:
    if name not in values:
        return None
    if values[name].startswith(("-", "+", "−")):
        errors[name] = _("Leave the sign out; choose In or Out instead.")
        return None
    try:
        return amount(values[name])
    except Ambiguous as two:
        errors[name] = _("This can be read in two ways. Write %(thousands)s or %(decimals)s.") % {
            "thousands": two.thousands,
            "decimals": two.decimals,
        }
    except NotAnAmount:
        errors[name] = _("Write an amount, such as 12.50.")
    return None


def _account(values: dict[str, str], scope: Scope, errors: dict[str, str]) -> int | None:
    text = values.get("account")
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 19 and int(text) in scope.accounts:
        return int(text)
    errors["account"] = _("This account is not here, or not shared with you.")
    return None


def _direction(values: dict[str, str], errors: dict[str, str]) -> Literal["", "in", "out"]:
    text = values.get("direction", "")
    if text not in ("", "in", "out"):
        errors["direction"] = _("Choose In or Out.")
        return ""
    return cast(Literal["", "in", "out"], text)


def _type(values: dict[str, str], errors: dict[str, str]) -> str:
    text = values.get("type", "")
    if text and not _TYPE.fullmatch(text):
        errors["type"] = _("Choose one of the types.")
        return ""
    return text


def _chip(name: str, value: str, scope: Scope) -> str:
    if name == "account":
        return formatting.name(scope.accounts[int(value)].name, 60)
    if name == "direction":
        return _("Money in") if value == "in" else _("Money out")
    if name == "type":
        return type_words(value)
    if name in ("from", "to"):
        words = _("From %(day)s") if name == "from" else _("Until %(day)s")
        return words % {"day": formatting.day(date.fromisoformat(value), "short")}
    if name == "q":
        return _("“%(words)s”") % {"words": formatting.name(value, 60)}
    return (_("At least %(size)s") if name == "min" else _("At most %(size)s")) % {"size": formatting.name(value, 30)}
