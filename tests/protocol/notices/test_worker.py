"""Real worker processes: they inform people within seconds, and one that is killed loses and repeats nothing unseen."""

from __future__ import annotations

import signal
import threading
from datetime import timedelta

import pytest

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import ChannelKind, DeliveryState, Event, EventKind, MemberNotice, NoticeDelivery, NoticeTopic
from bunqflask.services.notices import channels
from bunqflask.services.team import members
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.receivers import WebServer
from tests.support.worker import soon, worker

OLGA = "olga@example.com"


def delivered() -> bool:
    states = db.session.scalars(db.select(NoticeDelivery.state)).all()
    return bool(states) and set(states) == {DeliveryState.DELIVERED}


@pytest.mark.settings(NOTICE_NETWORKS="127.0.0.0/8")
def test_a_worker_that_is_killed_while_the_receiver_thinks(live_app: ThreadSite, receiver: WebServer) -> None:
    add_member(live_app.app, OLGA)
    with rows.behind(live_app.app):
        db.session.execute(db.text("update team_member set role = 'owner'"))
        db.session.commit()
        channels.add(members.require(OLGA), ChannelKind.WEBHOOK, receiver.url, [NoticeTopic.SERVER])
        with transaction():
            emit(EventKind.BACKUP_FAILED, reason="old")
    may_answer = threading.Event()
    receiver.before_answer = lambda: may_answer.wait(60)
    with worker(live_app) as first:
        receiver.wait_for(1, within_s=40)
        first.send_signal(signal.SIGKILL)
        first.wait()
    may_answer.set()
    assert rows.count(live_app.app, NoticeDelivery, state=DeliveryState.WAITING) == 1
    with rows.behind(live_app.app):
        db.session.execute(db.update(NoticeDelivery).values(lease_until=clock.now() - timedelta(seconds=1)))
        db.session.commit()
    with worker(live_app):
        soon(live_app.app, delivered)
    names = [each.headers["webhook-id"] for each in receiver.received]
    assert (len(names), len(set(names))) == (2, 1), "once more, and recognisable"
    assert rows.count(live_app.app, MemberNotice) == 1
    assert rows.count(live_app.app, Event, handled_at=None) == 0
