"""What was exported before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import Base


class Pack(Base):
    """The manifest of the last pack made of the same accounts and period, to show what changed since."""

    __tablename__ = "pack"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"))
    made_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
