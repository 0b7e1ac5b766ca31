"""Read models of payments: plain, frozen values, from which pages and programs are served alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from bunqflask.models import LateChangeKind
from bunqflask.services.connections.overview import AccountBalance
from bunqflask.services.payments.repository import AccountScope

Direction = Literal["in", "out", "own"]


class PaymentLine(msgspec.Struct, frozen=True, kw_only=True):
    """One payment as lists show it; a negative amount went out.

    `own_account_name` is set when the other side is an account in scope: then it is no money in or out.
    """

    id: int
    account_id: int
    account_name: str
    created_at: datetime
    amount: Decimal
    currency: str
    type: str
    description: str
    counterparty_name: str
    counterparty_iban: str | None
    own_account_name: str | None

    @property
    def is_own(self) -> bool:
        return self.own_account_name is not None

    @property
    def direction(self) -> Direction:
        return "own" if self.is_own else "in" if self.amount > 0 else "out"


@dataclass(frozen=True, kw_only=True)
class ChangeOfPayment:
    """A late change of a payment: bunq changed it, listed it only after later ones, or does not list it any more."""

    kind: LateChangeKind
    noticed_at: datetime
    amount_before: Decimal | None
    balance_before: Decimal | None
    created_before: datetime | None


@dataclass(frozen=True, kw_only=True)
class PaymentDetail:
    """One payment with everything that is stored of it.

    `payment_id` is bunq's; `other_side_id` is the row of the same transfer on the other account in scope; `raw` is
    bunq's JSON. `withdrawn_at` is set when bunq does not list it any more: then no list and no sum has it.
    """

    line: PaymentLine
    account: AccountBalance
    payment_id: int
    updated_at: datetime
    balance_after: Decimal | None
    sub_type: str
    other_side_id: int | None
    raw: dict[str, Any]
    changes: tuple[ChangeOfPayment, ...]
    withdrawn_at: datetime | None = None


def line_columns(payment: Any) -> list[Any]:
    """Return the columns of which a line is made."""
    return [
        payment.id, payment.account_id, payment.created_at, payment.amount, payment.currency, payment.type,
        payment.description, payment.counterparty_name, payment.counterparty_iban,
    ]  # fmt: skip


def line_of(row: Any, scope: AccountScope) -> PaymentLine:
    """Make the line of a payment from a row with these columns."""
    other = scope.by_iban.get(row.counterparty_iban) if row.counterparty_iban else None
    return PaymentLine(
        id=row.id,
        account_id=row.account_id,
        account_name=scope.accounts[row.account_id].name,
        created_at=row.created_at,
        amount=row.amount,
        currency=row.currency,
        type=row.type,
        description=row.description,
        counterparty_name=row.counterparty_name,
        counterparty_iban=row.counterparty_iban,
        own_account_name=other.name if other else None,
    )
