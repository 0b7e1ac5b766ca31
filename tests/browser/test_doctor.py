"""The doctor's page and the page of calls to bunq: each state can be used by everybody; a fault is found and fixed."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Page, expect

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    BackupOutcome,
    BackupRecord,
    BunqCall,
    Check,
    CheckName,
    Comparison,
    DoctorState,
    Verdict,
    Who,
)
from tests.browser import screenshots
from tests.browser.journeys import button, connect
from tests.support.apps import ThreadSite
from tests.support.bank import Bank

OURS = "https://geld.example.org/oauth/callback"
OF_ALL_KINDS = (
    Check(
        CheckName.RETURN_ADDRESS,
        Verdict.BROKEN,
        f"Ours is {OURS}; bunq’s is {OURS}/; they differ from letter 40 on",
        Who.ADMIN,
        ("Correct PUBLIC_URL in .env.", "Run `flask --app wsgi setup`."),
        Comparison(OURS, OURS + "/", len(OURS)),
    ),
    Check(CheckName.SERVER_ADDRESS, Verdict.NOT_KNOWN, "bunq has not opened a session for this server yet."),
    Check(CheckName.BACKUP, Verdict.LOOK, "None was made here.", Who.ADMIN, ("Run `flask --app wsgi backup FILE`.",)),
    Check(CheckName.CLOCK, Verdict.GOOD, "0.2 s off bunq’s clock"),
)


def store(site: ThreadSite, checks: tuple[Check, ...]) -> None:
    with site.app.app_context():
        with transaction():
            db.session.merge(DoctorState(id=1, checked_at=clock.now(), checks=checks, faults=()))
        db.session.remove()


def test_each_state_of_the_page_can_be_used_by_everybody(robin: Page, site: ThreadSite) -> None:
    robin.goto("/settings")
    robin.get_by_role("link", name="Doctor").click()
    expect(robin.get_by_role("heading", level=1)).to_have_text("Doctor")
    findings = screenshots.look(robin, "never checked")
    store(site, OF_ALL_KINDS)
    robin.goto("/doctor")
    expect(robin.locator("mark").last).to_have_text("/")
    findings += screenshots.look(robin, "of all kinds")
    robin.get_by_text("Report for support", exact=True).click()
    findings += screenshots.look(robin, "with the report")
    assert findings == []


def test_a_fault_is_found_shown_and_gone_once_it_is_fixed(robin: Page, site: ThreadSite, bank: Bank) -> None:
    bank.advance(60)
    robin.goto("/doctor")
    button(robin, "Check now").click()
    broken = robin.get_by_role("listitem").filter(has_text="behind bunq’s").first
    expect(broken).to_contain_text("Broken")
    expect(broken).to_contain_text("timedatectl")
    bank.reset()
    button(robin, "Check again").click()
    expect(robin.get_by_text("bunq no longer knows this installation.", exact=True)).to_be_visible()


def test_the_page_of_calls_can_be_used_by_everybody(robin: Page, site: ThreadSite) -> None:
    robin.goto("/doctor/calls?answered=limited")
    findings = screenshots.look(robin, "no call")
    connect(robin)
    with site.app.app_context():
        with transaction():
            at = clock.now() - timedelta(hours=3)
            for status in (None, 429, 503, *([200] * 60)):
                db.session.add(BunqCall(at=at, endpoint="GET user/#", duration_ms=9, status=status, calls_left=1))
            db.session.add(BackupRecord(at=at, outcome=BackupOutcome.MADE, size_bytes=1))
        db.session.remove()
    robin.goto("/doctor")
    robin.get_by_role("link", name="Every call to bunq").click()
    findings += screenshots.look(robin, "calls")
    robin.get_by_role("link", name="Older calls").click()
    expect(robin.get_by_role("link", name="Back to latest")).to_be_visible()
    findings += screenshots.look(robin, "older calls")
    robin.get_by_label("Answer").select_option("Too many calls")
    button(robin, "Show").click()
    expect(robin.locator(".lines > li")).to_have_count(1)
    assert findings == []
