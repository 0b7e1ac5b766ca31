"""The words by which payments are found: how they are written down, and how they are asked for."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

# What is longer is cut, in payments as in searches: no database's index takes words of any length.
LONGEST = 100
_OF_A_WORD = re.compile(r"\w")
# The letters of all languages that one team's payments are likely to be written in.
_MOST_SIGNS = 5000


class _Signs(dict[int, str]):
    """What becomes of each sign: itself, or what it is made of without its marks; a blank where words end."""

    def __missing__(self, code: int) -> str:
        apart = (sign for sign in unicodedata.normalize("NFKD", chr(code)) if not unicodedata.combining(sign))
        plain = "".join(sign if _OF_A_WORD.match(sign) else " " for sign in apart)
        if len(self) < _MOST_SIGNS:
            self[code] = plain
        return plain


_signs = _Signs()


def search_text(text: str) -> str:
    """Return a text as searches compare it: words alone, in small letters, without accents."""
    words = text.casefold().translate(_signs).split()
    if max(map(len, words), default=0) > LONGEST:
        words = [word[start : start + LONGEST] for word in words for start in range(0, len(word), LONGEST)]
    return " ".join(words)


def amount_word(amount: Decimal) -> str:
    """An amount as one word of the search: letters that begin no word of any language, then the exact size."""
    return f"qxz{abs(amount) * 10000:f}".partition(".")[0]


def fours(iban: str) -> list[str]:
    """An IBAN in the groups in which it is written."""
    return [iban[start : start + 4] for start in range(0, len(iban), 4)]
