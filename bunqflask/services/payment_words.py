"""The words by which payments are found: how they are written down, and how they are asked for."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache

from sqlalchemy import ColumnElement, bindparam, func, literal_column, text

from bunqflask.extensions import db
from bunqflask.models import Payment

_WORD = re.compile(r"\w+")
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


def match(words: str, amount: Decimal | None, bounds: tuple[int, int]) -> ColumnElement[bool] | None:
    """Every word, as the beginning of a word in name, description or IBAN; or the amount."""
    parts = search_text(words).split()[:20]
    if not parts:
        return None
    word = amount_word(amount) if amount is not None else None
    if db.engine.dialect.name == "sqlite":
        asked = " ".join(f'"{part}"*' for part in parts) + (f' OR "{word}"' if word else "")
        found = text(
            "SELECT rowid FROM payment_search WHERE payment_search MATCH :asked AND rowid BETWEEN :lowest AND :highest"
        ).bindparams(asked=asked, lowest=bounds[0], highest=bounds[1])
        return Payment.id.in_(found.columns(literal_column("rowid")))
    asked = " & ".join(f"'{part}':*" for part in parts) + (f" | '{word}'" if word else "")
    return literal_column("payment_search").op("@@")(func.to_tsquery("simple", bindparam(None, asked)))
