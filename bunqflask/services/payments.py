"""Stored payments: each kept once, and shown to those who may see its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import String, bindparam, func, or_, select, type_coerce
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import Executable

from bunqflask.bunq import payment as bunq
from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.extensions import db, table_of
from bunqflask.models import AccountSync, Connection, ConnectionMember, MonetaryAccount, Payment, PaymentRaw
from bunqflask.models.payments import row_id
from bunqflask.services import accounts, changes, connections
from bunqflask.services.connections import NotFoundHere
from bunqflask.services.payment_words import amount_word, fours, search_text
from bunqflask.services.team import Member

# The two sides of a transfer are booked together; bunq's clocks are allowed a little.
_TOGETHER = timedelta(minutes=2)
_sync, _account = table_of(AccountSync).c, table_of(MonetaryAccount).c
_connection, _belongs = table_of(Connection).c, table_of(ConnectionMember).c
_STAMPS = (
    select(
        _sync.id,
        # As the driver gives them: they are only compared. The lease moves with every page that is stored.
        *(
            type_coerce(_sync[name], String)
            for name in ("read_at", "trouble", "next_try_at", "lease_until", "verified_id")
        ),
    )
    .join(table_of(MonetaryAccount), _account.id == _sync.id)
    .join(table_of(Connection), _connection.id == _account.connection_id)
    .where(
        or_(
            _connection.shared_at.is_not(None),
            _connection.id.in_(select(_belongs.connection_id).where(_belongs.member_id == bindparam("member_id"))),
        )
    )
    .order_by(_sync.id)
)


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
    stored = changes.stored(account, [row["id"] for row in rows])
    # What is older than what is kept changes nothing, not bunq's raw words either.
    rows = [row for row in rows if row["id"] not in stored or row["updated_at"] >= stored[row["id"]].updated_at]
    if not rows:
        return
    noticed = changes.notice(account, rows, stored, known)
    keep, keep_raw = _upserts(db.engine.dialect.name)
    db.session.execute(keep, rows)
    raw = {row_id(payment.payment_id, account.id): dict(payment.raw) for payment in latest}
    db.session.execute(keep_raw, [{"id": row["id"], "data": raw[row["id"]]} for row in rows])
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
