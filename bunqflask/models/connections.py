"""Connections, their monetary accounts, and the rights of team members on each account."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import JSON, BigInteger, Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.database.leases import Leased
from bunqflask.database.types import ExactAmount, TypedJson, UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.conditions import Condition
from bunqflask.models.states import ConnectionState

if TYPE_CHECKING:
    from bunqflask.models.consent import Consent

# European law lets such a permission end after 90 days (until 2023) or 180; bunq says nothing about its own.
REMIND_AFTER_DAYS = 80


class Connection(Encrypted, Leased, Base):
    """Our row for one bunq user, person or company, to whom accounts belong; at most one for each.

    Its state follows from its consents (`services.connections.lifecycle`).
    """

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("environment", "granted_user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(String(20))
    granted_user_id: Mapped[int] = mapped_column(BigInteger)
    granted_user_type: Mapped[str] = mapped_column(String(40))
    display_name: Mapped[str] = mapped_column(String(200))
    state: Mapped[ConnectionState] = mapped_column(enum_column(ConnectionState), default=ConnectionState.ACTIVE)
    state_since: Mapped[datetime] = mapped_column(UtcTimestamp)

    # as it was last stored (`services.connections.timeline`), and up to when all its accounts were up to date
    condition: Mapped[Condition] = mapped_column(enum_column(Condition), default=Condition.WORKING)
    current_until: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # its holders want to be reminded when the permission is so old; None: never. bunq itself names no date.
    remind_after_days: Mapped[int | None] = mapped_column(default=REMIND_AFTER_DAYS)

    # the last time that bunq listed accounts
    accounts_synced_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # a person asked for a sync
    sync_requested_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    # the secret in the address of our callbacks: found by its hash, sent to bunq from its encrypted text
    callback_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    callback_token = Secret()
    callback_token_sealed: Mapped[bytes | None]
    callbacks_set_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # when to try again to register them, after an error
    callbacks_next_try_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # the last one that came since the newest consent and the last outage: callbacks are relied upon only if any come
    callback_received_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    monetary_accounts: Mapped[list[MonetaryAccount]] = relationship(
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="MonetaryAccount.monetary_account_id",
        lazy="raise_on_sql",
    )
    consents: Mapped[list[Consent]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise_on_sql"
    )


class CoOwner(msgspec.Struct, frozen=True):
    """An owner of a joint account, as bunq names them; `status` is bunq's, such as PENDING.

    `is_account_name` tells that bunq writes this name on the account: usually its holder's short name.
    """

    name: str
    status: str
    is_account_name: bool = False


class MonetaryAccount(Base):
    """Where money is, at bunq; typed columns for what pages show, bunq's own JSON beside them."""

    __tablename__ = "monetary_account"
    __table_args__ = (UniqueConstraint("connection_id", "monetary_account_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    monetary_account_id: Mapped[int] = mapped_column(BigInteger)
    wrapper: Mapped[str] = mapped_column(String(80))
    description: Mapped[str] = mapped_column(String(500))
    iban: Mapped[str | None] = mapped_column(String(40))
    # an account may have more than one: money from and to each of them is the account's own
    other_ibans: Mapped[tuple[str, ...]] = mapped_column(TypedJson(tuple[str, ...]), default=())
    currency: Mapped[str] = mapped_column(String(10))
    balance: Mapped[Decimal | None] = mapped_column(ExactAmount)
    status: Mapped[str] = mapped_column(String(40))
    sub_status: Mapped[str] = mapped_column(String(60))
    color: Mapped[str | None] = mapped_column(String(7))
    savings_goal: Mapped[Decimal | None] = mapped_column(ExactAmount)
    updated_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # since when no active consent covers it; such an account keeps its row and its payments
    uncovered_since: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # since when it is not updated although it should be, as it was last stored (`services.connections.timeline`)
    stopped_since: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # as bunq lists them, the holder among them
    co_owners: Mapped[tuple[CoOwner, ...]] = mapped_column(TypedJson(tuple[CoOwner, ...]), default=())
    # counts the transactions in which one of its payments, or a note on one, was stored anew (`payments.revisions`)
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    raw: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)

    @property
    def is_covered(self) -> bool:
        """Whether bunq may be asked about it: an active consent covers it."""
        return self.uncovered_since is None


class AccountHolder(Base):
    """A team member's own right on an account, from a consent of theirs or from a hand-over."""

    __tablename__ = "account_holder"

    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(
        ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    since: Mapped[datetime] = mapped_column(UtcTimestamp)


class AccountShare(Base):
    """A holder lets somebody read an account. It ends with the holding of the member who granted it."""

    __tablename__ = "account_share"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), index=True)
    # None: the whole team, also people who join it later
    member_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    granted_by_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    since: Mapped[datetime] = mapped_column(UtcTimestamp)
    until: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # payments before this local day do not exist for those who read by this share
    first_day: Mapped[date | None] = mapped_column(Date)
