"""The outbox: what happened, written in the transaction in which it happened, for the worker to act on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.extensions import Base


class EventKind(StrEnum):
    """What happened; the facts of each name rows by their ids."""

    # facts: attempt_id
    CONSENT_APPROVED = "consent_approved"
    # facts: connection_id, attempt_id
    CONNECTION_WORKS = "connection_works"
    # facts: connection_id
    CONNECTION_LOST = "connection_lost"
    CONNECTION_ENDED = "connection_ended"
    SYNC_REQUESTED = "sync_requested"
    # a bunq session or an installation is not used any more, and is to be closed at bunq
    SESSION_ABANDONED = "session_abandoned"
    # payments were deleted on a person's wish, and are to vanish from the files too
    DATA_ERASED = "data_erased"
    # bunq refuses this server as a whole, as far as it was not known to already: the doctor examines at once
    SERVER_REFUSED = "server_refused"
    # facts: instruction_id; something is to be done at bunq for it
    INSTRUCTION_DUE = "instruction_due"

    # What people are informed about (`services.notices`).
    # facts: connection_id, reason, since (ISO 8601): nothing updates it any more, or for longer than is promised
    CONNECTION_STOPPED = "connection_stopped"
    # facts: connection_id, stopped_since
    CONNECTION_RECOVERED = "connection_recovered"
    # facts: connection_id, day (of the reminder), days_left
    RENEWAL_DUE = "renewal_due"
    # facts of both: attempt_id; the holder opened the invitation, approved at bunq
    INVITATION_OPENED = "invitation_opened"
    INVITATION_APPROVED = "invitation_approved"
    # facts: account_id, change_ids: payments that changed, came late or were withdrawn
    PAYMENTS_CHANGED = "payments_changed"
    # facts: account_id, payment_ids
    PAYMENTS_ARRIVED = "payments_arrived"
    # facts: checks (their names)
    DOCTOR_FOUND_FAULT = "doctor_found_fault"
    DOCTOR_ALL_GOOD = "doctor_all_good"
    # facts: reason
    BACKUP_FAILED = "backup_failed"
    # facts: instruction_id, account_id: a draft was prepared, or changed
    DRAFT_PREPARED = "draft_prepared"
    # the same, and outcome: a state in which it ended, or sent_back
    DRAFT_DECIDED = "draft_decided"


class Event(Base):
    """One event. It is unhandled until the worker has acted on it."""

    __tablename__ = "event"
    __table_args__ = (
        Index(
            "ix_event_unhandled",
            "id",
            sqlite_where=text("handled_at IS NULL"),
            postgresql_where=text("handled_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[EventKind] = mapped_column(enum_column(EventKind))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    handled_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
