"""Finding payments by their words: every part as the beginning of a word; or payments of a size, which is a word too.

The two databases index words in their own ways, each in a module of its own with the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, cast

from sqlalchemy import ColumnElement, Select

from bunqflask.extensions import db
from bunqflask.services.payments.tokenizer import amount_word, search_text

MOST_WORDS = 20


@dataclass(frozen=True)
class Words:
    """What to look for; `amount_word` is the word of a size that is looked for instead."""

    parts: tuple[str, ...]
    amount_word: str | None = None

    @classmethod
    def of(cls, words: str, amount: Decimal | None) -> Words | None:
        """Return what a text asks for; None when it asks for nothing."""
        parts = tuple(search_text(words).split()[:MOST_WORDS])
        return cls(parts, amount_word(amount) if amount is not None else None) if parts else None


class _Dialect(Protocol):
    COUNTS_EXACTLY: bool

    def query_of(self, words: Words) -> str: ...
    def count(self, words: Words, query: str, account_ids: Sequence[int], most: int) -> int: ...
    def row_ids(self, query: str) -> Select[Any]: ...
    def contains(self, payment: Any, words: Words) -> ColumnElement[bool]: ...


def query_of(words: Words) -> str:
    """Write the words in the query language of the database."""
    return _dialect().query_of(words)


def count(words: Words, query: str, account_ids: Sequence[int], most: int) -> int:
    """Return how many payments of some accounts have these words, counted or estimated up to a number.

    :param query: what `query_of` returned for these words.
    """
    return _dialect().count(words, query, account_ids, most)


def counts_exactly() -> bool:
    """Tell whether `count` counts the payments of the accounts that it is asked about, and estimates none."""
    return _dialect().COUNTS_EXACTLY


def row_ids(query: str) -> Select[Any]:
    """Return a statement for the row ids of all payments that a query finds, in no order."""
    return _dialect().row_ids(query)


def contains(payment: Any, words: Words) -> ColumnElement[bool]:
    """Return the condition that a payment has these words, for payments that were found in another way."""
    return _dialect().contains(payment, words)


def _dialect() -> _Dialect:
    from bunqflask.services.payments import fulltext_postgres, fulltext_sqlite

    return cast(_Dialect, fulltext_sqlite if db.engine.dialect.name == "sqlite" else fulltext_postgres)
