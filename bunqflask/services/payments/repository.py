"""Stored payments: each kept once, and shown to those who may see its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from sqlalchemy import func, select

from bunqflask.extensions import db
from bunqflask.models import Connection, MonetaryAccount, Payment, PaymentRaw
from bunqflask.services import policy
from bunqflask.services.connections import overview
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

# The two sides of a transfer are booked together; bunq's clocks are allowed a little.
_TOGETHER = timedelta(minutes=2)


@dataclass(frozen=True)
class Scope:
    """The connections and accounts that a principal may see; own transfers are known by the accounts' IBANs."""

    connections: tuple[ConnectionOverview, ...] = ()

    @cached_property
    def accounts(self) -> dict[int, AccountBalance]:
        """The accounts, by our id of each."""
        return {account.id: account for connection in self.connections for account in connection.accounts}

    @cached_property
    def by_id(self) -> dict[int, ConnectionOverview]:
        """The connections, by their ids."""
        return {connection.id: connection for connection in self.connections}

    @property
    def ibans(self) -> list[str]:
        return sorted({account.iban for account in self.accounts.values() if account.iban})

    @property
    def ids(self) -> list[int]:
        """The rows of the accounts, each of bunq's once: a joint account may come through two connections."""
        best: dict[int, AccountBalance] = {}
        for account in sorted(self.accounts.values(), key=lambda each: (not each.is_shared, each.id)):
            best.setdefault(account.monetary_account_id, account)
        return sorted(account.id for account in best.values())


def count(account_id: int) -> int:
    """Return how many payments of an account are kept."""
    return db.session.scalar(select(func.count()).where(Payment.account_id == account_id)) or 0


def scope_of(principal: Principal, connection_id: int | None = None) -> Scope:
    """Return what the principal may see: all of it, or one connection's accounts.

    :raises NotFoundHere: there is no such connection for this principal.
    """
    if connection_id is not None:
        return Scope((overview.get(principal, connection_id),))
    return Scope(tuple(overview.list_all(principal)))


def get_for(principal: Principal, payment_row_id: int) -> tuple[Payment, AccountBalance, dict[str, Any]]:
    """Return one payment that the principal may see, its account and bunq's JSON of it.

    :raises NotFoundHere: there is none.
    """
    query = (
        select(Payment, MonetaryAccount, Connection.display_name)
        .join(MonetaryAccount, MonetaryAccount.id == Payment.account_id)
        .join(Connection, Connection.id == MonetaryAccount.connection_id)
        .where(Payment.id == payment_row_id, policy.is_visible_to(principal))
    )
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise NotFoundHere
    raw = db.session.get(PaymentRaw, payment_row_id)
    payment, account, holder_name = found
    return payment, overview.balance_of(account, account.connection_id, holder_name), dict(raw.data) if raw else {}


def balances(row_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balances after some payments, by their rows."""
    query = select(Payment.id, Payment.balance_after).where(Payment.id.in_(row_ids))
    return {row.id: row.balance_after for row in db.session.execute(query)}


def last_before(account_id: int, moment: datetime) -> Payment | None:
    """Return the last payment of an account before a moment."""
    query = select(Payment).where(Payment.account_id == account_id, Payment.created_at < moment)
    return db.session.scalars(query.order_by(Payment.created_at.desc(), Payment.id.desc()).limit(1)).first()


def row_in(scope: Scope, payment_row_id: int) -> Payment | None:
    """Return a payment by its row, if its account is in scope."""
    payment: Payment | None = db.session.get(Payment, payment_row_id)
    return payment if payment is not None and payment.account_id in scope.accounts else None


def is_own(scope: Scope, payment: Payment) -> bool:
    """Tell whether a payment went between two accounts in scope."""
    return payment.counterparty_iban is not None and payment.counterparty_iban in scope.ibans


def other_side(scope: Scope, payment: Payment, account: AccountBalance) -> Payment | None:
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
