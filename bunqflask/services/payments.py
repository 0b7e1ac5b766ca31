"""Stored payments: kept once, found by words, dates and amounts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal_column, or_, select, text, union_all
from sqlalchemy.dialects import postgresql, sqlite

from bunqflask.bunq import payment as bunq
from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount, Payment, PaymentRaw
from bunqflask.models.payments import row_id
from bunqflask.services import accounts, connections
from bunqflask.services.connections import NotFoundHere
from bunqflask.services.team import Member

PAGE_SIZE = 50
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a view of payments is narrowed to; empty shows all. Amounts are sizes, without a sign."""

    words: str = ""
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


@dataclass(frozen=True)
class Totals:
    """What a view of payments adds up to in one currency; own transfers are counted apart."""

    currency: str
    count: int
    money_in: Decimal
    money_out: Decimal
    own_count: int


@dataclass(frozen=True)
class Scope:
    """The accounts a member may look at, and the IBANs of all of them, by which own transfers are known."""

    accounts: dict[int, MonetaryAccount] = field(default_factory=dict)

    @property
    def ibans(self) -> list[str]:
        return sorted({account.iban for account in self.accounts.values() if account.iban})


def store(account: MonetaryAccount, found: Sequence[bunq.Payment]) -> None:
    """Keep payments of one account; of one kept already, the later `updated` wins. Does not commit.

    :raises ResponseNotUnderstood: an amount is finer than any currency knows.
    """
    rows = {payment.payment_id: _row(account, payment) for payment in found}
    if not rows:
        return
    dialect = sqlite if db.engine.dialect.name == "sqlite" else postgresql
    insert = dialect.insert(Payment)
    kept = {name: insert.excluded[name] for name in next(iter(rows.values())) if name != "id"}
    changed = insert.excluded.updated_at >= Payment.updated_at
    db.session.execute(
        insert.on_conflict_do_update(index_elements=["id"], set_=kept, where=changed), list(rows.values())
    )
    insert_raw = dialect.insert(PaymentRaw)
    raws = [{"id": row_id(payment.payment_id, account.id), "data": dict(payment.raw)} for payment in found]
    db.session.execute(
        insert_raw.on_conflict_do_update(index_elements=["id"], set_={"data": insert_raw.excluded.data}), raws
    )


def count(account: MonetaryAccount) -> int:
    """Return how many payments of an account are kept."""
    return db.session.scalar(select(func.count()).where(Payment.account_id == account.id)) or 0


def scope_of(member: Member, connection_id: int | None = None) -> Scope:
    """Return what the member may look at: all of it, or one connection's accounts.

    :raises NotFoundHere: there is no such connection for this member.
    """
    shown: list[Connection] = (
        connections.list_for(member) if connection_id is None else [connections.get_for(member, connection_id)]
    )
    return Scope({account.id: account for connection in shown for account in connection.monetary_accounts})


def get_for(member: Member, payment_row_id: int) -> tuple[Payment, MonetaryAccount, dict[str, Any]]:
    """Return one payment the member may see, its account and all that bunq said about it.

    :raises NotFoundHere: there is none.
    """
    payment: Payment | None = db.session.get(Payment, payment_row_id)
    account = scope_of(member).accounts.get(payment.account_id) if payment else None
    if payment is None or account is None:
        raise NotFoundHere
    raw: PaymentRaw | None = db.session.get(PaymentRaw, payment_row_id)
    return payment, account, dict(raw.data) if raw else {}


def list_page(scope: Scope, wanted: Filter, *, older_id: int | None = None, size: int = PAGE_SIZE) -> Page:
    """Return one page of the payments in scope, newest first, as bunq numbers them."""
    ids = _account_ids(scope, wanted)
    if not ids:
        return Page([], None)
    conditions = _conditions(wanted)
    if older_id is not None:
        conditions.append(Payment.id < older_id)
    query = _newest(ids, conditions, size + 1, has_words=bool(search_text(wanted.words)))
    found = list(db.session.scalars(query))
    more = len(found) > size
    return Page(found[:size], found[size - 1].id if more else None)


def totals(scope: Scope, wanted: Filter) -> list[Totals]:
    """Add up the payments in scope, per currency; transfers between own accounts are not money in or out."""
    ids = _account_ids(scope, wanted)
    if not ids:
        return []
    own = Payment.counterparty_iban.in_(scope.ibans)
    amount = Payment.amount
    query = (
        select(
            Payment.currency,
            func.count().label("number"),
            func.sum(amount).filter(amount > 0, or_(~own, Payment.counterparty_iban.is_(None))).label("money_in"),
            func.sum(amount).filter(amount < 0, or_(~own, Payment.counterparty_iban.is_(None))).label("money_out"),
            func.count().filter(own).label("own_count"),
        )
        .where(Payment.account_id.in_(ids), *_conditions(wanted))
        .group_by(Payment.currency)
        .order_by(Payment.currency)
    )
    zero = Decimal(0)
    return [
        Totals(row.currency, row.number, row.money_in or zero, row.money_out or zero, row.own_count)
        for row in db.session.execute(query)
    ]


def oldest_first(account: MonetaryAccount, since: datetime, before: datetime) -> Iterator[Payment]:
    """Yield an account's payments of a period, oldest first, a thousand at a time."""
    last = 0
    while True:
        query = (
            select(Payment)
            .where(Payment.account_id == account.id, Payment.id > last)
            .where(Payment.created_at >= since, Payment.created_at < before)
            .order_by(Payment.id)
            .limit(1000)
        )
        found = list(db.session.scalars(query))
        yield from found
        if len(found) < 1000:
            return
        last = found[-1].id
        db.session.expunge_all()


def search_text(text: str) -> str:
    """Return a text as searches compare it: words alone, in small letters, without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(_WORD.findall("".join(sign for sign in plain if not unicodedata.combining(sign))))


def _row(account: MonetaryAccount, payment: bunq.Payment) -> dict[str, Any]:
    amount = accounts.exact(payment.amount)
    if amount is None:
        raise ResponseNotUnderstood(f"the amount of payment {payment.payment_id} cannot be kept exactly")
    name, iban = payment.counterparty_name[:500], payment.counterparty_iban
    return {
        "id": row_id(payment.payment_id, account.id),
        "account_id": account.id,
        "payment_id": payment.payment_id,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "amount": amount,
        "currency": payment.amount.currency[:10],
        "balance_after": accounts.exact(payment.balance_after),
        "type": payment.type[:40],
        "sub_type": payment.sub_type[:40],
        "description": payment.description,
        "counterparty_name": name,
        "counterparty_iban": iban,
        # An IBAN is looked for as one word, or in the groups of four in which it is written.
        "words": search_text(" ".join([name, payment.description, iban or "", *_fours(iban or "")])),
    }


def _fours(iban: str) -> list[str]:
    return [iban[start : start + 4] for start in range(0, len(iban), 4)]


def _account_ids(scope: Scope, wanted: Filter) -> list[int]:
    if wanted.account_id is not None:
        return [wanted.account_id] if wanted.account_id in scope.accounts else []
    return sorted(scope.accounts)


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
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
        found.append(Payment.amount > 0 if wanted.direction == "in" else Payment.amount < 0)
    if wanted.type:
        found.append(Payment.type == wanted.type)
    match = _match(wanted.words)
    if match is not None:
        found.append(match)
    return found


def _match(words: str) -> ColumnElement[bool] | None:
    """Every word, as the beginning of a word in name, description or IBAN."""
    parts = search_text(words).split()[:20]
    if not parts:
        return None
    if db.engine.dialect.name == "sqlite":
        asked = " ".join(f'"{part}"*' for part in parts)
        found = text("SELECT rowid FROM payment_search WHERE payment_search MATCH :asked").bindparams(asked=asked)
        return Payment.id.in_(found.columns(literal_column("rowid")))
    asked = " & ".join(f"'{part}':*" for part in parts)
    return literal_column("payment_search").op("@@")(func.to_tsquery("simple", bindparam(None, asked)))


def _newest(
    ids: list[int], conditions: list[ColumnElement[bool]], limit: int, *, has_words: bool
) -> Select[Payment]:
    """The newest of several accounts: the newest of each, by its index, then the newest of those."""
    if has_words or len(ids) == 1:
        return (
            select(Payment)
            .where(and_(Payment.account_id.in_(ids), *conditions))
            .order_by(Payment.id.desc())
            .limit(limit)
        )
    newest = [
        select(Payment.id)
        .where(and_(Payment.account_id == account_id, *conditions))
        .order_by(Payment.id.desc())
        .limit(limit)
        .subquery()
        for account_id in ids
    ]
    candidates = union_all(*(select(each.c.id) for each in newest)).subquery()
    return select(Payment).where(Payment.id.in_(select(candidates.c.id))).order_by(Payment.id.desc()).limit(limit)
