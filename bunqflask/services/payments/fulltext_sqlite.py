"""Finding payments by their words on SQLite: FTS5.

https://www.sqlite.org/fts5.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy import text as sql_text

from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db
from bunqflask.models.payments import ACCOUNT_BITS, PaymentRowId

if TYPE_CHECKING:
    from bunqflask.services.payments.fulltext import Words

COUNTS_EXACTLY = True
# Beginnings of words of up to this length have an index of their own (see the migration). For a longer one FTS5 merges
# the lists of all words that begin so before it returns the first row: 54 ms for one in 111,000 payments. So it is
# asked for those words themselves, unless there are very many, which are rare words then.
_INDEXED = 4
_MOST_TERMS = 40
_ACCOUNT_MASK = 2**ACCOUNT_BITS - 1
_BEYOND = "\U0010ffff"

_found = table("payment_search", column("rowid", PaymentRowId), column("payment_search"))
# The words that begin as each part does: the first one is looked up, then the next after it, the parts in turn.
_TERMS = sql_text(
    "WITH RECURSIVE each(part, term) AS ("
    " SELECT value, (SELECT term FROM payment_search_terms WHERE term >= value AND term < value || :beyond LIMIT 1)"
    " FROM json_each(:parts)"
    " UNION ALL"
    " SELECT part, (SELECT term FROM payment_search_terms"
    "  WHERE term >= each.term || char(1) AND term < each.part || :beyond LIMIT 1)"
    " FROM each WHERE each.term IS NOT NULL LIMIT :most"
    ") SELECT part, term FROM each WHERE term IS NOT NULL"
)


# A row id tells its account, so the payments themselves are not read.
_COUNTED = (
    select(_found.c.rowid)
    .where(_found.c.payment_search.op("MATCH")(bindparam("query", type_=Text)))
    .where(is_listed(_found.c.rowid.op("&")(_ACCOUNT_MASK), "account_ids", BigInteger()))
    .limit(bindparam("most", type_=Integer))
)
_COUNT = select(func.count()).select_from(_COUNTED.subquery())


def count(_words: Words, query: str, account_ids: Sequence[int], most: int) -> int:
    """Return how many payments of some accounts a query finds, counted up to a number."""
    asked = {"query": query, "account_ids": listed(account_ids), "most": most}
    return db.session.connection().scalar(_COUNT, asked) or 0


def row_ids(query: str) -> Select[Any]:
    """Return a statement for the row ids of all payments that a query finds, in no order."""
    return select(_found.c.rowid).where(_found.c.payment_search.op("MATCH")(query))


def contains(payment: Any, words: Words) -> ColumnElement[bool]:
    """Return the condition that a payment has these words: its text is searched, which needs no index."""
    spaced = literal(" ") + payment.search_text + literal(" ")
    part = func.json_each(bindparam(None, json.dumps(words.parts), type_=Text)).table_valued("value", name="part")
    missing = exists().where(func.instr(spaced, literal(" ") + part.c.value) == 0).select_from(part)
    # One part first, the longest as it is likely to be the rarest: reading the list for each payment takes longer.
    has_longest = func.instr(spaced, f" {max(words.parts, key=len)}") > 0
    has_all = and_(has_longest, ~missing)
    if words.amount_word is None:
        return has_all
    return or_(has_all, func.instr(spaced, f" {words.amount_word} ") > 0)


def query_of(words: Words) -> str:
    """Write the words in FTS5's query language."""
    long = sorted({part for part in words.parts if len(part) > _INDEXED})
    terms: dict[str, list[str]] = {}
    if long:
        asked = {"parts": json.dumps(long), "beyond": _BEYOND, "most": (_MOST_TERMS + 1) * len(long)}
        for part, term in db.session.connection().execute(_TERMS, asked):
            terms.setdefault(part, []).append(term)
    query = " AND ".join(_alternatives(part, terms.get(part, [])) for part in words.parts)
    return f'({query}) OR "{words.amount_word}"' if words.amount_word else query


def _alternatives(part: str, terms: Sequence[str]) -> str:
    if not 0 < len(terms) <= _MOST_TERMS:
        return f'"{part}"*'
    return "(" + " OR ".join(f'"{term}"' for term in terms) + ")"
