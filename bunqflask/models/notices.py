"""Notices to members, where each wants them, and their deliveries outside this site."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import JSON, ForeignKey, Index, String, Text, Time, text
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.database.leases import Leased
from bunqflask.database.types import ExactAmount, TypedJson, UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.states import ChannelKind, DeliveryState, NoticeKind, NoticeTopic

_IS_OPEN, _IS_WAITING, _IS_MAIL = text("dismissed_at IS NULL"), text("state = 'waiting'"), text("kind = 'mail'")


class MemberNotice(Base):
    """Something that a member is informed about in the app: unread until dismissed; never an amount or a secret."""

    __tablename__ = "member_notice"
    __table_args__ = (
        Index("ix_member_notice_open", "member_id", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    kind: Mapped[NoticeKind] = mapped_column(enum_column(NoticeKind))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)
    dismissed_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # where it happened: not shown there, as it is for the member's other browsers
    browser_id: Mapped[int | None] = mapped_column(ForeignKey("browser.id", ondelete="SET NULL"), index=True)


class NoticeSettings(Base):
    """What a member chose about notices; one who chose nothing has no row."""

    __tablename__ = "notice_settings"

    member_id: Mapped[int] = mapped_column(
        ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # shown in the app
    topics: Mapped[tuple[NoticeTopic, ...]] = mapped_column(TypedJson(tuple[NoticeTopic, ...]))
    # between these, in the site's time zone, mail and ntfy wait
    quiet_from: Mapped[time | None] = mapped_column(Time)
    quiet_until: Mapped[time | None] = mapped_column(Time)
    # mail and ntfy name amounts and counterparties
    with_amounts: Mapped[bool] = mapped_column(default=False)
    low_balance: Mapped[Decimal | None] = mapped_column(ExactAmount)
    # our ids of the accounts whose balance was below it the last time
    below: Mapped[tuple[int, ...]] = mapped_column(TypedJson(tuple[int, ...]), default=())


class NoticeChannel(Encrypted, Base):
    """A way out of this server to one member; where it leads, and the key of its signatures, are encrypted."""

    __tablename__ = "notice_channel"
    __table_args__ = (
        Index("uq_notice_channel_mail", "member_id", unique=True, sqlite_where=_IS_MAIL, postgresql_where=_IS_MAIL),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), index=True)
    kind: Mapped[ChannelKind] = mapped_column(enum_column(ChannelKind))
    # None for mail, which goes to the member's own email address; it may hold a password
    address = Secret()
    address_sealed: Mapped[bytes | None]
    # of a webhook: the key of its signatures, whsec_…
    secret = Secret()
    secret_sealed: Mapped[bytes | None]
    topics: Mapped[tuple[NoticeTopic, ...]] = mapped_column(TypedJson(tuple[NoticeTopic, ...]))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # after three days without success, or because its server says that it is gone
    switched_off_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class NoticeItem(msgspec.Struct, frozen=True):
    """One notice in a delivery: its kind, its facts as in `MemberNotice`, and when it happened."""

    kind: NoticeKind
    facts: dict[str, Any]
    at: datetime


class NoticeDelivery(Leased, Base):
    """A message to one channel, waiting or in the log: what was sent the last time, and what came back."""

    __tablename__ = "notice_delivery"
    __table_args__ = (
        Index("ix_notice_delivery_due", "next_try_at", sqlite_where=_IS_WAITING, postgresql_where=_IS_WAITING),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("notice_channel.id", ondelete="CASCADE"), index=True)
    # by which the receiver knows a repeat: in webhook-id and in Message-ID
    message_id: Mapped[str] = mapped_column(String(32))
    items: Mapped[tuple[NoticeItem, ...]] = mapped_column(TypedJson(tuple[NoticeItem, ...]))
    is_test: Mapped[bool] = mapped_column(default=False)
    state: Mapped[DeliveryState] = mapped_column(enum_column(DeliveryState), default=DeliveryState.WAITING)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)
    next_try_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    tries: Mapped[int] = mapped_column(default=0)
    tried_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    duration_ms: Mapped[int | None]
    sent: Mapped[str | None] = mapped_column(Text)
    # of HTTP or SMTP; None where nobody answered
    status: Mapped[int | None]
    # its first 1 kB, or why there is none
    answer: Mapped[str | None] = mapped_column(Text)
