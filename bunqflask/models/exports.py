"""What was exported before."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Date, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.types import TypedJson, UtcTimestamp
from bunqflask.extensions import Base


class Pack(Base):
    """The manifest of the last pack made of the same accounts and period, to tell what changed since.

    It holds names, IBANs, balances and amounts: erasing one of its accounts deletes it (`services.consent.disconnect`).
    """

    __tablename__ = "pack"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    made_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)


class ExportChoice(Base):
    """What a member exported last: accounts left out, formats, whether as bare files, and until which day."""

    __tablename__ = "export_choice"

    member_id: Mapped[int] = mapped_column(
        ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    left_out: Mapped[list[int]] = mapped_column(JSON)
    formats: Mapped[list[str]] = mapped_column(JSON)
    only_files: Mapped[bool] = mapped_column(Boolean)
    last_day: Mapped[date | None] = mapped_column(Date)


class ExportOrder(Base):
    """What a program asked to be exported, for a day. The files are written when it fetches them, and not stored."""

    __tablename__ = "export_order"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    account_ids: Mapped[tuple[int, ...]] = mapped_column(TypedJson(tuple[int, ...]))
    formats: Mapped[tuple[str, ...]] = mapped_column(TypedJson(tuple[str, ...]))
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date] = mapped_column(Date)
    only_files: Mapped[bool] = mapped_column(Boolean)
    with_receipts: Mapped[bool] = mapped_column(Boolean)


class PackAccount(Base):
    """An account that a pack names. It has to be deleted with its packs: the database refuses to delete it alone."""

    __tablename__ = "pack_account"

    pack_key: Mapped[str] = mapped_column(ForeignKey("pack.key", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id"), primary_key=True, index=True)
