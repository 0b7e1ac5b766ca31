"""Amounts of euros in files, in the Dutch or the English way; nothing is guessed.

Stricter than what a search field takes: money follows from it. A text that can be read in two ways is refused, unless
the caller knows which sign stands before the cents. Only ASCII digits count, and no exponent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from bunqflask.i18n import gettext as _
from bunqflask.payment_files.lines import one_line

DecimalSign = Literal["", ",", "."]

# The largest amount of one SEPA credit transfer.
# https://www.europeanpaymentscouncil.eu/document-library/implementation-guidelines (EPC132-08, AT-04)
LARGEST = Decimal("999999999.99")
_DIGITS = re.compile(r"[0-9]+")
_EURO = re.compile(r"^(?:€|EUR) ?| ?(?:€|EUR)$", re.IGNORECASE)
_NEGATIVE = re.compile(r"[-\u2212] ?[0-9].*|[0-9](?:.*[0-9])? ?[-\u2212]|\(.*\)")
_TOO_FINE = re.compile(r"[0-9]+[.,][0-9]{3,}")
_EITHER = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
# Whole euros, in groups of three after one sign or in none, then perhaps a sign and one or two digits of cents.
_AMOUNT = re.compile(r"(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:(?P<between>[.,' ])[0-9]{3})(?:(?P=between)[0-9]{3})*)"
                     r"(?:(?P<sign>[.,])(?P<cents>[0-9]{1,2}))?")  # fmt: skip


class NotAnAmount(ValueError):
    """A text that is no amount to pay. Its text says why, in half a sentence after "the amount"."""


@dataclass(frozen=True)
class Reading:
    """An amount, and the sign before the cents that the text shows; empty where it shows none."""

    amount: Decimal
    decimal_sign: DecimalSign


def read(text: str, decimal_sign: DecimalSign = "") -> Reading:
    """Read an amount in euros, more than zero, with two decimals.

    With a `decimal_sign` only that one may stand before cents, and the other one only between groups of digits.

    :raises NotAnAmount: it is none, it is zero, negative or too large, or it can be read in two ways.
    """
    plain = _EURO.sub("", one_line(text).replace("’", "'"))
    if not plain:
        raise NotAnAmount(_("is missing: write one, or remove the line"))
    if _NEGATIVE.fullmatch(plain):
        raise NotAnAmount(_("is negative: write amounts to pay without a minus"))
    if _EITHER.fullmatch(plain):
        return _whole(plain, decimal_sign)
    found = _AMOUNT.fullmatch(plain)
    if found is None:
        raise NotAnAmount(_unreadable(plain))
    sign, between = found["sign"] or "", found["between"] or ""
    if sign and sign == between:
        raise NotAnAmount(_unreadable(plain))
    seen: DecimalSign = "." if sign == "." or between == "," else "," if sign == "," or between == "." else ""
    if decimal_sign and seen not in ("", decimal_sign):
        raise NotAnAmount(_other_sign(decimal_sign))
    whole = "".join(_DIGITS.findall(plain[: found.start("sign")] if sign else plain))
    return Reading(_checked(Decimal(f"{whole}.{(found['cents'] or ''):0<2}")), seen)


def _whole(plain: str, decimal_sign: DecimalSign) -> Reading:
    """Read what may be thousands or thousandths: only the caller's decimal sign can say that it is thousands."""
    between = "." if "." in plain else ","
    if not decimal_sign:
        reason = _(
            "can mean %(thousands)s euros or %(decimals)s: write the cents (%(example)s), or say which sign stands "
            "before the cents in this file"
        )
        thousands = plain.replace(between, "")
        example = f"{thousands}{',' if between == '.' else '.'}00"
        raise NotAnAmount(reason % {"thousands": thousands, "decimals": plain, "example": example})
    if between == decimal_sign:
        raise NotAnAmount(_("has more than two digits of cents"))
    return Reading(_checked(Decimal(plain.replace(between, "") + ".00")), decimal_sign)


def _checked(amount: Decimal) -> Decimal:
    if not amount:
        raise NotAnAmount(_("is zero: write one, or remove the line"))
    if amount > LARGEST:
        raise NotAnAmount(_("is larger than one payment can be, which is 999,999,999.99 euros"))
    return amount


def _other_sign(decimal_sign: DecimalSign) -> str:
    return (
        _("does not fit a file in which a comma stands before the cents")
        if decimal_sign == ","
        else _("does not fit a file in which a point stands before the cents")
    )


def _unreadable(plain: str) -> str:
    if _TOO_FINE.fullmatch(plain):
        return _("has more than two digits of cents")
    return _("is not one that can be read safely: write it as 1234,56 or 1234.56")
