"""One payment with everything that is stored of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Payment, PaymentChange, PaymentRaw, WithdrawnPayment
from bunqflask.services.payments import visibility
from bunqflask.services.payments.lines import ChangeOfPayment, PaymentDetail, line_of
from bunqflask.services.payments.repository import AccountScope
from bunqflask.services.policy import NotFoundHere

# The two sides of a transfer are booked together; bunq's clocks are allowed a little.
_TOGETHER = timedelta(minutes=2)
_MOST_ALIKE = 20


def get(scope: AccountScope, payment_row_id: int) -> PaymentDetail:
    """Return one payment of an account in scope.

    :raises NotFoundHere: there is none.
    """
    payment, raw = _find(payment_row_id)
    if payment is None or not _is_visible(scope, payment):
        raise NotFoundHere
    return PaymentDetail(
        line=line_of(payment, scope),
        account=scope.accounts[payment.account_id],
        payment_id=payment.payment_id,
        updated_at=payment.updated_at,
        balance_after=payment.balance_after,
        sub_type=payment.sub_type,
        other_side_id=_other_side(scope, payment),
        raw=dict(raw) if raw else {},
        changes=tuple(_changes(payment_row_id)),
        withdrawn_at=payment.withdrawn_at if isinstance(payment, WithdrawnPayment) else None,
    )


def _find(payment_row_id: int) -> tuple[Payment | WithdrawnPayment | None, dict[str, Any] | None]:
    """Return a payment that bunq lists, or one that it has listed, with bunq's JSON of it."""
    query = select(Payment, PaymentRaw.data).outerjoin(PaymentRaw, PaymentRaw.id == Payment.id)
    found = db.session.execute(query.where(Payment.id == payment_row_id)).one_or_none()
    if found is not None:
        return found[0], found[1]
    withdrawn = db.session.get(WithdrawnPayment, payment_row_id)
    return withdrawn, withdrawn.data if withdrawn else None


def _is_visible(scope: AccountScope, payment: Payment | WithdrawnPayment) -> bool:
    account = scope.accounts.get(payment.account_id)
    return account is not None and payment.created_at >= visibility.since(account)


def _other_side(scope: AccountScope, payment: Payment | WithdrawnPayment) -> int | None:
    """Return the same transfer as the other account in scope has it, if that is stored."""
    iban, own_ibans = payment.counterparty_iban, scope.accounts[payment.account_id].ibans
    others = [each for each in scope.accounts.values() if iban in each.ibans]
    if not others or not own_ibans:
        return None
    query = select(Payment.id, Payment.payment_id).where(
        Payment.account_id.in_([each.id for each in others]),
        *visibility.conditions(others, Payment),
        Payment.created_at.between(payment.created_at - _TOGETHER, payment.created_at + _TOGETHER),
        Payment.amount == -payment.amount,
        Payment.counterparty_iban.in_(own_ibans),
    )
    found: Sequence[Any] = db.session.execute(query.limit(_MOST_ALIKE)).all()
    nearest = min(found, key=lambda each: abs(each.payment_id - payment.payment_id), default=None)
    return nearest.id if nearest else None


def _changes(payment_row_id: int) -> list[ChangeOfPayment]:
    """Return what changed in a payment since its import, oldest first."""
    query = select(PaymentChange).where(PaymentChange.payment_row_id == payment_row_id).order_by(PaymentChange.id)
    return [
        ChangeOfPayment(
            kind=each.kind,
            noticed_at=each.noticed_at,
            amount_before=each.amount_before,
            balance_before=each.balance_before,
            created_before=each.created_before,
        )
        for each in db.session.scalars(query)
    ]
