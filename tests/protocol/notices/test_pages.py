"""The pages: the bell, the list, and a webhook from its first secret to its last delivery."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import EventKind, Login, NoticeChannel, NoticeSettings
from bunqflask.services.notices import events, sending
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.browser import Browser
from tests.support.receivers import WebServer

LOOPBACK = pytest.mark.settings(NOTICE_NETWORKS="127.0.0.0/8")


@pytest.fixture
def robin(live_app: ThreadSite) -> Browser:
    return sign_in(live_app, "robin@example.com")


def fault(site: ThreadSite) -> None:
    """Let the doctor find a fault, and inform people."""
    with rows.behind(site.app), transaction():
        emit(EventKind.DOCTOR_FOUND_FAULT, checks=["backup"])
    with rows.behind(site.app):
        events.handle_all()


def send(site: ThreadSite) -> None:
    with rows.behind(site.app):
        for channel_id in sending.due_channels():
            sending.send_due(channel_id)


def be_owner(site: ThreadSite) -> None:
    with rows.behind(site.app):
        db.session.execute(db.text("update team_member set role = 'owner'"))
        db.session.commit()


@pytest.mark.sqlite_only
def test_the_bell_counts_and_the_list_is_read(live_app: ThreadSite, robin: Browser) -> None:
    be_owner(live_app)
    assert "unread" not in robin.get("/payments").text
    for _ in range(3):
        fault(live_app)
    page = robin.get("/payments")
    assert "Notices, 3 unread" in page.text
    assert "The doctor found a fault" not in page.text, "it is no banner"
    page = robin.get("/notices")
    assert page.text.count("The doctor found a fault: backup.") == 3
    fault(live_app)
    page = robin.submit(button="Mark all as read")
    assert "Notices, 1 unread" in page.text, "that came after the list was shown"
    assert page.text.count("The doctor found a fault: backup.") == 4


@LOOPBACK
def test_a_webhook_from_its_secret_to_its_removal(live_app: ThreadSite, robin: Browser, receiver: WebServer) -> None:
    be_owner(live_app)
    receiver.status, receiver.body = 200, b"<b>got it</b>"
    with rows.behind(live_app.app):
        db.session.execute(db.update(Login).values(confirmed_at=clock.now() - timedelta(minutes=11)))
        db.session.commit()
    robin.get("/notices/settings")
    url = f"{receiver.url}/hook?key=s3cret"
    page = robin.submit(action="/channels", kind="webhook", address=url, topic="server")
    assert "Confirm that it’s you" in page.text
    assert rows.count(live_app.app, NoticeChannel) == 0
    page = robin.submit(button="Confirm", confirm_password=PASSWORD)
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", page.html)
    assert page.headers["Cache-Control"] == "no-store"
    robin.get("/notices/settings/channels/1")
    page = robin.submit(action="/test")
    assert "The test was delivered. The answer: 200 <b>got it</b>" in page.text
    assert secret not in page.html
    assert "s3cret" not in page.html
    assert Webhook(secret).verify(receiver.received[0].body, receiver.received[0].headers)["type"] == "test"
    fault(live_app)
    send(live_app)
    page = robin.get("/notices/settings/channels/1")
    assert "server.fault" in page.text
    page = robin.submit(action="/again")
    assert "It is sent again, with the same id." in page.text
    send(live_app)
    names = [each.headers["webhook-id"] for each in receiver.received]
    assert (len(names), names[1] == names[2]) == (3, True)
    receiver.status = 500
    assert "The test was not delivered. 500" in robin.submit(action="/test").text
    page = robin.submit(action="/remove")
    assert "Removed. Nothing is sent there any more." in page.text
    assert rows.count(live_app.app, NoticeChannel) == 0


@pytest.mark.sqlite_only
def test_without_a_mail_server_the_choice_says_who_can_set_it_up(live_app: ThreadSite, robin: Browser) -> None:
    page = robin.get("/notices/settings")
    assert "Email needs a mail server. The person who runs this site can set one up with SMTP_HOST" in page.text
    assert 'value="mail"' not in page.html
    page = robin.submit(action="/channels", kind="mail")
    assert (page.status, "No mail server is set up." in page.text) == (422, True)
    page = robin.submit(action="/channels", kind="webhook", address="https://10.0.0.1/x")
    assert (page.status, "inside a private network" in page.text) == (422, True)
    assert 'value="https://10.0.0.1/x"' in page.html


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"quiet_from": "22:00", "quiet_until": ""}, "Quiet hours need a beginning and an end."),
        ({"quiet_from": "late", "quiet_until": "7"}, "Write times as 22:00."),
        ({"low_balance": "NaN"}, "Write the limit as a number"),
        ({"low_balance": "much"}, "Write the limit as a number"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(
    live_app: ThreadSite, robin: Browser, fields: dict[str, str], text: str
) -> None:
    robin.get("/notices/settings")
    page = robin.submit(action="/notices/settings", **fields)
    assert (page.status, text in page.text) == (422, True)
    assert rows.count(live_app.app, NoticeSettings) == 0


@pytest.mark.sqlite_only
def test_choices_are_kept(live_app: ThreadSite, robin: Browser) -> None:
    robin.get("/notices/settings")
    page = robin.submit(
        action="/notices/settings",
        topic="money_in",
        quiet_from="22:00",
        quiet_until="07:00",
        low_balance="250,50",
        with_amounts="1",
    )
    assert page.status == 200
    assert all(f'value="{each}"' in page.html for each in ("22:00", "07:00", "250.5"))
