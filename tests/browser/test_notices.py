"""Notices as people use them: the bell, the list, and what they choose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import EventKind, NoticeChannel
from bunqflask.services.notices import apprise_services, events
from tests.browser import screenshots
from tests.browser.journeys import button, connect, heading
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles
from tests.support.receivers import WebServer

SETTINGS = "/notices/settings"


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with WebServer(status=200, body=b"thank you").running() as server:
        yield server


@pytest.mark.settings(NOTICE_NETWORKS="127.0.0.0/8")
def test_notices_are_read_chosen_and_tried(robin: Page, site: ThreadSite, receiver: WebServer) -> None:
    findings: list[str] = []
    robin.goto("/notices")
    findings += screenshots.look(robin, "notices, none")
    connect(robin)
    with rows.behind(site.app), transaction():
        since = "2026-11-19T01:10:03+00:00"
        emit(EventKind.CONNECTION_STOPPED, connection_id=1, reason="refused", since=since)
        emit(EventKind.RENEWAL_DUE, connection_id=1, day="2027-02-01", days_left=7)
        emit(EventKind.CONNECTION_RECOVERED, connection_id=1, stopped_since=since)
    with rows.behind(site.app):
        events.handle_all()
    robin.goto("/payments")
    robin.get_by_role("link", name="Notices, 3 unread").click()
    expect(robin.get_by_text("A connection stopped", exact=True)).to_be_visible()
    findings += screenshots.look(robin, "notices")
    button(robin, "Mark all as read").click()
    expect(robin.get_by_text("Unread", exact=True)).to_have_count(0)
    robin.get_by_role("link", name="Choose what and where").click()
    findings += screenshots.look(robin, "notices, choices")
    robin.get_by_label("A webhook, to a program").check()
    robin.get_by_label("Address, for all but email").fill(f"{receiver.url}/hook")
    button(robin, "Add").click()
    expect(robin.get_by_text("The secret is shown only now.")).to_be_visible()
    findings += screenshots.look(robin, "notices, secret")
    robin.get_by_role("link", name="Go on").click()
    button(robin, "Send a test").click()
    expect(robin.get_by_text("The test was delivered. The answer: 200 thank you")).to_be_visible()
    receiver.status = 503
    button(robin, "Send a test").click()
    expect(robin.get_by_text("The test was not delivered. 503 thank you")).to_be_visible()
    robin.get_by_text("What was sent, and the answer").first.click()
    findings += screenshots.look(robin, "notices, webhook")
    with rows.behind(site.app):
        db.session.execute(db.update(NoticeChannel).values(switched_off_at=clock.now()))
        db.session.commit()
    robin.reload()
    findings += screenshots.look(robin, "notices, webhook off")
    robin.goto(SETTINGS)
    findings += screenshots.look(robin, "notices, choices with a webhook")
    assert findings == []


@pytest.mark.skipif(not apprise_services.is_installed(), reason="needs the package apprise")
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_service_by_apprise_is_added_and_an_address_of_another_is_refused(robin: Page, profiles: Profiles) -> None:
    profiles.expected_statuses = {422}
    robin.goto(SETTINGS)
    robin.get_by_label("Another service, by Apprise").check()
    robin.get_by_label("Address, for all but email").fill("json://127.0.0.1/x")
    button(robin, "Add").click()
    expect(robin.get_by_role("alert")).to_contain_text("Discord, Google Chat, Prowl, Pushbullet")
    findings = screenshots.look_with_pictures(robin, "notices, apprise refused")
    robin.get_by_label("Another service, by Apprise").check()
    robin.get_by_label("Address, for all but email").fill("tgram://123456789:abcdefghijklmnopqrstuvwxyz/12315544")
    button(robin, "Add").click()
    expect(heading(robin, "Telegram, by Apprise")).to_be_visible()
    assert "123456789" not in robin.content()
    findings += screenshots.look_with_pictures(robin, "notices, apprise")
    assert findings == []
