"""The channels of a member: added, changed, tried, removed; and the log of their deliveries."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select

from bunqflask import clock
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.transactions import release, transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    AuditKind,
    ChannelKind,
    DeliveryState,
    NoticeChannel,
    NoticeDelivery,
    NoticeItem,
    NoticeTopic,
    TeamMember,
)
from bunqflask.services.audit import trail
from bunqflask.services.notices import apprise_services, mailing, outgoing, sending, targets
from bunqflask.services.notices.targets import NoAnswer, TargetRefused
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

MOST_CHANNELS = 20
MOST_LISTED = 50
_SECRET_BYTES = 32
# Of one member, within an hour: a test is a call that a person causes.
_MOST_TESTS = 20


class ChannelRefused(Exception):
    """A channel cannot be added, changed or tried; the text says why, for a person."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel as its member sees it; `host` is empty for mail, and the service for Apprise. Times are aware UTC."""

    id: int
    kind: ChannelKind
    host: str
    topics: tuple[NoticeTopic, ...]
    delivered_at: datetime | None
    switched_off_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery of the log, or one that waits. Times are aware UTC."""

    id: int
    items: tuple[NoticeItem, ...]
    is_test: bool
    state: DeliveryState
    created_at: datetime
    next_try_at: datetime
    tries: int
    tried_at: datetime | None
    duration_ms: int | None
    sent: str | None
    status: int | None
    answer: str | None


@dataclass(frozen=True)
class NewChannel:
    """A channel just added; a webhook's secret is shown this once."""

    id: int
    secret: str | None


def list_for(principal: Principal) -> list[Channel]:
    """Return a member's channels."""
    query = select(NoticeChannel).where(NoticeChannel.member_id == principal.id).order_by(NoticeChannel.id)
    return [_shown(each) for each in db.session.scalars(query)]


def find(principal: Principal, channel_id: int) -> Channel:
    """Return one of the member's own channels.

    :raises NotFoundHere: it is not theirs.
    """
    return _shown(_own(principal, channel_id))


def add(principal: Principal, kind: ChannelKind, address: str, chosen: Collection[NoticeTopic]) -> NewChannel:
    """Add a channel; mail goes to the member's own email address.

    :raises ChannelRefused: the address may not be called, the member has mail already or too many, or there is no
        mail server or no Apprise.
    """
    if kind is ChannelKind.MAIL and not mailing.is_set_up():
        raise ChannelRefused(_("No mail server is set up. The person who runs this site can do it: SMTP_HOST."))
    if kind is not ChannelKind.MAIL:
        _check(kind, address)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    with transaction():
        db.session.execute(select(TeamMember.id).where(TeamMember.id == principal.id).with_for_update(key_share=True))
        kinds = db.session.scalars(select(NoticeChannel.kind).where(NoticeChannel.member_id == principal.id)).all()
        if kind is ChannelKind.MAIL and kind in kinds:
            raise ChannelRefused(_("You get mail already."))
        if len(kinds) >= MOST_CHANNELS:
            raise ChannelRefused(_("You have too many channels. Remove one first."))
        row = NoticeChannel(member_id=principal.id, kind=kind, topics=_ordered(chosen), created_at=clock.now())
        db.session.add(row)
        db.session.flush()
        if kind is not ChannelKind.MAIL:
            row.address = address
        if kind is ChannelKind.WEBHOOK:
            row.secret = secret
        subject = f"{kind} {_shown(row).host}".strip()
        trail.record(AuditKind.CHANNEL_ADDED, actor_id=principal.id, subject=subject, channel=row.id)
        return NewChannel(row.id, secret if kind is ChannelKind.WEBHOOK else None)


def change(principal: Principal, channel_id: int, chosen: Collection[NoticeTopic]) -> None:
    """Choose what a channel is for, and switch it on again if it was switched off.

    :raises NotFoundHere: it is not the member's own.
    """
    with transaction():
        row = _own(principal, channel_id)
        row.topics, row.switched_off_at = _ordered(chosen), None


def remove(principal: Principal, channel_id: int) -> None:
    """Remove a channel with its log and all that waits.

    :raises NotFoundHere: it is not the member's own.
    """
    with transaction():
        row = _own(principal, channel_id)
        subject = f"{row.kind} {_shown(row).host}".strip()
        trail.record(AuditKind.CHANNEL_REMOVED, actor_id=principal.id, subject=subject, channel=row.id)
        db.session.delete(row)


def test(principal: Principal, channel_id: int) -> Delivery:
    """Send a test, and return how it went.

    :raises NotFoundHere: the channel is not the member's own.
    :raises ChannelRefused: they have sent too many tests.
    """
    _own(principal, channel_id)
    since = clock.now() - timedelta(hours=1)
    own = select(NoticeChannel.id).where(NoticeChannel.member_id == principal.id)
    recent = (NoticeDelivery.channel_id.in_(own), NoticeDelivery.is_test, NoticeDelivery.created_at > since)
    if (db.session.scalar(select(func.count()).select_from(NoticeDelivery).where(*recent)) or 0) >= _MOST_TESTS:
        raise ChannelRefused(_("That were many tests. Try again in an hour."))
    release()
    return _shown_delivery(sending.test(channel_id))


def deliveries(principal: Principal, channel_id: int) -> list[Delivery]:
    """Return the latest deliveries of a channel, the newest first.

    :raises NotFoundHere: it is not the member's own.
    """
    _own(principal, channel_id)
    query = select(NoticeDelivery).where(NoticeDelivery.channel_id == channel_id)
    rows = db.session.scalars(query.order_by(NoticeDelivery.id.desc()).limit(MOST_LISTED))
    return [_shown_delivery(each) for each in rows]


def send_again(principal: Principal, delivery_id: int) -> int:
    """Let a delivery that has ended be sent once more, with the same id; returns its channel's id.

    :raises NotFoundHere: it is not of one of the member's own channels.
    :raises ChannelRefused: it waits already, or it was a test.
    """
    with transaction():
        row = db.session.get(NoticeDelivery, delivery_id)
        if row is None:
            raise NotFoundHere
        channel = _own(principal, row.channel_id)
        if row.state is DeliveryState.WAITING or row.is_test:
            raise ChannelRefused(_("That one cannot be sent again."))
        if channel.switched_off_at is not None:
            raise ChannelRefused(_("Switch the channel on first."))
        outgoing.add(channel.id, row.items, due_at=clock.now(), message_id=row.message_id)
        return channel.id


def _check(kind: ChannelKind, address: str) -> None:
    release()
    try:
        if kind is ChannelKind.APPRISE:
            apprise_services.check(address)
        else:
            targets.check(address)
    except (TargetRefused, NoAnswer) as refused:
        raise ChannelRefused(str(refused)) from None


def _own(principal: Principal, channel_id: int) -> NoticeChannel:
    row = db.session.get(NoticeChannel, channel_id)
    if row is None or row.member_id != principal.id:
        raise NotFoundHere
    return row


def _ordered(chosen: Collection[NoticeTopic]) -> tuple[NoticeTopic, ...]:
    return tuple(each for each in NoticeTopic if each in chosen)


def _shown(row: NoticeChannel) -> Channel:
    try:
        # What stands where a host would in an address of Apprise is a secret.
        is_service = row.kind is ChannelKind.APPRISE
        host = apprise_services.service_of(row.address or "") if is_service else urlsplit(row.address or "").netloc
    except SecretUnreadable:
        host = "?"
    return Channel(
        id=row.id,
        kind=row.kind,
        host=host,
        topics=row.topics,
        delivered_at=row.delivered_at,
        switched_off_at=row.switched_off_at,
    )


def _shown_delivery(row: NoticeDelivery) -> Delivery:
    return Delivery(
        id=row.id,
        items=row.items,
        is_test=row.is_test,
        state=row.state,
        created_at=row.created_at,
        next_try_at=row.next_try_at,
        tries=row.tries,
        tried_at=row.tried_at,
        duration_ms=row.duration_ms,
        sent=row.sent,
        status=row.status,
        answer=row.answer,
    )
