"""The people with a login here, and where they are logged in."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.states import TeamRole


class TeamMember(Base):
    """A person with a login here; "user" always means a user of bunq."""

    __tablename__ = "team_member"
    __table_args__ = (
        CheckConstraint("(role = 'guest') = (ends_at IS NOT NULL)", name="only_guests_end"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    role: Mapped[TeamRole] = mapped_column(enum_column(TeamRole), default=TeamRole.MEMBER)
    # cannot log in until an owner or admin unlocks them
    locked_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # when a guest's access ends
    ends_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # counts for guests: all others may
    may_export: Mapped[bool] = mapped_column(default=True)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class Invitation(Base):
    """A one-time link by which a person becomes a team member; its token is stored as its hash only."""

    __tablename__ = "invitation"
    __table_args__ = (
        CheckConstraint("(role = 'guest') = (ends_at IS NOT NULL)", name="only_guests_end"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    # a name or an email, for the list of open invitations
    label: Mapped[str] = mapped_column(String(254))
    role: Mapped[TeamRole] = mapped_column(enum_column(TeamRole))
    ends_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    may_export: Mapped[bool]
    # None: made on the command line
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    expires_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    opened_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class InvitationAccount(Base):
    """An account that an invited guest may read once they accept, shared by a member who holds it."""

    __tablename__ = "invitation_account"

    invitation_id: Mapped[int] = mapped_column(ForeignKey("invitation.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("monetary_account.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    granted_by_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)


class PasswordReset(Base):
    """A one-time link by which a team member chooses a new password; the newest one only, stored as its hash."""

    __tablename__ = "password_reset"

    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(UtcTimestamp)


class Login(Base):
    """One browser in which a team member is logged in; the cookie's token is stored as its hash only."""

    __tablename__ = "login"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(64))
    user_agent: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # when the member last proved in this login who they are
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    browser_id: Mapped[int | None] = mapped_column(ForeignKey("browser.id", ondelete="SET NULL"), index=True)


class LoginThrottle(Base):
    """Failed tries of one account, address, browser or second factor within a window, shared by all workers."""

    __tablename__ = "login_throttle"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    window_ends_at: Mapped[datetime] = mapped_column(UtcTimestamp)


class TeamRules(Base):
    """What owners have laid down for the whole team: one row, or none."""

    __tablename__ = "team_rules"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # from this day on, a member without a second factor reaches only the page that sets one up
    second_factor_from: Mapped[date | None]
