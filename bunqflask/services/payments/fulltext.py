"""The words of payments, as the database finds them: FTS5 on SQLite, a tsvector on PostgreSQL.

What is asked for is a page of the newest, so the work should grow with the page and not with all that is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, cast, column, func, literal, literal_column, or_, select, table
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import TSQUERY

from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.models.payments import ACCOUNT_BITS, PaymentRowId
from bunqflask.services.payments.tokenizer import LONGEST, amount_word, search_text

MOST_WORDS = 20
# What is found is looked up one by one to be added up: more than these are worth a wait that is told.
MANY = 5_000
# Beginnings of words of these lengths have an index of their own. Those of other lengths are merged whenever one is
# asked for, all that there are; so they are asked for by what is indexed, if that is not too many.
_INDEXED = (2, 3, 4)
_MOST_TERMS = 40
# So many of the newest payments are looked at on PostgreSQL before its index is asked; more, if it would take long
# because some of the words are in more than this share of all payments.
_NEWEST, _MORE = 5_000, 50_000
_COMMON_SHARE = 0.02
# The account in a row's id.
_ACCOUNT = 2**ACCOUNT_BITS - 1

_found = table("payment_search", column("rowid", PaymentRowId), column("payment_search"))
# The words that begin so, cut to a length, each once: one is looked up, then the next past all that begin as it does.
_TERMS = sql_text(
    "WITH RECURSIVE each(term) AS ("
    " SELECT (SELECT term FROM payment_search_terms WHERE term >= :part AND term < :part || :past LIMIT 1)"
    " UNION ALL"
    " SELECT (SELECT term FROM payment_search_terms"
    "  WHERE term >= CASE WHEN length(each.term) < :length THEN each.term || char(1)"
    "   ELSE substr(each.term, 1, :length) || :past END AND term < :part || :past LIMIT 1)"
    " FROM each WHERE each.term IS NOT NULL LIMIT :most"
    ") SELECT substr(term, 1, :length) FROM each WHERE term IS NOT NULL"
)
# How large a share of all payments has which common words that begin so; what is not common is not told.
_COMMON = sql_text(
    "SELECT common.word, common.share FROM pg_stats, unnest(most_common_elems::text::text[], most_common_elem_freqs)"
    " AS common(word, share)"
    " WHERE schemaname = current_schema() AND tablename = 'payment' AND attname = 'payment_search'"
    " AND common.word LIKE ANY (:beginnings)"
)
_ALL = sql_text("SELECT reltuples FROM pg_class WHERE oid = 'payment'::regclass")
_PAST = "\U0010ffff"


@dataclass(frozen=True)
class Words:
    """What to look for: every part as the beginning of a word; or payments of a size, which is a word too."""

    parts: Sequence[str]
    amount: Decimal | None = None

    @classmethod
    def of(cls, words: str, amount: Decimal | None) -> Words | None:
        """Return what some words ask for; None when they ask for nothing."""
        parts = search_text(words).split()[:MOST_WORDS]
        return cls(parts, amount) if parts else None

    @property
    def amount_word(self) -> str | None:
        return amount_word(self.amount) if self.amount is not None else None


def newest(
    words: Words, ids: Sequence[int], bounds: tuple[int, int], asked: Sequence[ColumnElement[bool]], limit: int
) -> list[Payment]:
    """Return the newest payments of some accounts with these words.

    :param bounds: the lowest and the highest row they may have.
    :param asked: what else is asked of them.
    """
    if db.engine.dialect.name == "sqlite":
        return _newest_on_sqlite(words, ids, bounds, asked, limit)
    return _newest_on_postgres(words, ids, bounds, asked, limit)


def finds_many(words: Words, ids: Sequence[int], bounds: tuple[int, int]) -> bool:
    """Tell quickly whether so many payments of some accounts have these words that adding them up takes long."""
    if db.engine.dialect.name != "sqlite":
        return min(_shares(words)) * (db.session.scalar(_ALL) or 0.0) > MANY
    rowid = _found.c.rowid
    some = select(rowid).where(_matches(words), rowid.between(*bounds), rowid.op("&")(_ACCOUNT).in_(ids))
    found = db.session.scalar(select(func.count()).select_from(some.limit(MANY + 1).subquery()))
    return (found or 0) > MANY


def matched(words: Words, bounds: tuple[int, int]) -> ColumnElement[bool]:
    """The condition that a payment has these words, for all of them within bounds."""
    if db.engine.dialect.name == "sqlite":
        return Payment.id.in_(select(_found.c.rowid).where(_matches(words), _found.c.rowid.between(*bounds)))
    return and_(_matches(words), Payment.id.between(*bounds))


def read_in(words: Words) -> ColumnElement[bool]:
    """The same condition for few payments, found in another way: their words are read one by one."""
    kept = literal(" ") + Payment.search_text
    found = and_(*(kept.contains(f" {part}", autoescape=True) for part in words.parts))
    return or_(found, (kept + " ").contains(f" {words.amount_word} ")) if words.amount_word else found


def _newest_on_sqlite(
    words: Words, ids: Sequence[int], bounds: tuple[int, int], asked: Sequence[ColumnElement[bool]], limit: int
) -> list[Payment]:
    rowid = _found.c.rowid
    # A row id tells its account: nothing that is found has to be looked at for that.
    query = select(rowid).where(_matches(words), rowid.between(*bounds), rowid.op("&")(_ACCOUNT).in_(ids))
    if asked:
        query = query.where(select(1).where(Payment.id == rowid, *asked).exists())
    # FTS5 walks down from the newest, and stops when the page is full.
    return _payments(query.order_by(rowid.desc()), limit)


def _newest_on_postgres(
    words: Words, ids: Sequence[int], bounds: tuple[int, int], asked: Sequence[ColumnElement[bool]], limit: int
) -> list[Payment]:
    fits = and_(_matches(words), *asked)
    # The index of words finds them in no order, and all there are. So the newest payments are looked at first.
    for size in (_NEWEST, _MORE):
        newest = (
            select(Payment.id, fits.label("fits"))
            .where(Payment.account_id.in_(ids), Payment.id.between(*bounds))
            .order_by(Payment.id.desc())
            .limit(size)
            .subquery()
        )
        found = _payments(select(newest.c.id).where(newest.c.fits).order_by(newest.c.id.desc()), limit)
        if len(found) == limit:
            return found
        if not _are_common(words):
            break
    # Of what the index finds, all is needed: in sums, so that nothing else seems to lead there.
    of_accounts = and_((Payment.account_id + 0).in_(ids), (Payment.id + 0).between(*bounds))
    found_rows = select(Payment.id).where(of_accounts, fits).cte("found").prefix_with("MATERIALIZED")
    return _payments(select(found_rows.c.id).order_by(found_rows.c.id.desc()), limit)


def _are_common(words: Words) -> bool:
    """Tell, by PostgreSQL's statistics, whether its index would have to go through many payments for some words."""
    return sum(_shares(words)) > _COMMON_SHARE


def _shares(words: Words) -> list[float]:
    """Return how large a share of all payments each of the words is in, by PostgreSQL's statistics."""
    found = db.session.execute(_COMMON, {"beginnings": [f"{part}%" for part in words.parts]}).all()
    return [sum(share for word, share in found if word.startswith(part)) for part in words.parts]


def _payments(row_ids: Select[Any], limit: int) -> list[Payment]:
    query = select(Payment).where(Payment.id.in_(row_ids.limit(limit))).order_by(Payment.id.desc())
    return list(db.session.scalars(query))


def _matches(words: Words) -> ColumnElement[bool]:
    """Every word, as the beginning of a word in name, description or IBAN; or the amount."""
    if db.engine.dialect.name == "sqlite":
        asked = " AND ".join(_beginning(part) for part in words.parts)
        return _found.c.payment_search.op("MATCH")(
            f'({asked}) OR "{words.amount_word}"' if words.amount_word else asked
        )
    asked = " & ".join(f"'{part}':*" for part in words.parts)
    asked = f"{asked} | '{words.amount_word}'" if words.amount_word else asked
    return literal_column("payment_search").op("@@")(cast(asked, TSQUERY))


def _beginning(part: str) -> str:
    """How FTS5 is asked for words that begin with a part."""
    if len(part) in _INDEXED:
        return f'"{part}"*'
    is_short = len(part) < _INDEXED[0]
    length = _INDEXED[0] if is_short else LONGEST + 1
    terms = list(db.session.scalars(_TERMS, {"part": part, "past": _PAST, "most": _MOST_TERMS + 1, "length": length}))
    if not 0 < len(terms) <= _MOST_TERMS:
        return f'"{part}"*'
    return (
        "(" + " OR ".join(f'"{term}"*' if len(term) in _INDEXED and is_short else f'"{term}"' for term in terms) + ")"
    )
