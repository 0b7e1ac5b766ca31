"""Finding payments by their words on PostgreSQL: a tsvector with a GIN index.

https://www.postgresql.org/docs/current/textsearch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, cast, func, literal_column, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from bunqflask.extensions import db
from bunqflask.models import Payment

if TYPE_CHECKING:
    from bunqflask.services.payments.fulltext import Words

COUNTS_EXACTLY = False
# Common words that begin so, and how many payments have each, by the statistics. Counting would cost what finding does:
# GIN returns rows only when it has found all of them.
_COMMON = sql_text(
    "SELECT common.word, common.share * (SELECT reltuples FROM pg_class WHERE oid = 'payment'::regclass)"
    " FROM pg_stats, unnest(most_common_elems::text::text[], most_common_elem_freqs)"
    " AS common(word, share)"
    " WHERE schemaname = current_schema() AND tablename = 'payment' AND attname = 'payment_search'"
    " AND common.word LIKE ANY (:beginnings)"
)


def count(words: Words, _found: Select[Any], _account_ids: Sequence[int], most: int) -> int:
    """Return about how many payments have these words, by the statistics; those of other accounts are among them."""
    found = db.session.execute(_COMMON, {"beginnings": [f"{part}%" for part in words.parts]}).all()
    counts = [sum(count for word, count in found if word.startswith(part)) for part in words.parts]
    return min(most, int(min(counts)))


def row_ids(words: Words) -> Select[Any]:
    """Return a statement that finds the row ids of all payments with these words, in no order."""
    return select(Payment.id).where(_matches(literal_column("payment.payment_search", TSVECTOR), words))


def contains(payment: Any, words: Words) -> ColumnElement[bool]:
    """Return the condition that a payment has these words: for each row, so that the GIN index is not tried."""
    return _matches(func.array_to_tsvector(func.string_to_array(payment.search_text, " ")), words)


def _matches(vector: Any, words: Words) -> ColumnElement[bool]:
    asked = " & ".join(f"'{part}':*" for part in words.parts)
    asked = f"{asked} | '{words.amount_word}'" if words.amount_word else asked
    matches: ColumnElement[bool] = vector.op("@@")(cast(asked, TSQUERY))
    return matches
