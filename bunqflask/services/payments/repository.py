"""Stored payments: each kept once, and shown to those who may see its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import String, bindparam, func, or_, select, type_coerce

from bunqflask import unchanged
from bunqflask.extensions import db, table_of
from bunqflask.models import AccountSync, Connection, ConnectionMember, MonetaryAccount, Payment, PaymentRaw
from bunqflask.services.connections import access
from bunqflask.services.connections.access import NotFoundHere
from bunqflask.services.team.members import Member

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


def count(account: MonetaryAccount) -> int:
    """Return how many payments of an account are kept."""
    return db.session.scalar(select(func.count()).where(Payment.account_id == account.id)) or 0


def scope_of(member: Member, connection_id: int | None = None) -> Scope:
    """Return what the member may look at: all of it, or one connection's accounts.

    :raises NotFoundHere: there is no such connection for this member.
    """
    shown: list[Connection] = (
        access.list_for(member) if connection_id is None else [access.get_for(member, connection_id)]
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
    return unchanged.ask(
        ("payments", member.id),
        lambda: tuple(tuple(row) for row in db.session.execute(_STAMPS, {"member_id": member.id})),
    )
