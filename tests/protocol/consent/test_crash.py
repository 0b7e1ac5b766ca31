"""After the approval nothing is lost: not by bunq's moods, not by a power cut."""

import re
import threading
import time
from datetime import timedelta

import pytest
import requests
from flask import Flask

from bunqflask.models import BunqSession, Connection
from bunqflask.services.connections import refusal
from tests.support import rows
from tests.support.apps import GunicornSite, ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.consents import ask, connect

MOODS = [
    # fault, times, what the page says
    ("429", 3, "Approved. Fetching the accounts"),
    ("500", 1, "bunq isn’t responding"),
    ("491", 1, "bunq isn’t responding"),
    ("html-502", 1, "bunq isn’t responding"),
    ("reset", 1, "bunq isn’t responding"),
    ("invalid-json", 1, "We couldn’t understand bunq’s answer"),
    ("bad-signature", 1, "We couldn’t trust bunq’s answer"),
]


@pytest.mark.sqlite_only
def test_whatever_keeps_bunq_from_opening_a_session_the_approval_is_kept_and_finishes_by_itself(
    site: ThreadSite, bank: Bank
) -> None:
    robin = sign_in(site, "robin@example.com")
    for fault, times, title in MOODS:
        back = bank.approve(ask(robin))
        bank.forget_calls()
        bank.fault(call="POST session-server", fault=fault, times=times)
        page = robin.get(back)
        assert page.status == 200
        assert title in page.text, fault
        # The date stands before it where that is tomorrow.
        assert re.search(r"Next attempt at (\d\d? \w{3} \d{4} )?\d\d:\d\d:\d\d", page.text), fault
        assert "Your approval is saved, so you can close this page." in page.text
        attempt = rows.attempts(site.app)[-1]
        assert (attempt.step, attempt.access_token_sealed is not None) == ("connecting", True), fault
        before = len(bank.calls())
        assert title in robin.get(page.url).text
        assert len(bank.calls()) == before, "before its time bunq is not asked again"
        assert "Approved – we’re still fetching the accounts." in robin.get("/").text
        rows.due_now(site.app)
        assert re.search("(Connected|Reconnected): Jodi Walker", robin.get(page.url).text), fault
        assert len(bank.calls("POST", "token")) == 1
        assert rows.count(site.app, Connection) == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", ["html-503", "reset", "429"])
def test_the_same_when_it_is_the_accounts_that_bunq_does_not_give(site: ThreadSite, bank: Bank, fault: str) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="GET monetary-account", fault=fault, times=3)
    page = robin.get(back)
    assert rows.attempts(site.app)[0].step == "connecting"
    rows.due_now(site.app)
    assert "Connected: Jodi Walker" in robin.get(page.url).text
    assert len(bank.calls("POST", "session-server")) == 2, "our own at setup, and one for the permission"


def test_whoever_polls_at_the_same_time_only_one_of_them_asks_bunq(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="POST session-server", fault="html-503", times=1)
    page = robin.get(back)
    rows.due_now(site.app)
    bank.forget_calls()
    together, statuses = threading.Barrier(10), list[int]()

    cookies = {each.name: each.value or "" for each in robin.session.cookies}

    def poll() -> None:
        together.wait()
        statuses.append(requests.get(page.url + "/status", cookies=cookies, timeout=60).status_code)

    threads = [threading.Thread(target=poll) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {204, 200, 286}
    assert len(bank.calls("POST", "session-server")) == 1
    assert len(bank.calls("GET", "monetary-account")) == 1
    assert "Connected: Jodi Walker" in robin.get(page.url).text
    assert rows.count(site.app, Connection) == 1


@pytest.mark.sqlite_only
def test_after_a_day_it_is_given_up_and_the_permission_erased(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="POST session-server", fault="html-503", times=None)
    page = robin.get(back)
    rows.age_attempts(site.app, timedelta(hours=23, minutes=59))
    assert "We’ll keep trying until" in robin.get(page.url).text
    rows.age_attempts(site.app, timedelta(minutes=2))
    bank.no_faults()
    bank.forget_calls()
    given_up = robin.get(page.url)
    assert "We couldn’t fetch the accounts for a day, so we deleted the permission." in given_up.text
    assert re.search(r"BF-\d{8}-\d{6}-[0-9A-F]{4}", given_up.html)
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, Connection) == 0
    assert bank.calls("POST") == []
    assert "Continue to bunq" in robin.submit(button="Start again").text


@pytest.mark.sqlite_only
def test_what_is_cancelled_while_it_connects_is_erased(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="GET monetary-account", fault="html-503", times=9)
    robin.get(back)
    assert rows.permissions(site.app) == 2
    bank.forget_calls()
    assert "Cancelled" in robin.submit(button="Cancel").text
    assert rows.attempts(site.app)[0].access_token_sealed is None
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0
    assert [call["method"] for call in bank.calls()] == ["DELETE"]


@pytest.mark.sqlite_only
def test_a_fresh_permission_that_bunq_goes_on_refusing_is_erased_after_hours(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="POST session-server", fault="html-503", times=None)
    page = robin.get(back)
    bank.revoke(JODI)
    bank.no_faults()
    for kind in ("checking", "refused_once"):
        rows.due_now(site.app)
        rows.run_duties(site.app)
        assert rows.attempts(site.app)[0].error_kind == kind
    page = robin.get(page.url)
    assert "bunq refused the permission once – we’ll ask again" in page.text
    assert rows.attempts(site.app)[0].access_token_sealed is not None
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    for _ in range(4):
        rows.wait_for_bunqs_turn(site.app, bank, seconds=31)
        page = robin.get(page.url)
    assert "It may have been revoked in the bunq app." in page.text
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0
    assert rows.count(site.app, Connection) == 0


def wait_for(step: str, app: Flask) -> None:
    deadline = time.monotonic() + 20
    while [each.step for each in rows.attempts(app)] != [step]:
        assert time.monotonic() < deadline, [each.step for each in rows.attempts(app)]
        time.sleep(0.02)


def test_a_power_cut_after_the_approval_needs_no_new_one(gunicorn_app: GunicornSite, behind: Flask, bank: Bank) -> None:
    gunicorn_app.start()
    robin = sign_in(gunicorn_app, "robin@example.com")
    back = bank.approve(ask(robin))
    # bunq opens the session, but the answer never arrives: the server is cut off while it waits for it.
    bank.fault(call="POST session-server", fault="timeout", seconds=30)

    def press() -> None:
        with pytest.raises(requests.ConnectionError):
            robin.session.get(back, timeout=60)

    pressed = threading.Thread(target=press)
    pressed.start()
    wait_for("connecting", behind)
    while not rows.count(behind, BunqSession) > 1:
        time.sleep(0.02)
    gunicorn_app.kill()
    pressed.join()
    bank.no_faults()
    gunicorn_app.start(workers=1)
    page = f"/connect/{rows.attempts(behind)[0].id}"
    assert "Approved. Fetching the accounts" in robin.get(page).text, "the lease of the dead worker still runs"
    rows.end_leases(behind)
    assert "Connected: Jodi Walker" in robin.get(page).text, "the login has outlived the power cut too"
    assert len(bank.calls("POST", "token")) == 1


def test_a_power_cut_while_the_approval_is_used_is_told_after_a_minute(
    gunicorn_app: GunicornSite, behind: Flask, bank: Bank
) -> None:
    gunicorn_app.start(workers=1)
    robin = sign_in(gunicorn_app, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="POST token", fault="timeout", seconds=30, when="after")

    def press() -> None:
        with pytest.raises(requests.ConnectionError):
            robin.session.get(back, timeout=60)

    pressed = threading.Thread(target=press)
    pressed.start()
    wait_for("exchanging", behind)
    gunicorn_app.kill()
    pressed.join()
    gunicorn_app.start(workers=1)
    page = f"/connect/{rows.attempts(behind)[0].id}"
    assert "Approved. Fetching the accounts" in robin.get(page).text
    rows.age_attempts(behind, timedelta(seconds=61))
    told = robin.get(page)
    assert "This server was interrupted just when it used the approval." in told.text
    assert "Please approve again." in told.text
    assert robin.get(back).status == 400, "the approval is not used a second time"
    robin.get(page)
    assert "Continue to bunq" in robin.submit(button="Start again").text
    assert rows.permissions(behind) == 0
    bank.no_faults()
    assert "Connected: Jodi Walker" in connect(robin, bank).text
