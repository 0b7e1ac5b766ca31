"""How far the history of each account is imported and reconciled, and what changed late."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec
from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.leases import Leased
from bunqflask.database.types import ExactAmount, TypedJson, UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.connections import MonetaryAccount
from bunqflask.models.retry import RetryState


class CoveredRange(msgspec.Struct, frozen=True):
    """A range of history without holes, by bunq's payment ids, both ends in it.

    `reaches_end` tells that nothing is older. A range without a payment yet has `newest` below `oldest`.
    """

    newest: int
    oldest: int
    reaches_end: bool


class Discrepancy(msgspec.Struct, frozen=True):
    """A payment whose balance does not follow from the payment before it, and by how much."""

    row_id: int
    difference: Decimal


class MissingPayment(msgspec.Struct, frozen=True):
    """A stored payment that bunq left out of a page where it belongs, and when that was first seen."""

    row_id: int
    since: datetime


class LateChangeKind(StrEnum):
    """What happened to a payment after its neighbours were imported."""

    CHANGED = "changed"
    LATE = "late"
    WITHDRAWN = "withdrawn"


class PaymentChange(Base):
    """A late change: bunq changed a payment after its import, listed it only after later ones, or lists it no more."""

    __tablename__ = "payment_change"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), index=True)
    # no foreign key: a payment that bunq does not list any more keeps its changes
    payment_row_id: Mapped[int] = mapped_column(BigInteger, index=True)
    noticed_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    kind: Mapped[LateChangeKind] = mapped_column(enum_column(LateChangeKind))
    amount_before: Mapped[Decimal | None] = mapped_column(ExactAmount)
    balance_before: Mapped[Decimal | None] = mapped_column(ExactAmount)
    created_before: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class AccountSync(Leased, RetryState, Base):
    """How far the history of one account is imported, and how far its balances are reconciled."""

    __tablename__ = "account_sync"

    id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # the ranges of bunq's payment ids that are stored without a hole, newest first
    covered: Mapped[tuple[CoveredRange, ...]] = mapped_column(TypedJson(tuple[CoveredRange, ...]), default=())
    synced_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # a callback or a person asked for a sync
    requested_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # a person asked to import the whole history again, for what has changed since: the ranges that are imported again
    # so far, newest first; None unless asked for
    full_import: Mapped[tuple[CoveredRange, ...] | None] = mapped_column(TypedJson(tuple[CoveredRange, ...]))
    # a callback named the account, and no payment has explained that yet
    called_back_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # when to ask again because something is unexplained: a callback, or bunq's balance; and how often that was done
    follow_up_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    follow_ups: Mapped[int] = mapped_column(default=0)
    # bunq's balance less the balance after the newest payment, at the last sync: as long as it is the same, another
    # sync would find nothing; None where one of them is unknown
    balance_difference: Mapped[Decimal | None] = mapped_column(ExactAmount)
    # every payment up to this row has a balance that follows from the one before it
    verified_id: Mapped[int | None] = mapped_column(BigInteger)
    # the newest row at the last check, and the balance after all payments in the order in which balances follow
    newest_id: Mapped[int | None] = mapped_column(BigInteger)
    newest_balance: Mapped[Decimal | None] = mapped_column(ExactAmount)
    # the payments whose balance does not
    discrepancies: Mapped[tuple[Discrepancy, ...]] = mapped_column(TypedJson(tuple[Discrepancy, ...]), default=())
    # bunq's ids of payments that cannot be read or stored, 0 for one without a readable id: each is a gap
    unreadable: Mapped[tuple[int, ...]] = mapped_column(TypedJson(tuple[int, ...]), default=())
    # payments that bunq left out the last time: withdrawn when it leaves them out again an hour later
    missing: Mapped[tuple[MissingPayment, ...]] = mapped_column(TypedJson(tuple[MissingPayment, ...]), default=())
    # the lowest row that was stored or changed since the last check; None while there is nothing to check
    unreconciled_from: Mapped[int | None] = mapped_column(BigInteger)
    # when all payments were last checked, and not only the new ones
    reconciled_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    account: Mapped[MonetaryAccount] = relationship(lazy="raise_on_sql")
