"""Amounts as people type them, in the Dutch or in the English way."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

_DIGITS = 14
_SIGNS = re.compile(r"[\s'’]|€|EUR")
_PLAIN = re.compile(r"\d+")
_DECIMAL = re.compile(r"(\d+)[.,](\d{1,4})")
_EITHER = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")
_BOTH = re.compile(r"([1-9]\d{0,2}(?:([.,])\d{3})(?:\2\d{3})*)[.,](\d{1,2})")


class NotAnAmount(ValueError):
    """A text that is no amount, or one that no account could hold."""


class Ambiguous(NotAnAmount):
    """An amount that can be read in two ways, both of which it names."""

    def __init__(self, thousands: str, decimals: str) -> None:
        super().__init__(thousands, decimals)
        self.thousands, self.decimals = thousands, decimals


def parse(text: str) -> Decimal:
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
