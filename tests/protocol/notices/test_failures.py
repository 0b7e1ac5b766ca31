"""Servers that fail, workers that die, two workers at once: each delivery arrives, and a repeat can be recognised."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import ChannelKind, DeliveryState, MemberNotice, NoticeKind
from bunqflask.services.notices import channels, events, sending
from bunqflask.services.team import members
from tests.protocol.notices.conftest import ROBIN, Clock, add, channel, deliveries, stop, work
from tests.support.receivers import MailServer, WebServer

HOOK = ChannelKind.WEBHOOK


def ids(receiver: WebServer) -> list[str]:
    return [each.headers["webhook-id"] for each in receiver.received]


def test_a_webhook_whose_server_is_down_is_tried_for_three_days_and_then_switched_off(
    team: Flask, moved: Clock, receiver: WebServer, mail_server: MailServer
) -> None:
    added = add(ROBIN, HOOK, receiver.url)
    receiver.status = 503
    stop()
    work()
    began, tried_at = clock.now(), [timedelta(0)]
    while channel(added.id).switched_off_at is None:
        assert moved.ahead < timedelta(days=4)
        count = len(receiver.received)
        moved.pass_time(minutes=1)
        if deliveries()[0].next_try_at > clock.now() + timedelta(minutes=5):
            moved.pass_time(minutes=5)
        work()
        if len(receiver.received) > count:
            tried_at.append(clock.now() - began)
    minutes = [each // timedelta(minutes=1) for each in tried_at]
    gaps = [after - before for before, after in pairwise(minutes)]
    assert gaps[:3] == pytest.approx([1, 5, 30], abs=6)
    assert all(60 <= each <= 67 for each in gaps[3:])
    assert timedelta(days=3) <= tried_at[-1] < timedelta(days=3, hours=2)
    assert len(set(ids(receiver))) == 1, "the receiver can tell that it is always the same"
    [delivery] = deliveries()
    assert (delivery.state, delivery.status) == (DeliveryState.FAILED, 503)
    told = db.session.scalars(db.select(MemberNotice.kind).order_by(MemberNotice.id)).all()
    assert told[-1] is NoticeKind.CHANNEL_SWITCHED_OFF
    count = len(receiver.received)
    stop()
    work()
    assert len(receiver.received) == count, "it is off"
    channels.change(members.require(ROBIN), added.id, channel(added.id).topics)
    receiver.status = 200
    stop()
    work()
    assert len(receiver.received) == count + 1


@pytest.mark.sqlite_only
def test_a_webhook_that_is_gone_is_switched_off_at_once(team: Flask, receiver: WebServer) -> None:
    added = add(ROBIN, HOOK, receiver.url)
    receiver.status = 410
    stop()
    work()
    assert channel(added.id).switched_off_at is not None
    assert deliveries()[0].state is DeliveryState.FAILED


@pytest.mark.sqlite_only
def test_one_message_that_is_refused_holds_up_no_other_and_switches_nothing_off(
    team: Flask, moved: Clock, receiver: WebServer
) -> None:
    added = add(ROBIN, HOOK, receiver.url)
    receiver.status = 400
    stop()
    work()
    receiver.status = 200
    moved.pass_time(seconds=5)
    stop()
    work()
    assert len(receiver.received) == 2
    receiver.status = 400
    moved.pass_time(days=3, hours=1)
    work()
    assert [each.state for each in deliveries()] == [DeliveryState.FAILED, DeliveryState.DELIVERED]
    assert channel(added.id).switched_off_at is None


def test_a_worker_that_dies_after_sending_leaves_a_repeat_with_the_same_ids(
    team: Flask, moved: Clock, receiver: WebServer, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ROBIN, HOOK, receiver.url)
    add(ROBIN, ChannelKind.MAIL)
    stop()
    events.handle_all()
    moved.pass_time(seconds=21)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_record", die)
        for channel_id in sending.due_channels():
            with pytest.raises(KeyboardInterrupt):
                sending.send_due(channel_id)
    work()
    assert (len(receiver.received), len(mail_server.mails)) == (1, 1), "the lease of the dead worker still counts"
    moved.pass_time(seconds=46)
    work()
    assert len(receiver.received) == len(mail_server.mails) == 2
    assert len(set(ids(receiver))) == 1
    assert len({each["Message-ID"] for each in mail_server.mails}) == 1
    moved.pass_time(hours=2)
    work()
    assert len(receiver.received) == len(mail_server.mails) == 2


@pytest.mark.sqlite_only
def test_a_worker_that_dies_before_sending_loses_nothing(
    team: Flask, moved: Clock, receiver: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(ROBIN, HOOK, receiver.url)
    stop()
    events.handle_all()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_try", die)
        with pytest.raises(KeyboardInterrupt):
            sending.send(deliveries()[0].id)
    assert receiver.received == []
    moved.pass_time(seconds=46)
    work()
    assert len(receiver.received) == 1


def test_two_workers_at_the_same_time_inform_and_send_once(team: Flask, receiver: WebServer) -> None:
    add(ROBIN, HOOK, receiver.url)
    receiver.before_answer = lambda: time.sleep(0.3)
    for _ in range(5):
        stop()
    db.session.remove()
    start, failed = threading.Barrier(2), list[BaseException]()

    def one_worker() -> None:
        try:
            with team.app_context():
                start.wait()
                work()
                work()
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    workers = [threading.Thread(target=one_worker) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert failed == []
    assert db.session.scalar(db.select(db.func.count()).select_from(MemberNotice)) == 5
    assert len(deliveries(state=DeliveryState.DELIVERED)) == 5
    assert len(ids(receiver)) == len(set(ids(receiver))) == 5


@pytest.mark.sqlite_only
def test_a_delivery_can_be_sent_again_with_the_same_id_and_the_log_goes_after_30_days(
    team: Flask, moved: Clock, receiver: WebServer
) -> None:
    add(ROBIN, HOOK, receiver.url)
    receiver.status, receiver.body = 200, b"thanks " + b"x" * 5000
    stop()
    work()
    [first] = deliveries()
    assert first.answer == "thanks " + "x" * (1024 - 7)
    assert first.sent is not None
    assert receiver.received[0].body.decode() in first.sent
    channels.send_again(members.require(ROBIN), first.id)
    work()
    assert len(ids(receiver)) == 2
    assert len(set(ids(receiver))) == 1
    assert receiver.received[0].body == receiver.received[1].body
    moved.pass_time(days=29)
    sending.delete_old()
    assert len(deliveries()) == 2
    moved.pass_time(days=1, hours=1)
    sending.delete_old()
    assert deliveries() == []


@pytest.mark.sqlite_only
def test_an_answer_that_drips_in_or_never_comes_ends(
    team: Flask, receiver: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunqflask.services.notices.targets.READ_TIMEOUT_S", 0.5)
    receiver.before_answer = lambda: time.sleep(2)
    add(ROBIN, HOOK, receiver.url)
    stop()
    work()
    [delivery] = deliveries()
    assert (delivery.state, delivery.status) == (DeliveryState.WAITING, None)
    assert delivery.answer == "It did not answer in time, or broke off."
