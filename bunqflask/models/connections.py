"""A consent on its way, and what it leads to: a connection, who may see it, and its monetary accounts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.encryption import Sealed, Secret
from bunqflask.database.types import ExactAmount, Leased, UtcMoment
from bunqflask.extensions import Base
from bunqflask.models.gateway import BunqSession, Installation
from bunqflask.models.team import TeamMember


class Connection(Sealed, Leased, Base):
    """Our row for one grant of one bunq user, person or company; at most one for each."""

    __tablename__ = "connection"
    __table_args__ = (UniqueConstraint("environment", "granted_user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(String(20))
    granted_user_id: Mapped[int] = mapped_column(BigInteger)
    granted_user_type: Mapped[str] = mapped_column(String(40))
    display_name: Mapped[str] = mapped_column(String(200))
    # active: the grant works; lost: bunq refused it; disconnected: a member ended it here
    status: Mapped[str] = mapped_column(String(20), default="active")
    status_reason: Mapped[str | None] = mapped_column(String(40))
    status_since: Mapped[datetime] = mapped_column(UtcMoment)
    consented_at: Mapped[datetime] = mapped_column(UtcMoment)
    access_token = Secret()
    access_token_sealed: Mapped[bytes | None]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("bunq_session.id", ondelete="SET NULL"))
    # set only where bunq wants an installation for each grant; otherwise sessions are opened on our own
    installation_id: Mapped[int | None] = mapped_column(ForeignKey("installation.id", ondelete="SET NULL"))

    shared_by_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="SET NULL"))
    shared_at: Mapped[datetime | None] = mapped_column(UtcMoment)

    # the last successful reading of the accounts, and what came of the last try
    accounts_read_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    trouble: Mapped[str | None] = mapped_column(String(40))
    trouble_facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    trouble_since: Mapped[datetime | None] = mapped_column(UtcMoment)
    next_try_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    # bunq refused the grant at this moment; lost only once our own session was proved to work later
    refused_at: Mapped[datetime | None] = mapped_column(UtcMoment)

    # where bunq calls us about this connection: found by its hash, told to bunq from its sealed text
    hook_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    hook_token = Secret()
    hook_token_sealed: Mapped[bytes | None]
    hooks_set_at: Mapped[datetime | None] = mapped_column(UtcMoment)

    session: Mapped[BunqSession | None] = relationship()
    installation: Mapped[Installation | None] = relationship()
    members: Mapped[list[ConnectionMember]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    monetary_accounts: Mapped[list[MonetaryAccount]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="MonetaryAccount.monetary_account_id"
    )


class ConnectionMember(Base):
    """A team member to whom a connection belongs; several when several consented for one bunq user."""

    __tablename__ = "connection_member"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(
        ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    since: Mapped[datetime] = mapped_column(UtcMoment)

    member: Mapped[TeamMember] = relationship()


class MonetaryAccount(Base):
    """Where money is, at bunq; typed columns for what pages show, bunq's own JSON beside them."""

    __tablename__ = "monetary_account"
    __table_args__ = (UniqueConstraint("connection_id", "monetary_account_id"),)

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
    updated_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    # still in the grant; an account no longer shared keeps its row and what is known of it
    is_shared: Mapped[bool] = mapped_column(default=True)
    # the IBANs, of all accounts here, to which payments are told apart in the sums that are kept
    told_apart: Mapped[list[str] | None] = mapped_column(JSON)
    raw: Mapped[dict[str, Any]] = mapped_column(JSON)


class ConsentAttempt(Sealed, Leased, Base):
    """One try to obtain a consent, from the press on "Connect bunq" to its end."""

    __tablename__ = "consent_attempt"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    environment: Mapped[str] = mapped_column(String(20))
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    renews_connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id", ondelete="SET NULL"))
    # waiting, exchanging, connecting, confirm, connected, denied, expired, failed, cancelled, discarded
    step: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    step_since: Mapped[datetime] = mapped_column(UtcMoment)
    created_at: Mapped[datetime] = mapped_column(UtcMoment)
    expires_at: Mapped[datetime] = mapped_column(UtcMoment)
    # the one-time link: found by its hash, shown again from its sealed text, taken by the first browser
    link_hash: Mapped[str] = mapped_column(String(64), unique=True)
    link_token = Secret()
    link_token_sealed: Mapped[bytes | None]
    link_browser_hash: Mapped[str | None] = mapped_column(String(64))

    came_back_elsewhere: Mapped[bool] = mapped_column(default=False)
    approved_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    access_token = Secret()
    access_token_sealed: Mapped[bytes | None]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("bunq_session.id", ondelete="SET NULL"))
    installation_id: Mapped[int | None] = mapped_column(ForeignKey("installation.id", ondelete="SET NULL"))
    granted_user_id: Mapped[int | None] = mapped_column(BigInteger)
    granted_user_type: Mapped[str | None] = mapped_column(String(40))
    granted_user_name: Mapped[str | None] = mapped_column(String(200))
    accounts: Mapped[list[Any] | None] = mapped_column(JSON)

    next_try_at: Mapped[datetime | None] = mapped_column(UtcMoment)
    tries: Mapped[int] = mapped_column(default=0)
    trouble: Mapped[str | None] = mapped_column(String(40))
    trouble_facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id", ondelete="SET NULL"))
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    member: Mapped[TeamMember] = relationship()
    session: Mapped[BunqSession | None] = relationship()
    installation: Mapped[Installation | None] = relationship()
    connection: Mapped[Connection | None] = relationship(foreign_keys=[connection_id])
    renews_connection: Mapped[Connection | None] = relationship(foreign_keys=[renews_connection_id])


class ConsentState(Sealed, Base):
    """The random value that ties one attempt to one browser: hashed, used once, ten minutes."""

    __tablename__ = "consent_state"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("consent_attempt.id", ondelete="CASCADE"))
    # what Authlib needs again at the exchange, the PKCE verifier among it
    data = Secret()
    data_sealed: Mapped[bytes | None]
    expires_at: Mapped[datetime] = mapped_column(UtcMoment)
