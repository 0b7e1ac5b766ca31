"""Materialised totals of payments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import ExactAmount, UtcTimestamp
from bunqflask.extensions import Base


class SummedSpan(Base):
    """A whole year, month or day, whose payments of one account are added up in `SpanSum`.

    It is gone as soon as one of them changes, and made again after the next reading.
    """

    __tablename__ = "summed_span"
    __table_args__ = (UniqueConstraint("account_id", "unit", "since"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"))
    # "year", "month" or "day"
    unit: Mapped[str] = mapped_column(String(5))
    since: Mapped[datetime] = mapped_column(UtcTimestamp)
    before: Mapped[datetime] = mapped_column(UtcTimestamp)


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
