"""Payments as bunq told them, and how far each account's history has been read."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.types import ExactAmount, Leased, UtcMoment
from bunqflask.extensions import Base
from bunqflask.models.connections import MonetaryAccount

# A row's id is bunq's id with our account's in its last bits, so rows sort as bunq's payments do, newest last,
# and the same payment read through two connections (a joint account) is two rows.
ACCOUNT_BITS = 20
# SQLite keeps a table sorted by its key only when that is called INTEGER.
PaymentRowId = BigInteger().with_variant(Integer, "sqlite")


def row_id(payment_id: int, account_id: int) -> int:
    """Return the id of the row that keeps a payment of bunq's for one of our accounts."""
    return (payment_id << ACCOUNT_BITS) | account_id


class Payment(Base):
    """One movement on one monetary account; a negative amount went out."""

    __tablename__ = "payment"
    __table_args__ = (
        Index("ix_payment_account_id_id", "account_id", "id"),
        Index("ix_payment_account_id_created_at", "account_id", "created_at"),
        # all that sums need, so that adding up a long history reads nothing else; on SQLite a row's id is in any index
        Index("ix_payment_sums", "account_id", "amount", "currency", "counterparty_iban", postgresql_include=["id"]),
        Index("ix_payment_account_id_type_id", "account_id", "type", "id"),
    )

    id: Mapped[int] = mapped_column(PaymentRowId, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"))
    payment_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcMoment)
    updated_at: Mapped[datetime] = mapped_column(UtcMoment)
    amount: Mapped[Decimal] = mapped_column(ExactAmount)
    currency: Mapped[str] = mapped_column(String(10))
    balance_after: Mapped[Decimal | None] = mapped_column(ExactAmount)
    type: Mapped[str] = mapped_column(String(40))
    sub_type: Mapped[str] = mapped_column(String(40))
    description: Mapped[str] = mapped_column(Text)
    counterparty_name: Mapped[str] = mapped_column(String(500))
    counterparty_iban: Mapped[str | None] = mapped_column(String(40))
    # name, description and IBAN, in small letters and without accents: what a search looks in
    words: Mapped[str] = mapped_column(Text)


class PaymentRaw(Base):
    """All that bunq said about a payment, apart from it, because lists never need it."""

    __tablename__ = "payment_raw"

    id: Mapped[int] = mapped_column(
        PaymentRowId, ForeignKey("payment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class PaymentChange(Base):
    """A payment that bunq changed after it was read, or told only after a later one: what it was, where it was."""

    __tablename__ = "payment_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), index=True)
    payment_row_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("payment.id", ondelete="CASCADE"), index=True)
    noticed_at: Mapped[datetime] = mapped_column(UtcMoment)
    # "changed", or "late" and then nothing was before
    kind: Mapped[str] = mapped_column(String(10))
    amount_before: Mapped[Decimal | None] = mapped_column(ExactAmount)
    balance_before: Mapped[Decimal | None] = mapped_column(ExactAmount)
    created_before: Mapped[datetime | None] = mapped_column(UtcMoment)


class SummedSpan(Base):
    """A whole year, month or day, whose payments of one account are added up in `SpanSum`.

    It is gone as soon as one of them changes, and made again after the next reading.
    """

    __tablename__ = "summed_span"
    __table_args__ = (UniqueConstraint("account_id", "unit", "since"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"))
    # "year", "month" or "day"
    unit: Mapped[str] = mapped_column(String(5))
    since: Mapped[datetime] = mapped_column(UtcMoment)
    before: Mapped[datetime] = mapped_column(UtcMoment)


class SpanSum(Base):
    """What payments of one kind add up to in a span of time."""

    __tablename__ = "span_sum"
    __table_args__ = ({"sqlite_with_rowid": False},)

    span_id: Mapped[int] = mapped_column(ForeignKey("summed_span.id", ondelete="CASCADE"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(10), primary_key=True)
    # 1 for money in, -1 for money out, 0 for payments of nothing
    direction: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(40), primary_key=True)
    # the other side, where it is an account that some member here sees; else empty
    own_iban: Mapped[str] = mapped_column(String(40), primary_key=True)
    count: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(ExactAmount)
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)


class Pack(Base):
    """The manifest of the last pack made of the same accounts and period, to tell what changed since."""

    __tablename__ = "pack"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"))
    made_at: Mapped[datetime] = mapped_column(UtcMoment)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)


class AccountSync(Leased, Base):
    """How far the history of one account has been read, and how far it is proved complete."""

    __tablename__ = "account_sync"

    id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # the parts of history that are here without a gap, newest first: [newest id, oldest id, reaches the end]
    stretches: Mapped[list[Any]] = mapped_column(JSON, default=list)
    read_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    # bunq called: something may be new since
    wanted_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    trouble: Mapped[str | None] = mapped_column(String(40))
    trouble_facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    # every payment up to this row adds up; breaks are the rows that do not follow from the one before
    verified_id: Mapped[int | None] = mapped_column(BigInteger)
    breaks: Mapped[list[Any]] = mapped_column(JSON, default=list)
    # the lowest row that was stored or changed since; None while the proof is up to date
    unproved_from: Mapped[int | None] = mapped_column(BigInteger)
    # when all payments were last proved, and not only what was new
    proved_at: Mapped[datetime | None] = mapped_column(UtcMoment)

    account: Mapped[MonetaryAccount] = relationship()
