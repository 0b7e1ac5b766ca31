"""Turning events of the outbox into notices: to each member who may hear of it, where they chose to.

An event is handled in the transaction that writes its notices and deliveries, so a crash loses and repeats none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Event, EventKind, MemberNotice, NoticeChannel, NoticeItem, NoticeKind, NoticeTopic
from bunqflask.services.notices import choices, low_balance, outgoing, recipients, topics
from bunqflask.services.notices.recipients import Recipient

# Each becomes the notice of the same name.
KINDS = frozenset(
    {
        EventKind.CONNECTION_STOPPED,
        EventKind.CONNECTION_RECOVERED,
        EventKind.RENEWAL_DUE,
        EventKind.INVITATION_OPENED,
        EventKind.INVITATION_APPROVED,
        EventKind.PAYMENTS_CHANGED,
        EventKind.PAYMENTS_ARRIVED,
        EventKind.DOCTOR_FOUND_FAULT,
        EventKind.DOCTOR_ALL_GOOD,
        EventKind.BACKUP_FAILED,
        EventKind.DRAFT_PREPARED,
        EventKind.DRAFT_DECIDED,
    }
)
_MOST_AT_ONCE = 50


def handle_all() -> None:
    """Handle all events that people are informed about."""
    while _handle_some():
        pass


def _handle_some() -> bool:
    """Handle the oldest ones in one transaction; tell whether there may be more."""
    with transaction():
        unhandled = select(Event).where(Event.handled_at.is_(None), Event.kind.in_(KINDS))
        query = unhandled.order_by(Event.id).limit(_MOST_AT_ONCE).with_for_update()
        events = db.session.scalars(query.execution_options(populate_existing=True)).all()
        if events:
            people = [_Person(each) for each in recipients.with_access()]
            for event in events:
                _handle(event, people)
                event.handled_at = clock.now()
    return len(events) == _MOST_AT_ONCE


class _Person:
    """A member, and which topics they chose for the app, and for at least one channel."""

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient
        self.in_app = choices.of(recipient.id).topics
        query = select(NoticeChannel.topics).where(NoticeChannel.member_id == recipient.id)
        chosen = db.session.scalars(query.where(NoticeChannel.switched_off_at.is_(None))).all()
        self.outside = frozenset[NoticeTopic]().union(*chosen)

    def wants(self, topic: NoticeTopic) -> bool:
        return topic in self.in_app or topic in self.outside


def _handle(event: Event, people: Sequence[_Person]) -> None:
    kind = NoticeKind(event.kind.value)
    for person in people:
        if person.wants(topics.OF_KIND[kind]) and recipients.may_hear(person.recipient, kind, event.facts):
            _inform(person, kind, event.facts, event)
        if kind in (NoticeKind.PAYMENTS_ARRIVED, NoticeKind.PAYMENTS_CHANGED) and person.wants(NoticeTopic.LOW_BALANCE):
            for account_id in low_balance.newly_below(person.recipient):
                _inform(person, NoticeKind.BALANCE_LOW, {"account_id": account_id}, event)


def _inform(person: _Person, kind: NoticeKind, facts: dict[str, Any], event: Event) -> None:
    member_id, topic = person.recipient.id, topics.OF_KIND[kind]
    if topic in person.in_app:
        db.session.add(MemberNotice(member_id=member_id, kind=kind, facts=facts, created_at=event.created_at))
    if topic in person.outside:
        outgoing.queue_within(member_id, NoticeItem(kind, facts, event.created_at))
