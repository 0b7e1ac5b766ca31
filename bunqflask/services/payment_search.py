"""Finding payments: what a view asks for, and the newest of what it finds, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from sqlalchemy import ColumnElement, Select, and_, func, select, union_all

from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services.payment_words import match, search_text
from bunqflask.services.payments import Scope

PAGE_SIZE = 50
# So many payments are quickly looked at one by one.
_FEW = 500


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a view of payments is narrowed to; empty shows all. Amounts are sizes, without a sign.

    `amount` is what the words mean when they are an amount: payments of that size are found too.
    """

    words: str = ""
    amount: Decimal | None = None
    account_id: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    direction: Literal["", "in", "out"] = ""
    type: str = ""


@dataclass(frozen=True)
class Page:
    """Payments, newest first, and the row id below which the older ones begin (None: there are none)."""

    payments: list[Payment]
    older_id: int | None


def list_page(scope: Scope, wanted: Filter, *, older_id: int | None = None, size: int = PAGE_SIZE) -> Page:
    """Return one page of the payments in scope, newest first, as bunq numbers them."""
    ids = account_ids(scope, wanted)
    if not ids:
        return Page([], None)
    asked, few = conditions(wanted), of_rare_sizes(ids, wanted)
    if older_id is not None:
        asked.append(Payment.id < older_id)
    if few is not None:
        asked.append(Payment.id.in_(few))
    query = _newest(ids, asked, size + 1, is_narrow=few is not None or bool(search_text(wanted.words)))
    found = list(db.session.scalars(query))
    more = len(found) > size
    return Page(found[:size], found[size - 1].id if more else None)


def account_ids(scope: Scope, wanted: Filter) -> list[int]:
    """Return the rows of the accounts that a filter leaves of those in scope."""
    if wanted.account_id is not None:
        return [wanted.account_id] if wanted.account_id in scope.accounts else []
    return scope.ids


def conditions(wanted: Filter, bounds: tuple[int, int] | None = None) -> list[ColumnElement[bool]]:
    """What a filter asks of a payment; `bounds` are the lowest and the highest row that a search has to find."""
    size = func.abs(Payment.amount, type_=Payment.amount.type)
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(Payment.created_at >= wanted.since)
    if wanted.before is not None:
        found.append(Payment.created_at < wanted.before)
    if wanted.at_least is not None:
        found.append(size >= wanted.at_least)
    if wanted.at_most is not None:
        found.append(size <= wanted.at_most)
    if wanted.direction:
        # Turned around, so that no index of amounts is used: it would find half of all, and then sort them.
        found.append(-Payment.amount < 0 if wanted.direction == "in" else -Payment.amount > 0)
    if wanted.type:
        found.append(Payment.type == wanted.type)
    matched = match(wanted.words, wanted.amount, bounds or (0, 2**63 - 1))
    if matched is not None:
        found.append(matched)
    return found


def of_rare_sizes(ids: list[int], wanted: Filter) -> list[int] | None:
    """Where only few payments have the sizes asked for, return their rows: walking past all others takes long."""
    if wanted.at_least is None and wanted.at_most is None:
        return None
    least, most = wanted.at_least or Decimal(0), wanted.at_most
    money_in = Payment.amount >= least if most is None else Payment.amount.between(least, most)
    money_out = Payment.amount <= -least if most is None else Payment.amount.between(-most, -least)
    sides = {"in": [money_in], "out": [money_out], "": [money_in, money_out]}[wanted.direction]
    probes = [
        select(Payment.id).where(Payment.account_id == account_id, side).limit(_FEW + 1).subquery()
        for account_id in ids
        for side in sides
    ]
    found = list(db.session.scalars(union_all(*(select(each.c.id) for each in probes))))
    return found if len(found) <= _FEW else None


def _newest(ids: list[int], asked: list[ColumnElement[bool]], limit: int, *, is_narrow: bool) -> Select[Payment]:
    """The newest of several accounts: the newest of each, by its index, then the newest of those."""
    if is_narrow or len(ids) == 1:
        return select(Payment).where(and_(Payment.account_id.in_(ids), *asked)).order_by(Payment.id.desc()).limit(limit)
    newest = [
        select(Payment.id)
        .where(and_(Payment.account_id == account_id, *asked))
        .order_by(Payment.id.desc())
        .limit(limit)
        .subquery()
        for account_id in ids
    ]
    candidates = union_all(*(select(each.c.id) for each in newest)).subquery()
    return select(Payment).where(Payment.id.in_(select(candidates.c.id))).order_by(Payment.id.desc()).limit(limit)
