"""The pages of connections in every condition, as their holder and a reader meet them: usable by everybody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Login
from bunqflask.services.connections import reminders
from tests.browser import screenshots
from tests.browser.journeys import accept, button, connect, go_to_bunq, heading
from tests.support import conditions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import JODI, Bank
from tests.support.conditions import STOPS, Time


def look(page: Page, path: str, name: str) -> list[str]:
    """Go to a page, and return what is wrong with it."""
    page.goto(path)
    return screenshots.look_with_pictures(page, name)


def log_in_again(site: ThreadSite) -> None:
    """Let all logins be of this minute: so much time has passed."""
    with rows.behind(site.app):
        db.session.execute(db.update(Login).values(created_at=clock.now(), last_seen_at=clock.now()))
        db.session.commit()


@pytest.mark.sqlite_only
def test_every_condition_is_usable(robin: Page, site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = look(robin, "/connections", "connections none")
    connect(robin)
    time = Time(site.app, monkeypatch)
    time.work()
    findings += look(robin, "/connections", "connections working")
    findings += look(robin, "/connections/1", "connection working")
    findings += look(robin, "/connections/calendar", "calendar")
    button(robin, "Make an address").click()
    expect(robin.get_by_label("Address of the calendar")).to_be_visible()
    findings += screenshots.look(robin, "calendar made")

    with rows.behind(site.app):
        reminders.set_days(rows.owner(), 1, 9)
    time.work(timedelta(seconds=30))
    findings += look(robin, "/connections", "connections renew soon")
    findings += look(robin, "/connections/1", "connection renew soon")
    expect(robin.get_by_role("link", name="Connections needing attention: 1")).to_be_visible()

    bank.revoke(JODI)
    time.work(timedelta(minutes=61))
    log_in_again(site)
    findings += look(robin, "/connections", "connections stopped")
    findings += look(robin, "/connections/1", "connection refused")
    expect(heading(robin, "Jodi Walker Approve again")).to_be_visible()
    assert findings == [], "\n".join(findings)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("how", [*STOPS, "renewed", "disconnected"])
def test_what_stops_one_is_usable(
    robin: Page, site: ThreadSite, bank: Bank, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(robin)
    time = Time(site.app, monkeypatch)
    time.work()
    if how == "disconnected":
        robin.goto("/connections/1/disconnect")
        button(robin, "Disconnect").click()
        time.work(timedelta(seconds=20))
    elif how == "renewed":
        # Something of an account is still to be fetched, so the first update is not complete.
        account = rows.first_account(site.app)
        bank.fault(call=f"GET /v1/user/*/monetary-account/{account}/payment", fault="500", times=None)
        time.work(timedelta(minutes=61))
        conditions.stop(time, site.app, bank, "lost")
        log_in_again(site)
        robin.goto("/")
        robin.get_by_role("button", name="Reconnect").first.click()
        go_to_bunq(robin)
        accept(robin)
        expect(robin.get_by_role("heading", name="Jodi Walker Approved again")).to_be_visible()
    else:
        conditions.stop(time, site.app, bank, how)
    log_in_again(site)
    findings = look(robin, "/connections", f"connections {how}")
    findings += look(robin, "/connections/1", f"connection {how}")
    findings += look(robin, "/", f"home {how}")
    findings += look(robin, "/notices", f"notices {how}")
    assert findings == [], "\n".join(findings)


@pytest.mark.sqlite_only
def test_one_that_is_invited_and_one_that_waits_are_usable(robin: Page, site: ThreadSite) -> None:
    robin.goto("/connect")
    robin.get_by_label("Name or email").fill("Meral Demir")
    button(robin, "Make the link").click()
    findings = look(robin, "/connections", "connections invited")
    robin.goto("/connect")
    button(robin, "Connect your accounts").click()
    findings += look(robin, "/connections", "connections waiting")
    expect(robin.get_by_text("Waiting for somebody to approve in the bunq app.")).to_be_visible()
    findings += look(robin, "/", "home waiting")
    assert findings == [], "\n".join(findings)


@pytest.mark.sqlite_only
def test_the_places_of_a_phone_open_and_lead_on(robin: Page, site: ThreadSite) -> None:
    connect(robin)
    robin.set_viewport_size({"width": 375, "height": 800})
    robin.goto("/")
    button(robin, "More").click()
    menu = robin.locator("#places")
    expect(menu.get_by_role("link", name="Connections")).to_be_visible()
    findings = screenshots.look(robin, "places")
    robin.set_viewport_size({"width": 375, "height": 800})
    robin.reload()
    button(robin, "More").click()
    menu.get_by_role("link", name="Connections").click()
    expect(heading(robin, "Connections")).to_be_visible()
    assert findings == [], "\n".join(findings)
