"""Sending deliveries: each claimed by a lease first, tried again for three days, then given up.

A worker that dies between claim and record leaves a delivery that is sent again once the lease is over, with the same
`webhook-id` or `Message-ID`: that is as close to "exactly once" as these channels come.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import release, transaction
from bunqflask.extensions import db
from bunqflask.models import ChannelKind, DeliveryState, NoticeChannel, NoticeDelivery, NoticeItem, NoticeKind
from bunqflask.services.notices import (
    apprise_services,
    choices,
    inbox,
    mailing,
    messages,
    outgoing,
    recipients,
    targets,
)
from bunqflask.services.notices.recipients import Recipient
from bunqflask.services.notices.targets import NoAnswer, TargetRefused

KEPT_FOR = timedelta(days=30)
# After each failed try the next one; then every hour.
RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
_LATER = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)
_GONE = 410
_MOST_AT_ONCE = 50


@dataclass(frozen=True)
class Job:
    """A delivery that this worker has claimed, and all that sending it takes."""

    lease: Lease
    channel_id: int
    kind: ChannelKind
    address: str | None
    secret: str | None
    message_id: str
    items: Sequence[NoticeItem]
    person: Recipient


@dataclass(frozen=True)
class Outcome:
    """What became of a try; `status` is None where nobody answered."""

    is_delivered: bool
    sent: str
    status: int | None
    answer: str
    duration_ms: int


def due_channels() -> list[int]:
    """Return our ids of the channels for which a delivery is due."""
    due = (NoticeDelivery.state == DeliveryState.WAITING, NoticeDelivery.next_try_at <= clock.now())
    return list(db.session.scalars(select(NoticeDelivery.channel_id).where(*due).distinct().limit(1000)))


def send_due(channel_id: int) -> None:
    """Send what is due for one channel, the oldest first."""
    due = (NoticeDelivery.channel_id == channel_id, NoticeDelivery.state == DeliveryState.WAITING)
    query = select(NoticeDelivery.id).where(*due, NoticeDelivery.next_try_at <= clock.now())
    ids = db.session.scalars(query.order_by(NoticeDelivery.id).limit(_MOST_AT_ONCE)).all()
    for delivery_id in ids:
        send(delivery_id)


def send(delivery_id: int) -> None:
    """Send one delivery, unless another worker does, its time has not come, or its member may not hear of it."""
    with transaction():
        job = _claim(delivery_id)
    if job is None:
        return
    release()
    outcome = _try(job)
    with transaction():
        try:
            job.lease.verify()
        except LeaseLost:
            return
        _record(job, outcome)


def delete_old() -> None:
    """Delete deliveries of the log that are too old."""
    with transaction():
        over = (NoticeDelivery.state != DeliveryState.WAITING, NoticeDelivery.created_at < clock.now() - KEPT_FOR)
        db.session.execute(delete(NoticeDelivery).where(*over))


def _claim(delivery_id: int) -> Job | None:
    """Take the lease of a delivery that is due, and read it again under that lease."""
    is_due = (NoticeDelivery.state == DeliveryState.WAITING, NoticeDelivery.next_try_at <= clock.now())
    lease = leases.take_within(NoticeDelivery, delivery_id, *is_due)
    if lease is None:
        return None
    delivery = db.session.get_one(NoticeDelivery, delivery_id, populate_existing=True)
    channel = db.session.get_one(NoticeChannel, delivery.channel_id, populate_existing=True)
    people = recipients.with_access(channel.member_id)
    audible = [each for each in delivery.items for person in people if _may_hear(person, each)]
    if channel.switched_off_at is not None and not delivery.is_test:
        audible = []
    quiet_until = choices.is_quiet_until(channel.member_id)
    if not audible:
        delivery.state = DeliveryState.WITHDRAWN
    elif quiet_until is not None and channel.kind is not ChannelKind.WEBHOOK and not delivery.is_test:
        delivery.next_try_at = quiet_until
    else:
        delivery.items = tuple(audible)
        delivery.tries, delivery.tried_at = delivery.tries + 1, clock.now()
        return _job(lease, delivery, channel, people[0])
    lease.release()
    return None


def _may_hear(person: Recipient, item: NoticeItem) -> bool:
    return recipients.may_hear(person, item.kind, item.facts)


def _job(lease: Lease, delivery: NoticeDelivery, channel: NoticeChannel, person: Recipient) -> Job | None:
    try:
        address, secret = channel.address, channel.secret
    except SecretUnreadable as error:
        current_app.logger.error("notices by channel %s: %s", channel.id, error)
        delivery.next_try_at = clock.now() + _LATER
        lease.release()
        return None
    return Job(lease, channel.id, channel.kind, address, secret, delivery.message_id, delivery.items, person)


def _try(job: Job) -> Outcome:
    began, sent = time.monotonic(), ""
    try:
        if job.kind is ChannelKind.WEBHOOK:
            body = messages.webhook_body(job.items[0])
            headers = messages.webhook_headers(job.secret or "", job.message_id, body, clock.now())
            sent = "\n".join([*(f"{name}: {value}" for name, value in headers.items()), "", body])
            release()
            answer = targets.post(job.address or "", body.encode(), headers)
        else:
            with_amounts = choices.of(job.person.id).with_amounts
            message = messages.text_for(job.person, job.items, with_amounts=with_amounts)
            sent = f"{message.subject}\n\n{message.text}"
            release()
            if job.kind is ChannelKind.MAIL:
                answer = mailing.send(messages.mail(job.person, message, job.message_id))
            elif job.kind is ChannelKind.APPRISE:
                answer = apprise_services.send(job.address or "", message)
            else:
                answer = targets.post(job.address or "", message.text.encode(), messages.ntfy_headers(message))
        status, text = answer.status, answer.text
    except (NoAnswer, TargetRefused) as error:
        status, text = None, str(error)
    is_delivered = status is not None and 200 <= status < 300
    return Outcome(is_delivered, sent, status, text.replace("\0", "\N{REPLACEMENT CHARACTER}"), _ms_since(began))


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _record(job: Job, outcome: Outcome) -> None:
    """Record how a try went, in the transaction that has proved the lease."""
    delivery = db.session.get_one(NoticeDelivery, job.lease.row_id)
    channel = db.session.get_one(NoticeChannel, job.channel_id, populate_existing=True)
    delivery.sent, delivery.status, delivery.answer = outcome.sent, outcome.status, outcome.answer
    delivery.duration_ms = outcome.duration_ms
    if outcome.is_delivered:
        delivery.state = DeliveryState.DELIVERED
        channel.delivered_at = clock.now()
    else:
        current_app.logger.warning(
            "delivery %s by %s %s failed: %s", delivery.id, channel.kind, channel.id, outcome.status or "no answer"
        )
        _plan_next(delivery, channel, is_gone=job.kind is ChannelKind.WEBHOOK and outcome.status == _GONE)
    job.lease.release()


def _plan_next(delivery: NoticeDelivery, channel: NoticeChannel, *, is_gone: bool) -> None:
    """Plan the next try; after three days give up, and switch off a channel that took nothing in that time."""
    is_over = delivery.created_at < clock.now() - GIVEN_UP_AFTER
    if delivery.is_test or is_over or is_gone:
        delivery.state = DeliveryState.FAILED
    else:
        wait = RETRIES[delivery.tries - 1] if delivery.tries <= len(RETRIES) else _LATER
        delivery.next_try_at = clock.now() + wait
    took_nothing = channel.delivered_at is None or channel.delivered_at < delivery.created_at
    if not delivery.is_test and (is_gone or (is_over and took_nothing)) and channel.switched_off_at is None:
        channel.switched_off_at = clock.now()
        kind = NoticeKind.CHANNEL_SWITCHED_OFF
        inbox.add_within(channel.member_id, kind, channel_id=channel.id, channel=channel.kind.value)


def test(channel_id: int) -> NoticeDelivery:
    """Send a test now, and return its delivery with the answer."""
    with transaction():
        item = NoticeItem(NoticeKind.TEST, {}, clock.now())
        delivery = outgoing.add(channel_id, [item], due_at=clock.now())
        delivery.is_test = True
        delivery_id = delivery.id
    send(delivery_id)
    return db.session.get_one(NoticeDelivery, delivery_id, populate_existing=True)
