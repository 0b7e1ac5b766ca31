"""Finding payments by their words on PostgreSQL: a tsvector with a GIN index.

https://www.postgresql.org/docs/current/textsearch.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
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


def count(words: Words, _query: str, _account_ids: Sequence[int], most: int) -> int:
    """Return about how many payments have these words, by the statistics; those of other accounts are among them."""
    found = db.session.execute(_COMMON, {"beginnings": [f"{part}%" for part in words.parts]}).all()
    counts = [sum(count for word, count in found if word.startswith(part)) for part in words.parts]
    return min(most, int(min(counts)))


def query_of(words: Words) -> str:
    """Write the words in PostgreSQL's query language."""
    asked = " & ".join(f"'{part}':*" for part in words.parts)
    return f"{asked} | '{words.amount_word}'" if words.amount_word else asked


def row_ids(query: str) -> Select[Any]:
    """Return a statement for the row ids of all payments that a query finds, in no order."""
    vector = literal_column("payment.payment_search", TSVECTOR)
    return select(Payment.id).where(vector.op("@@")(cast(query, TSQUERY)))


def contains(payment: Any, words: Words) -> ColumnElement[bool]:
    """Return the condition that a payment has these words: its text is searched, so that the GIN index is not tried."""
    spaced = literal(" ") + payment.search_text + literal(" ")
    part = func.json_array_elements_text(cast(bindparam(None, json.dumps(words.parts), type_=Text), JSON)).table_valued(
        "value", name="part"
    )
    missing = exists().where(func.strpos(spaced, literal(" ") + part.c.value) == 0).select_from(part)
    # One part first, the longest as it is likely to be the rarest: reading the list for each payment takes longer.
    has_longest = func.strpos(spaced, f" {max(words.parts, key=len)}") > 0
    has_all = and_(has_longest, ~missing)
    if words.amount_word is None:
        return has_all
    return or_(has_all, func.strpos(spaced, f" {words.amount_word} ") > 0)
