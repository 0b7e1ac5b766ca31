"""The words by which payments are found: how they are written down, and how they are asked for."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache

# What is longer is cut, in payments as in searches: no database's index takes words of any length.
LONGEST = 100
_WORD = re.compile(rf"\w{{1,{LONGEST}}}")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def search_text(text: str) -> str:
    """Return a text as searches compare it: words alone, in small letters, without accents."""
    plain = text.casefold()
    if plain.isascii():
        return " ".join(_WORD.findall(plain))
    apart = unicodedata.normalize("NFKD", plain)
    return " ".join(_WORD.findall(_BEYOND_ASCII.sub(lambda found: _without_marks(found[0]), apart)))


@lru_cache(2048)  # a letter's marks come again and again
def _without_marks(signs: str) -> str:
    return "".join(sign for sign in signs if not unicodedata.combining(sign))


def amount_word(amount: Decimal) -> str:
    """An amount as one word of the search: letters that begin no word of any language, then the exact size."""
    return f"qxz{abs(amount) * 10000:f}".partition(".")[0]


def fours(iban: str) -> list[str]:
    """An IBAN in the groups in which it is written."""
    return [iban[start : start + 4] for start in range(0, len(iban), 4)]
