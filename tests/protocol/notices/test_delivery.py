"""From an event to a mail, an ntfy message and a verified webhook: to those who may hear of it, once."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from standardwebhooks import Webhook

from bunqflask import worker
from bunqflask.extensions import db
from bunqflask.models import (
    ChannelKind,
    DeliveryState,
    EventKind,
    MemberNotice,
    NoticeKind,
)
from bunqflask.services.team import members
from tests.protocol.notices.conftest import (
    ROBIN,
    SAM,
    SINCE,
    Clock,
    add,
    connection_id,
    deliveries,
    happen,
    stop,
    work,
)
from tests.support import rows
from tests.support.receivers import MailServer, WebServer


def notices(email: str) -> list[NoticeKind]:
    query = db.select(MemberNotice.kind).filter_by(member_id=members.require(email).id).order_by(MemberNotice.id)
    return list(db.session.scalars(query))


def test_a_stop_reaches_app_mail_ntfy_and_webhook_of_the_holder_and_nobody_else(
    team: Flask, moved: Clock, mail_server: MailServer, receiver: WebServer
) -> None:
    for email in (ROBIN, SAM):
        add(email, ChannelKind.MAIL)
        add(email, ChannelKind.NTFY, f"{receiver.url}/topic-of-{email}")
    hook = add(ROBIN, ChannelKind.WEBHOOK, f"{receiver.url}/hook?key=1")
    add(SAM, ChannelKind.WEBHOOK, f"{receiver.url}/hook-of-sam")
    stop()
    work()
    assert [each.path for each in receiver.received] == ["/hook?key=1"], "people wait for what happens together"
    moved.pass_time(seconds=21)
    work()
    assert (notices(ROBIN), notices(SAM)) == ([NoticeKind.CONNECTION_STOPPED], [])
    [mail] = mail_server.mails
    assert (mail["To"], mail["From"], mail["Subject"]) == (
        ROBIN,
        "bunqflask@example.org",
        "bunqflask: A connection stopped",
    )
    assert mail_server.recipients == [[ROBIN]]
    text = mail.get_content().replace("\r\n", "\n")
    assert "Jodi Walker has stopped updating: bunq refused the permission." in text
    assert "Nothing new has arrived since 19 November 2026, 02:10." in text
    assert f"/connections/{connection_id()}\n" in text
    called, ntfy = receiver.received
    assert ntfy.path == f"/topic-of-{ROBIN}"
    assert ntfy.headers["title"] == "A connection stopped"
    assert ntfy.body.decode() in text
    told = Webhook(hook.secret or "").verify(called.body, called.headers)
    assert told["type"] == "connection.stopped"
    assert told["data"] == {"connection_id": connection_id(), "reason": "refused", "since": SINCE}
    assert set(told) == {"type", "timestamp", "data"}
    assert json.loads(called.body) == told
    for _ in range(3):
        moved.pass_time(hours=1)
        work()
    assert (len(mail_server.mails), len(receiver.received)) == (1, 2)
    assert {each.state for each in deliveries()} == {DeliveryState.DELIVERED}


@pytest.mark.sqlite_only
def test_the_secret_of_a_webhook_and_its_address_are_not_stored_as_text(team: Flask, receiver: WebServer) -> None:
    added = add(ROBIN, ChannelKind.WEBHOOK, f"{receiver.url}/very-secret-path")
    row = db.session.execute(db.text("select * from notice_channel")).mappings().one()
    stored = repr(dict(row))
    assert added.secret is not None
    assert added.secret.startswith("whsec_")
    assert added.secret not in stored
    assert "very-secret-path" not in stored


def test_what_happened_during_an_outage_of_the_mail_server_comes_as_one_mail(
    team: Flask, moved: Clock, mail_server: MailServer
) -> None:
    add(ROBIN, ChannelKind.MAIL)
    mail_server.answer = "451 try again later"
    for number in range(40):
        happen(EventKind.RENEWAL_DUE, connection_id=connection_id(), day="2027-01-02", days_left=40 - number)
        work()
        moved.pass_time(minutes=6)
    assert mail_server.mails == []
    assert len(deliveries(state=DeliveryState.WAITING)) == 1
    tries = deliveries()[0].tries
    assert 5 <= tries <= 10, "after 1, 5 and 30 minutes, then every hour"
    mail_server.answer = "250 OK"
    moved.pass_time(hours=1)
    work()
    [mail] = mail_server.mails
    assert mail["Subject"] == "bunqflask: 40 notices"
    assert mail.get_content().count("Your own reminder to renew") == 20
    assert "There are 20 more" in mail.get_content()
    work()
    assert len(mail_server.mails) == 1


def test_everything_is_handled_once_also_by_the_worker(team: Flask, mail_server: MailServer) -> None:
    add(ROBIN, ChannelKind.MAIL)
    stop()
    db.session.remove()
    about_notices = [each for each in worker.DUTIES if each.name in ("inform people", "send notices")]
    for _ in range(2):
        with rows.behind(team), rows.read_only():
            worker.run_duties_once(about_notices)
    assert notices(ROBIN) == [NoticeKind.CONNECTION_STOPPED]
    assert len(deliveries()) == 1
