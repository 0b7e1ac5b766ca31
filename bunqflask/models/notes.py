"""Notes that people made on payments at bunq, and when bunq was last asked for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.leases import Leased
from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import Base
from bunqflask.models.payments import PaymentRowId
from bunqflask.models.retry import RetryState


class NoteSync(Leased, RetryState, Base):
    """How the notes of one payment were last read; there is none before somebody looked at the payment."""

    __tablename__ = "note_sync"

    # the payment's row; no foreign key, because one that bunq does not list any more keeps its notes
    id: Mapped[int] = mapped_column(PaymentRowId, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), index=True)
    synced_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class Note(Base):
    """One note as of that reading. bunq numbers texts and files apart, so the kind is part of the key."""

    __tablename__ = "note"

    # Refers to the sync row, which is locked while notes are stored: a deletion of the payment waits for it.
    payment_row_id: Mapped[int] = mapped_column(
        PaymentRowId, ForeignKey("note_sync.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # text, or attachment: then the text only describes the files
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    note_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    created_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    updated_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    author: Mapped[str] = mapped_column(String(500))
    text: Mapped[str] = mapped_column(Text)
    attachment_ids: Mapped[list[int]] = mapped_column(JSON)
    raw: Mapped[dict[str, Any]] = mapped_column(JSON)
