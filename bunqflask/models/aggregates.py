"""Materialised totals of payments per local day, month and year."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import JSON, Date, ForeignKey, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import ExactAmount, enum_column
from bunqflask.extensions import Base


class Unit(StrEnum):
    """The length of a period whose payments are added up."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class AggregateState(Base):
    """How the aggregates of an account were made; there is none before its first payments were added up.

    With it, the aggregates are complete except for the months in `StaleMonth` and their years.
    """

    __tablename__ = "aggregate_state"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # the time zone whose days and months they are
    time_zone: Mapped[str] = mapped_column(String(60))
    # the IBANs of accounts here, to and from which payments are counted apart
    own_ibans: Mapped[list[str]] = mapped_column(JSON)


class StaleMonth(Base):
    """A month whose aggregates were deleted because one of its payments changed."""

    __tablename__ = "stale_month"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account_id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    month: Mapped[date] = mapped_column(Date, primary_key=True)


class PaymentTotal(Base):
    """What payments of one kind add up to in one local day, month or year of an account."""

    __tablename__ = "payment_total"
    __table_args__ = ({"sqlite_with_rowid": False},)

    account_id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    unit: Mapped[Unit] = mapped_column(enum_column(Unit), primary_key=True)
    # the first day of the period
    start: Mapped[date] = mapped_column(Date, primary_key=True)
    currency: Mapped[str] = mapped_column(String(10), primary_key=True)
    # 1 for money in, -1 for money out, 0 for payments of nothing
    direction: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(40), primary_key=True)
    # the other side, where it is an account here; else empty
    own_iban: Mapped[str] = mapped_column(String(40), primary_key=True)
    count: Mapped[int]
    amount: Mapped[Decimal] = mapped_column(ExactAmount)
