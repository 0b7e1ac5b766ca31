"""The conditions that connections were in, their days without updates, and the reminders to renew them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import TypedJson, UtcTimestamp, enum_column
from bunqflask.extensions import Base


class Condition(StrEnum):
    """How a connection stands for the people who rely on it; `services.connections.condition` decides."""

    WORKING = "working"
    # it works, and the day is near on which its holders want to be reminded to renew it
    RENEW_SOON = "renew_soon"
    # nothing updates it, or some of its accounts
    STOPPED = "stopped"
    # ended here
    DISCONNECTED = "disconnected"


class StopReason(StrEnum):
    """Why nothing updates a connection."""

    # bunq refuses the permission, and accepts this server: withdrawn, most often
    REFUSED = "refused"
    # bunq refuses this server: most often its address is not among those that the API key allows
    ADDRESS = "address"
    # bunq does not know this server any more, or it is not set up
    INSTALLATION = "installation"
    # bunq gave no answer for more than an hour
    BUNQ_AWAY = "bunq_away"
    # what bunq answered for more than an hour was not signed by bunq, or not understood
    ANSWERS = "answers"
    # bunq refuses to list some accounts for more than an hour
    ACCOUNTS = "accounts"
    # no update was complete for longer than updates are apart, and no error says why
    LATE = "late"
    NO_WORKER = "no_worker"


class ConditionChange(Base):
    """A connection came into this condition; the newest row of a connection is the present one."""

    __tablename__ = "connection_condition"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    condition: Mapped[Condition] = mapped_column(enum_column(Condition))
    reason: Mapped[StopReason | None] = mapped_column(enum_column(StopReason))
    since: Mapped[datetime] = mapped_column(UtcTimestamp)
    # when a worker stored it: a recovery needs an update after that
    noted_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # our ids of the accounts that are not updated; empty where it concerns the whole connection
    account_ids: Mapped[tuple[int, ...]] = mapped_column(TypedJson(tuple[int, ...]), default=())
    # bunq's status, message and response id
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class ConnectionDay(Base):
    """One day of a connection in the time zone of this site."""

    __tablename__ = "connection_day"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    # for how long at a time it was not up to date on that day, at most, in seconds
    longest_gap_s: Mapped[int] = mapped_column(default=0)


class RenewalReminder(Base):
    """A reminder that was given: so many days before the day, or within that."""

    __tablename__ = "renewal_reminder"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    days_before: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    given_at: Mapped[datetime] = mapped_column(UtcTimestamp)
