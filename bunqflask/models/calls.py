"""The log of calls to bunq: which was made when, and how bunq answered; no content, no query and no secret."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import Base


class BunqCall(Base):
    """One call that was made; it is kept for some days."""

    __tablename__ = "bunq_call"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    # when its answer came, or was given up
    at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)
    # method and path, with # for every id
    endpoint: Mapped[str] = mapped_column(String(200))
    duration_ms: Mapped[int]
    # None: there was no answer
    status: Mapped[int | None]
    response_id: Mapped[str | None] = mapped_column(String(64))
    # how many more calls of this kind our own count allowed then; None: it does not count
    calls_left: Mapped[int | None]
    # whose payments it was about; None: this server's own. No foreign key: a call outlives what it was about.
    connection_id: Mapped[int | None]
