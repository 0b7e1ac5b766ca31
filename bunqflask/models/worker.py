"""The signs of life of workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import Base


class WorkerHeartbeat(Base):
    """One worker process; it writes its row anew every few seconds while it runs."""

    __tablename__ = "worker_heartbeat"

    # host name and process id
    worker: Mapped[str] = mapped_column(String(200), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    seen_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # it was stopped; without that a row which is not written any more is one of a worker that was killed
    ended_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
