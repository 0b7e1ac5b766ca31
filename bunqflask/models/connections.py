"""Connections, the members they belong to, and their monetary accounts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.database.leases import Leased
from bunqflask.database.types import ExactAmount, TypedJson, UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.gateway import BunqSession, Installation
from bunqflask.models.retry import RetryState
from bunqflask.models.states import ConnectionState
from bunqflask.models.team import TeamMember


class Connection(Encrypted, Leased, RetryState, Base):
    """Our row for one grant of one bunq user, person or company; at most one for each."""

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("environment", "granted_user_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(String(20))
    granted_user_id: Mapped[int] = mapped_column(BigInteger)
    granted_user_type: Mapped[str] = mapped_column(String(40))
    display_name: Mapped[str] = mapped_column(String(200))
    state: Mapped[ConnectionState] = mapped_column(enum_column(ConnectionState), default=ConnectionState.ACTIVE)
    state_since: Mapped[datetime] = mapped_column(UtcTimestamp)
    consented_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    access_token = Secret()
    access_token_sealed: Mapped[bytes | None]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("bunq_session.id", ondelete="SET NULL"))
    # set only where bunq wants an installation for each grant; otherwise sessions are opened on our own
    installation_id: Mapped[int | None] = mapped_column(ForeignKey("installation.id", ondelete="SET NULL"))

    shared_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    # the last time that bunq listed the accounts
    accounts_synced_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # a person asked for a sync
    sync_requested_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # when bunq refused the grant; it counts as lost only once our own session has worked after that
    refused_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    # the secret in the address of our callbacks: found by its hash, sent to bunq from its encrypted text
    callback_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    callback_token = Secret()
    callback_token_sealed: Mapped[bytes | None]
    callbacks_set_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    session: Mapped[BunqSession | None] = relationship(lazy="raise_on_sql")
    installation: Mapped[Installation | None] = relationship(lazy="raise_on_sql")
    members: Mapped[list[ConnectionMember]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise_on_sql"
    )
    monetary_accounts: Mapped[list[MonetaryAccount]] = relationship(
        cascade="all, delete-orphan",
        passive_deletes=True,
        order_by="MonetaryAccount.monetary_account_id",
        lazy="raise_on_sql",
    )


class ConnectionMember(Base):
    """A team member to whom a connection belongs; several when several consented for one bunq user."""

    __tablename__ = "connection_member"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(
        ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    since: Mapped[datetime] = mapped_column(UtcTimestamp)

    member: Mapped[TeamMember] = relationship(lazy="raise_on_sql")


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
    currency: Mapped[str] = mapped_column(String(10))
    balance: Mapped[Decimal | None] = mapped_column(ExactAmount)
    status: Mapped[str] = mapped_column(String(40))
    sub_status: Mapped[str] = mapped_column(String(60))
    color: Mapped[str | None] = mapped_column(String(7))
    savings_goal: Mapped[Decimal | None] = mapped_column(ExactAmount)
    updated_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # still in the grant; an account that is not keeps its row and its payments
    is_shared: Mapped[bool] = mapped_column(default=True)
    # as bunq lists them, the holder among them
    co_owners: Mapped[tuple[CoOwner, ...]] = mapped_column(TypedJson(tuple[CoOwner, ...]), default=())
    raw: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
