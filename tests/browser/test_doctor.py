"""The doctor's page and the page of calls to bunq: each state can be used by everybody; a fault is found and fixed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
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
    ErrorKind,
    Verdict,
    Who,
)
from bunqflask.services.doctor import runs
from bunqflask.services.doctor.of_bunq import (
    CallbackFacts,
    ClockFacts,
    KeysFacts,
    ReturnAddressFacts,
    ServerAddressFacts,
    SessionFacts,
)
from bunqflask.services.doctor.of_server import BackupFacts, QueueFacts, StorageFacts, WorkerFacts
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


# How many of the ten checks can have each verdict.
COUNTS = [
    (Verdict.GOOD, "Good", 10),
    (Verdict.LOOK, "Look", 6),
    (Verdict.BROKEN, "Broken", 10),
    (Verdict.NOT_KNOWN, "Not known", 6),
]
GB = 1024**3
SOON, BEFORE = timedelta(minutes=90), timedelta(hours=40)


def found(verdict: Verdict) -> tuple[Check, ...]:
    """Return each check with this verdict, and with another one where it never has this one."""
    now, ends = clock.now(), clock.now() + SOON
    ours = ReturnAddressFacts(ours=OURS, known=[OURS])
    callbacks = CallbackFacts(public_url="https://geld.example.org", is_callable=True, ping="")
    made = BackupFacts(is_needed=True, made_at=now - SOON, size_bytes=84 * 1024**2)
    good = {
        CheckName.RETURN_ADDRESS: ours,
        CheckName.SERVER_ADDRESS: ServerAddressFacts(is_set_up=True, accepted_at=now - SOON),
        CheckName.CLOCK: ClockFacts(is_set_up=True, difference_s=0.2),
        CheckName.KEYS: KeysFacts(missing=[], made_at=now - BEFORE, secrets=5),
        CheckName.SESSION: SessionFacts(is_set_up=True, expires_at=ends),
        CheckName.CALLBACKS: callbacks,
        CheckName.WORKER: WorkerFacts(seen_at=now, is_needed=True),
        CheckName.QUEUE: QueueFacts(waiting=0, oldest=None, left=(3, 3)),
        CheckName.STORAGE: StorageFacts(free=38 * GB, size=64 * GB),
        CheckName.BACKUP: replace(made, tested_at=now - BEFORE),
    }
    others = {
        Verdict.LOOK: {
            CheckName.KEYS: KeysFacts(missing=["device"]),
            CheckName.SESSION: SessionFacts(is_set_up=True),
            CheckName.CALLBACKS: replace(callbacks, is_callable=False),
            CheckName.QUEUE: QueueFacts(waiting=0, oldest=None, left=(3, 3), is_shared=True),
            CheckName.STORAGE: StorageFacts(free=GB - 1, size=64 * GB),
            CheckName.BACKUP: made,
        },
        Verdict.BROKEN: {
            CheckName.RETURN_ADDRESS: replace(ours, known=[OURS + "/"]),
            CheckName.SERVER_ADDRESS: ServerAddressFacts(
                is_set_up=True,
                refused=ErrorKind.SERVER_REFUSED,
                calls_from="203.0.113.7",
                allowed=[["198.51.100.20"]],
            ),
            CheckName.CLOCK: ClockFacts(is_set_up=True, difference_s=60.0),
            CheckName.KEYS: KeysFacts(missing=[], unreadable=["consent.access_token"]),
            CheckName.SESSION: SessionFacts(
                is_set_up=True, refused=ErrorKind.SERVER_REFUSED, refused_since=now - SOON, expires_at=ends
            ),
            CheckName.CALLBACKS: replace(callbacks, ping="it answers 502"),
            CheckName.WORKER: WorkerFacts(seen_at=now - SOON, is_needed=True),
            CheckName.QUEUE: QueueFacts(waiting=2, oldest=("sync_requested", now - SOON), left=(3, 3)),
            CheckName.STORAGE: StorageFacts(is_at_head=False),
            CheckName.BACKUP: BackupFacts(is_needed=True, failed_at=now - SOON),
        },
        Verdict.NOT_KNOWN: {
            CheckName.RETURN_ADDRESS: replace(ours, known=None),
            CheckName.SERVER_ADDRESS: ServerAddressFacts(is_set_up=True),
            CheckName.CLOCK: ClockFacts(is_set_up=True),
            CheckName.KEYS: KeysFacts(missing=None),
            CheckName.SESSION: SessionFacts(is_set_up=False),
            CheckName.CALLBACKS: replace(callbacks, ping=None),
        },
    }
    facts = good | others.get(verdict, {})
    return tuple(judge(facts[name]) for name, judge in runs.CHECKS.items())


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


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("verdict", "word", "count"), COUNTS)
def test_each_verdict_of_each_check_can_be_used_by_everybody(
    robin: Page, site: ThreadSite, verdict: Verdict, word: str, count: int
) -> None:
    with site.app.app_context():
        checks = found(verdict)
    store(site, checks)
    assert sum(each.verdict is verdict for each in checks) == count
    robin.goto("/doctor")
    expect(robin.locator(".checks > li")).to_have_count(len(CheckName))
    expect(robin.locator(".checks > li > .pill").filter(has_text=word)).to_have_count(count)
    assert "UTC" not in robin.locator(".checks").inner_text(), "times are in the time zone of the site"
    assert screenshots.look_with_pictures(robin, f"doctor {verdict}") == []
    robin.set_viewport_size({"width": screenshots.NARROWEST, "height": screenshots.HEIGHT})
    wide = robin.locator(".checks li").evaluate_all("all => all.filter((each) => each.scrollWidth > each.clientWidth)")
    assert wide == [], "a long address is broken, not cut off"


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
