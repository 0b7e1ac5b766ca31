"""Whom bunq shall ask for money, read from what people type: an email address, a phone number or an IBAN."""

from __future__ import annotations

import re

from bunqflask import ibans
from bunqflask.i18n import gettext as _
from bunqflask.models import Party

_BETWEEN_DIGITS = re.compile(r"[\s().\-/]")
_DUTCH_MOBILE = re.compile(r"06[0-9]{8}", re.ASCII)
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_IBAN_BEGIN = re.compile(r"[A-Z]{2}[0-9]{2}", re.ASCII)


class NoPayer(ValueError):
    """A text names nobody whom bunq could ask; the error's own text says so, for a person, and repeats no value."""


def read(text: str, name: str) -> Party:
    """Return whom a text names. A Dutch mobile number may be written without its country.

    What it names is checked when the request is prepared.

    :param name: of the person, which bunq needs with an IBAN.
    :raises NoPayer: it is none of the three.
    """
    plain = " ".join(text.split())
    if "@" in plain:
        return Party("EMAIL", plain)
    if _IBAN_BEGIN.match(packed := ibans.normalise(plain)):
        return Party("IBAN", packed, name)
    number = _BETWEEN_DIGITS.sub("", plain.replace("(0)", ""))
    if number.startswith("00"):
        number = f"+{number[2:]}"
    elif _DUTCH_MOBILE.fullmatch(number):
        number = f"+31{number[1:]}"
    if not _NUMBER.fullmatch(number):
        raise NoPayer(_("Write an email address, a phone number such as +31612345678, or an IBAN."))
    return Party("PHONE_NUMBER", number)
