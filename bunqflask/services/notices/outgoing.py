"""Deliveries that wait for their time: written in the transaction in which a notice comes to be.

A webhook gets each notice for itself. Mail and ntfy get one message with all that has piled up, such as during an
outage, in quiet hours, or while their server is away: what is not sent yet is added to.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import ChannelKind, DeliveryState, NoticeChannel, NoticeDelivery, NoticeItem
from bunqflask.services.notices import topics

# What happens together comes in one message.
COLLECT_FOR = timedelta(seconds=20)
# Between two messages by one channel; twice as long after each further one within an hour.
GAP = timedelta(seconds=60)
_MOST_DOUBLINGS = 5
MOST_ITEMS = 500


def queue_within(member_id: int, item: NoticeItem) -> None:
    """Let a notice go out by the channels that a member chose for it, within the caller's transaction."""
    if item.kind in topics.ONLY_IN_APP:
        return
    query = select(NoticeChannel).where(NoticeChannel.member_id == member_id, NoticeChannel.switched_off_at.is_(None))
    for channel in db.session.scalars(query.order_by(NoticeChannel.id)).all():
        if topics.OF_KIND[item.kind] in channel.topics:
            _queue(channel, item)


def add(channel_id: int, items: Sequence[NoticeItem], *, due_at: datetime, message_id: str = "") -> NoticeDelivery:
    """Add a delivery within the caller's transaction.

    :param message_id: of the delivery that it repeats.
    """
    delivery = NoticeDelivery(
        channel_id=channel_id,
        message_id=message_id or uuid.uuid4().hex,
        items=tuple(items),
        created_at=clock.now(),
        next_try_at=due_at,
    )
    db.session.add(delivery)
    db.session.flush()
    return delivery


def _queue(channel: NoticeChannel, item: NoticeItem) -> None:
    now = clock.now()
    if channel.kind is ChannelKind.WEBHOOK:
        add(channel.id, [item], due_at=now)
        return
    waiting = _open_delivery(channel)
    if waiting is None:
        add(channel.id, [item], due_at=max(now + COLLECT_FOR, _next_after_gap(channel)))
        return
    waiting.items = (*waiting.items, item)[-MOST_ITEMS:]
    if waiting.tries:
        # The last try may have arrived after all: with more in it, this is no repeat.
        waiting.message_id = uuid.uuid4().hex


def _open_delivery(channel: NoticeChannel) -> NoticeDelivery | None:
    """Return the delivery that can be added to, locked: one that waits, and that no worker is sending."""
    is_free = or_(NoticeDelivery.lease_until.is_(None), NoticeDelivery.lease_until < clock.now())
    is_open = (NoticeDelivery.channel_id == channel.id, NoticeDelivery.state == DeliveryState.WAITING, is_free)
    query = select(NoticeDelivery).where(*is_open).order_by(NoticeDelivery.id).limit(1).with_for_update()
    return db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def _next_after_gap(channel: NoticeChannel) -> datetime:
    since = clock.now() - timedelta(hours=1)
    sent = (NoticeDelivery.channel_id == channel.id, NoticeDelivery.tried_at > since, ~NoticeDelivery.is_test)
    count, last = db.session.execute(select(func.count(), func.max(NoticeDelivery.tried_at)).where(*sent)).one()
    return clock.now() if last is None else last + GAP * 2 ** min(count - 1, _MOST_DOUBLINGS)
