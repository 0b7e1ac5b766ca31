"""Payments as bunq lists them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import ExactAmount, UtcTimestamp
from bunqflask.extensions import Base

# A row's id is bunq's id with our account's in its last bits, so the rows of one account sort as bunq numbers its
# payments, and the same payment read through two connections (a joint account) is two rows. Ids say nothing about
# booking time: a payment may come late, and accounts are numbered apart.
ACCOUNT_BITS = 20
LARGEST_PAYMENT_ID = (1 << (63 - ACCOUNT_BITS)) - 1
# SQLite keeps a table sorted by its key only when that is called INTEGER.
PaymentRowId = BigInteger().with_variant(Integer, "sqlite")


def row_id(payment_id: int, account_id: int) -> int:
    """Return the id of the row that stores a payment of bunq's for one of our accounts.

    :raises ValueError: one of the ids is too large for its bits.
    """
    if not 0 <= account_id < 1 << ACCOUNT_BITS or not 0 <= payment_id <= LARGEST_PAYMENT_ID:
        raise ValueError("an id is too large")
    return (payment_id << ACCOUNT_BITS) | account_id


def payment_id_of(row_id: int) -> int:
    """Return bunq's id of the payment that a row stores."""
    return row_id >> ACCOUNT_BITS


class PaymentColumns:
    """What is stored of one movement on one monetary account; a negative amount went out."""

    payment_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    updated_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    amount: Mapped[Decimal] = mapped_column(ExactAmount)
    currency: Mapped[str] = mapped_column(String(10))
    balance_after: Mapped[Decimal | None] = mapped_column(ExactAmount)
    type: Mapped[str] = mapped_column(String(40))
    sub_type: Mapped[str] = mapped_column(String(40))
    description: Mapped[str] = mapped_column(Text)
    counterparty_name: Mapped[str] = mapped_column(String(500))
    counterparty_iban: Mapped[str | None] = mapped_column(String(40))
    # name, description and IBAN, in lower case and without accents: what a search looks in
    search_text: Mapped[str] = mapped_column(Text)
    # revisions of the account: when it, or a note on it, was stored or withdrawn last, and when it was stored first
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    first_revision: Mapped[int] = mapped_column(BigInteger, default=0)


class Payment(PaymentColumns, Base):
    """One payment that bunq lists."""

    __tablename__ = "payment"
    __table_args__ = (
        # reconciliation goes by bunq's ids, and so do late changes
        Index("ix_payment_account_id_id", "account_id", "id"),
        # lists go by booking time: of each account, and of all of them where much is looked through
        Index("ix_payment_account_id_created_at_id", "account_id", "created_at", "id"),
        Index("ix_payment_created_at_id", "created_at", "id", "account_id"),
        # what changed of an account since a revision of it
        Index("ix_payment_account_id_revision_id", "account_id", "revision", "id"),
        Index("ix_payment_account_id_type_created_at_id", "account_id", "type", "created_at", "id"),
        # all that a search for sizes and its totals need, so that they read nothing else
        Index("ix_payment_amount", "account_id", "amount", "created_at", "currency", "counterparty_iban", "id"),
    )

    id: Mapped[int] = mapped_column(PaymentRowId, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"))


class PaymentRaw(Base):
    """bunq's JSON of a payment, in a table of its own because lists never need it."""

    __tablename__ = "payment_raw"

    id: Mapped[int] = mapped_column(
        PaymentRowId, ForeignKey("payment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class WithdrawnPayment(PaymentColumns, Base):
    """A payment that bunq does not list any more: kept, in a table of its own because no list or sum has it."""

    __tablename__ = "withdrawn_payment"

    id: Mapped[int] = mapped_column(PaymentRowId, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), index=True)
    withdrawn_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # bunq's JSON, as it was listed last
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON)
