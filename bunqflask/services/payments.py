"""Stored payments: kept once, found by words, dates and amounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable

from bunqflask.bunq import payment as bunq
from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConnectionMember, MonetaryAccount, Payment, PaymentRaw
from bunqflask.models.payments import row_id
from bunqflask.services import accounts, changes, connections
from bunqflask.services.connections import NotFoundHere
from bunqflask.services.payment_words import amount_word, fours, match, search_text
from bunqflask.services.team import Member

# From a moment up to before another.
Span = tuple[datetime, datetime]

PAGE_SIZE = 50
# The two sides of a transfer are booked together; bunq's clocks are allowed a little.
_TOGETHER = timedelta(minutes=2)
# So many payments are quickly looked at one by one.
_FEW = 500
_STAMPS = (
    select(
        AccountSync.id,
        # As the driver gives them: they are only compared. The lease moves with every page that is stored.
        *(
            type_coerce(getattr(AccountSync, name), String)
            for name in ("read_at", "trouble", "next_try_at", "lease_until", "verified_id")
        ),
    )
    .join(MonetaryAccount, MonetaryAccount.id == AccountSync.id)
    .join(Connection, Connection.id == MonetaryAccount.connection_id)
    .where(
        or_(
            Connection.shared_at.is_not(None),
            Connection.id.in_(
                select(ConnectionMember.connection_id).where(ConnectionMember.member_id == bindparam("member_id"))
            ),
        )
    )
    .order_by(AccountSync.id)
)


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


@dataclass(frozen=True)
class Totals:
    """What payments add up to in one currency; transfers between own accounts are counted apart.

    `last_id` is the row of the newest of them.
    """

    currency: str
    count: int
    money_in: Decimal
    money_out: Decimal
    own: Decimal
    own_count: int
    last_id: int


@dataclass(frozen=True)
class Scope:
    """The accounts a member may look at, and the IBANs of all of them, by which own transfers are known."""

    accounts: dict[int, MonetaryAccount] = field(default_factory=dict)

    @property
    def ibans(self) -> list[str]:
        return sorted({account.iban for account in self.accounts.values() if account.iban})

    @property
    def ids(self) -> list[int]:
        """The rows of the accounts, each of bunq's once: a joint account may come through two connections."""
        best: dict[int, MonetaryAccount] = {}
        for account in sorted(self.accounts.values(), key=lambda each: (not each.is_shared, each.id)):
            best.setdefault(account.monetary_account_id, account)
        return sorted(account.id for account in best.values())


def store(account: MonetaryAccount, found: Sequence[bunq.Payment], *, known: Sequence[Sequence[Any]] = ()) -> None:
    """Keep payments of one account; of one kept already, the later `updated` wins. Does not commit.

    :param known: the stretches that had been read before; what is new within them came late.

    :raises ResponseNotUnderstood: an amount is finer than any currency knows.
    """
    # A page may tell of one payment twice, when it changed while bunq made the page.
    latest = {payment.payment_id: payment for payment in sorted(found, key=lambda each: each.updated_at)}.values()
    if not latest:
        return
    rows = [_row(account, payment) for payment in latest]
    noticed = changes.notice(account, rows, known)
    keep, keep_raw = _upserts(db.engine.dialect.name)
    db.session.execute(keep, rows)
    raws = [{"id": row_id(payment.payment_id, account.id), "data": dict(payment.raw)} for payment in latest]
    db.session.execute(keep_raw, raws)
    db.session.add_all(noticed)


@cache
def _upserts(dialect_name: str) -> tuple[Executable, Executable]:
    """The two statements that keep a page, made once: making them takes longer than running them."""
    dialect = sqlite if dialect_name == "sqlite" else postgresql
    insert, insert_raw = dialect.insert(Payment.__table__), dialect.insert(PaymentRaw.__table__)
    values = {column.name: insert.excluded[column.name] for column in Payment.__table__.columns if column.name != "id"}
    # Absent and null mean the same to bunq: what is known of a balance is not forgotten for it.
    values["balance_after"] = func.coalesce(insert.excluded.balance_after, Payment.balance_after)
    changed = insert.excluded.updated_at >= Payment.updated_at
    return (
        insert.on_conflict_do_update(index_elements=["id"], set_=values, where=changed),
        insert_raw.on_conflict_do_update(index_elements=["id"], set_={"data": insert_raw.excluded.data}),
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
    conditions, few = _conditions(wanted), _of_rare_sizes(ids, wanted)
    if older_id is not None:
        conditions.append(Payment.id < older_id)
    if few is not None:
        conditions.append(Payment.id.in_(few))
    query = _newest(ids, conditions, size + 1, is_narrow=few is not None or bool(search_text(wanted.words)))
    found = list(db.session.scalars(query))
    more = len(found) > size
    return Page(found[:size], found[size - 1].id if more else None)


def totals(scope: Scope, wanted: Filter) -> list[Totals]:
    """Add up the payments in scope, per currency; transfers between own accounts are not money in or out."""
    return [found for _, found in _summed(scope, wanted, literal_column("0"), [])]


def sums(scope: Scope, wanted: Filter, spans: Sequence[Span]) -> dict[datetime, list[Totals]]:
    """Add up the payments of spans of time, in order and apart, in one pass; keyed by the beginnings."""
    edges = sorted({edge for span in spans for edge in span})
    within = or_(*(and_(Payment.created_at >= since, Payment.created_at < before) for since, before in _joined(spans)))
    bounds = None
    if wanted.words:
        # A search is told which rows the spans can hold, or it would find all there are.
        rows = select(func.min(Payment.id), func.max(Payment.id))
        rows = rows.where(Payment.account_id.in_(_account_ids(scope, wanted)), within)
        lowest, highest = db.session.execute(rows).one()
        bounds = (lowest or 0, highest or 0)
    found: dict[datetime, list[Totals]] = {}
    for number, each in _summed(scope, wanted, _between(edges[1:-1]), [within], bounds):
        found.setdefault(edges[number], []).append(each)
    return found


def balances(row_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balances after some payments, by their rows."""
    query = select(Payment.id, Payment.balance_after).where(Payment.id.in_(row_ids))
    return {row.id: row.balance_after for row in db.session.execute(query)}


def last_before(account: MonetaryAccount, moment: datetime) -> Payment | None:
    """Return the last payment of an account before a moment."""
    query = select(Payment).where(Payment.account_id == account.id, Payment.created_at < moment)
    return db.session.scalars(query.order_by(Payment.created_at.desc(), Payment.id.desc()).limit(1)).first()


def with_previous(account: MonetaryAccount, payment_row_id: int) -> list[Payment]:
    """Return a payment of an account and the one before it, as far as they are kept; the newer one first."""
    query = select(Payment).where(Payment.account_id == account.id, Payment.id <= payment_row_id)
    return list(db.session.scalars(query.order_by(Payment.id.desc()).limit(2)))


def row_in(scope: Scope, payment_row_id: int) -> Payment | None:
    """Return a payment by its row, if its account is in scope."""
    payment: Payment | None = db.session.get(Payment, payment_row_id)
    return payment if payment is not None and payment.account_id in scope.accounts else None


def is_own(scope: Scope, payment: Payment) -> bool:
    """Tell whether a payment went between two accounts in scope."""
    return payment.counterparty_iban is not None and payment.counterparty_iban in scope.ibans


def other_side(scope: Scope, payment: Payment, account: MonetaryAccount) -> Payment | None:
    """Return the same transfer as the other account in scope tells it, if that is kept."""
    others = [each.id for each in scope.accounts.values() if each.iban and each.iban == payment.counterparty_iban]
    if not others or account.iban is None:
        return None
    query = select(Payment).where(
        Payment.account_id.in_(others),
        Payment.created_at >= payment.created_at - _TOGETHER,
        Payment.created_at <= payment.created_at + _TOGETHER,
        Payment.amount == -payment.amount,
        Payment.counterparty_iban == account.iban,
    )
    found = list(db.session.scalars(query.limit(20)))
    return min(found, key=lambda each: abs(each.payment_id - payment.payment_id), default=None)


def stamp(member: Member) -> tuple[tuple[object, ...], ...]:
    """Return what changes whenever the payments that a member sees would: one short question to the database."""
    return tuple(tuple(row) for row in db.session.execute(_STAMPS, {"member_id": member.id}))


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
        "words": search_text(
            " ".join([name, payment.description, iban or "", *fours(iban or ""), amount_word(amount)])
        ),
    }


def _account_ids(scope: Scope, wanted: Filter) -> list[int]:
    if wanted.account_id is not None:
        return [wanted.account_id] if wanted.account_id in scope.accounts else []
    return scope.ids


def _summed(
    scope: Scope,
    wanted: Filter,
    group: ColumnElement[Any],
    more: Sequence[ColumnElement[bool]],
    bounds: tuple[int, int] | None = None,
) -> list[tuple[int, Totals]]:
    ids = _account_ids(scope, wanted)
    if not ids:
        return []
    few = _of_rare_sizes(ids, wanted)
    if few is not None:
        more = [*more, Payment.id.in_(few)]
    # What names the rows is quicker than an index of the accounts, which this keeps from being used.
    names_rows = few is not None or (bool(wanted.words) and wanted.since is None and not more)
    account = Payment.account_id + 0 if names_rows else Payment.account_id
    own, amount, zero = Payment.counterparty_iban.in_(scope.ibans), Payment.amount, Decimal(0)
    foreign = or_(~own, Payment.counterparty_iban.is_(None))
    query = (
        select(
            group.label("number"),
            Payment.currency,
            func.count().label("count"),
            func.sum(amount).filter(amount > 0, foreign).label("money_in"),
            func.sum(amount).filter(amount < 0, foreign).label("money_out"),
            func.sum(amount).filter(own).label("own"),
            func.count().filter(own).label("own_count"),
            func.max(Payment.id).label("last_id"),
        )
        .where(account.in_(ids), *_conditions(wanted, bounds), *more)
        .group_by("number", Payment.currency)
        .order_by("number", Payment.currency)
    )
    return [
        (
            row.number,
            Totals(
                row.currency,
                row[2],
                row.money_in or zero,
                row.money_out or zero,
                row.own or zero,
                row.own_count,
                row.last_id,
            ),
        )
        for row in db.session.execute(query)
    ]


def _joined(spans: Sequence[Span]) -> list[Span]:
    """The same time in as few spans as possible."""
    found: list[Span] = []
    for since, before in spans:
        if found and found[-1][1] == since:
            found[-1] = (found[-1][0], before)
        else:
            found.append((since, before))
    return found


def _between(moments: Sequence[datetime], first: int = 0) -> ColumnElement[Any]:
    """How many of the moments, in order, are past at a payment: a tree of questions, so that few are asked."""
    if not moments:
        return literal_column(str(first))
    middle = len(moments) // 2
    earlier, later = _between(moments[:middle], first), _between(moments[middle + 1 :], first + middle + 1)
    return case((Payment.created_at < moments[middle], earlier), else_=later)


def _conditions(wanted: Filter, bounds: tuple[int, int] | None = None) -> list[ColumnElement[bool]]:
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


def _of_rare_sizes(ids: list[int], wanted: Filter) -> list[int] | None:
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


def _newest(ids: list[int], conditions: list[ColumnElement[bool]], limit: int, *, is_narrow: bool) -> Select[Payment]:
    """The newest of several accounts: the newest of each, by its index, then the newest of those."""
    if is_narrow or len(ids) == 1:
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
