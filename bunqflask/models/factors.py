"""Second factors, the logins that wait for one, and the browsers that need none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.states import FactorKind


class Factor(Encrypted, Base):
    """A second factor of a member; it counts once it is activated."""

    __tablename__ = "factor"
    __table_args__ = (UniqueConstraint("credential_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    kind: Mapped[FactorKind] = mapped_column(enum_column(FactorKind))
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    activated_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # of an authenticator app: its secret, and the step of 30 seconds whose code was used last
    secret = Secret()
    secret_sealed: Mapped[bytes | None]
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    # of a passkey
    credential_id: Mapped[bytes | None] = mapped_column(LargeBinary)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0)


class RecoveryCode(Base):
    """A code that replaces a second factor once."""

    __tablename__ = "recovery_code"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    used_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class PendingLogin(Base):
    """A login with the right password that still lacks the second factor: good for the page that asks for it."""

    __tablename__ = "pending_login"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # tells the member that the factor was missing; deleted when it is given
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("member_notice.id", ondelete="SET NULL"))


class Browser(Base):
    """A browser in which a member has logged in; the token in its cookie is new after each login."""

    __tablename__ = "browser"
    __table_args__ = (UniqueConstraint("member_id", "token_hash"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64), index=True)
    user_agent: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # until then a password is enough in this browser
    trusted_until: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class PasskeyChallenge(Base):
    """A challenge that a passkey has to sign, once; without a member it is for a login."""

    __tablename__ = "passkey_challenge"

    challenge_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
