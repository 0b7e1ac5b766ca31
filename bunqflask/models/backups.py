"""What became of backups."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp, enum_column
from bunqflask.extensions import Base


class BackupOutcome(StrEnum):
    """How a backup or its test ended."""

    # written, and read back
    MADE = "made"
    # none was written
    FAILED = "failed"
    # one was read from its beginning to its end, as for a restore
    TESTED = "tested"


class BackupRecord(Base):
    """One backup that was made or failed, or one that was tested."""

    __tablename__ = "backup_record"
    __table_args__ = (Index("ix_backup_record_outcome_at", "outcome", "at"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcTimestamp)
    outcome: Mapped[BackupOutcome] = mapped_column(enum_column(BackupOutcome))
    # of the file; None where none was written
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
