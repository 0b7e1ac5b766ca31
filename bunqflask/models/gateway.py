"""What this server is to bunq: its installations, its sessions, and the calls that count against the rate limits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.database.leases import Leased
from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import Base


class BunqSession(Encrypted, Leased, Base):
    """One session with bunq, shared by all workers; only the holder of its lease may open it anew."""

    __tablename__ = "bunq_session"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    # The installation that opened it; not a foreign key, because installations refer to sessions.
    installation_id: Mapped[int | None]
    token = Secret()
    token_sealed: Mapped[bytes | None]
    # counts the tokens of this row, so that a worker with a dead one can tell whether another worker has replaced it
    generation: Mapped[int] = mapped_column(default=0)
    path_user_id: Mapped[int | None] = mapped_column(BigInteger)
    # whose accounts the session is about: ourselves, or the granting person or company
    holder_user_id: Mapped[int | None] = mapped_column(BigInteger)
    holder_type: Mapped[str | None] = mapped_column(String(40))
    holder_name: Mapped[str | None] = mapped_column(String(200))
    opened_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # since when nothing uses it: the worker closes it at bunq and deletes it
    abandoned_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class Installation(Encrypted, Base):
    """Our key pair made known to one bunq environment, and all that setup made with it, step by step."""

    __tablename__ = "installation"
    __table_args__ = (
        Index(
            "uq_installation_current",
            "environment",
            unique=True,
            sqlite_where=text("is_current"),
            postgresql_where=text("is_current"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(String(20))
    # False: superseded, or made for a single grant that bunq does not take on our own installation
    is_current: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)

    private_key = Secret()
    private_key_sealed: Mapped[bytes | None]
    # bunq's answer to POST installation
    bunq_installation_id: Mapped[int | None] = mapped_column(BigInteger)
    token = Secret()
    token_sealed: Mapped[bytes | None]
    server_public_key: Mapped[str | None] = mapped_column(Text)
    # the API key, or the token_value of a PSD2 credential
    api_key = Secret()
    api_key_sealed: Mapped[bytes | None]
    device_id: Mapped[int | None] = mapped_column(BigInteger)
    device_registered_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # the OAuth client; bunq's numeric id goes into paths, the client_id into OAuth
    oauth_client_id: Mapped[int | None] = mapped_column(BigInteger)
    client_id: Mapped[str | None] = mapped_column(String(200))
    client_secret = Secret()
    client_secret_sealed: Mapped[bytes | None]
    redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    # a licensed party's certificate
    psd2_certificate: Mapped[str | None] = mapped_column(Text)
    psd2_chain: Mapped[str | None] = mapped_column(Text)
    psd2_private_key = Secret()
    psd2_private_key_sealed: Mapped[bytes | None]
    psd2_registered_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # since when nothing uses one that was made for a single grant: the worker deletes it
    abandoned_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)

    session_id: Mapped[int | None] = mapped_column(ForeignKey("bunq_session.id", ondelete="SET NULL"))
    session: Mapped[BunqSession | None] = relationship()


class RateLimitWindow(Base):
    """The recent calls to one endpoint and method, so that all processes together keep bunq's rate limit."""

    __tablename__ = "rate_limit_window"

    endpoint: Mapped[str] = mapped_column(String(200), primary_key=True)
    # the times of the calls that still count, as ISO 8601 text
    calls: Mapped[list[Any]] = mapped_column(JSON, default=list)
    # bunq refused a call: none before then
    blocked_until: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # how often in a row, and when last, bunq refused a call that our count allowed
    refusals: Mapped[int] = mapped_column(default=0)
    refused_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # a person waits: until then background work leaves the next call to them
    reserved_until: Mapped[datetime | None] = mapped_column(UtcTimestamp)
