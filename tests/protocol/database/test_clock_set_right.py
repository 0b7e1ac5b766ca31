"""A clock that was hours ahead is set right: nothing waits for hours, and no limit is overrun."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.limits import limit_for
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import AccountSync, BunqSession, RateLimitWindow
from bunqflask.services.connections import access
from bunqflask.services.gateway import rate_limiter
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync, schedule
from bunqflask.services.team import throttle
from tests.protocol.consent.test_other_device import approve_on_phone, link_of
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.consents import ask, connect
from tests.support.logins import log_in
from tests.support.worker import beat

AHEAD = timedelta(hours=5)
MAIN = 2083712
SetClock = Callable[[timedelta], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Let the clock show so much more than the true time, from here on."""
    true_time = clock.now

    def set_to(ahead: timedelta) -> None:
        monkeypatch.setattr(clock, "now", lambda: true_time() + ahead)

    return set_to


def read(site: ThreadSite) -> bool:
    """Do what the worker does each minute."""
    with site.app.app_context():
        found = access.list_active()
        is_due = any(schedule.is_due(each) for each in found)
        for each in found:
            if schedule.is_due(each):
                connection_sync.run_due(each.id, patience_s=5)
        db.session.remove()
    return is_due


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
@pytest.mark.parametrize("endpoint", ["POST session-server", "GET user/#/monetary-account"])
def test_calls_made_meanwhile_count_as_of_now(app: Flask, set_clock: SetClock, endpoint: str) -> None:
    with app.app_context():
        set_clock(AHEAD)
        for _ in range(limit_for(endpoint).calls):
            RateLimiter(0).enter(endpoint)
        for seconds in (0.0, 1.0):
            set_clock(timedelta(seconds=seconds))
            assert 0 < rate_limiter.next_call_in_s(endpoint) < 31
            with pytest.raises(errors.CallNotAllowedYet) as early:
                RateLimiter(0, is_background=seconds == 0).enter(endpoint)
            assert 0 < early.value.wait_s < 31
        set_clock(timedelta(seconds=32))
        RateLimiter(0).enter(endpoint)
        db.session.remove()


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_what_was_closed_or_kept_for_a_person_is_not_for_hours(app: Flask, set_clock: SetClock) -> None:
    endpoint = "POST session-server"
    with app.app_context():
        set_clock(AHEAD)
        RateLimiter(0).close(endpoint, 60)
        with pytest.raises(errors.CallNotAllowedYet):
            RateLimiter(0).enter(endpoint)
        set_clock(timedelta(0))
        with pytest.raises(errors.CallNotAllowedYet) as early:
            RateLimiter(0, is_background=True).enter(endpoint)
        assert 29 < early.value.wait_s <= 30, "bunq's own limit"
        set_clock(timedelta(seconds=31))
        RateLimiter(0, is_background=True).enter(endpoint)
        [budget] = db.session.scalars(db.select(RateLimitWindow))
        assert (len(budget.calls), budget.reserved_until) == (1, None)
        db.session.remove()


def test_a_lease_of_a_worker_that_died_meanwhile_is_free_again(site: ThreadSite, set_clock: SetClock) -> None:
    with site.app.app_context():
        [session] = db.session.scalars(db.select(BunqSession))
        set_clock(AHEAD)
        assert leases.take(session) is not None
        assert leases.take(session) is None
        assert leases.is_taken(session)
        set_clock(timedelta(0))
        db.session.refresh(session)
        assert not leases.is_taken(session)
        assert leases.take(session) is not None
        assert leases.take(session) is None
        db.session.remove()


@pytest.mark.sqlite_only
def test_accounts_and_payments_are_read_again_at_once(site: ThreadSite, bank: Bank, set_clock: SetClock) -> None:
    set_clock(AHEAD)
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    assert read(site)
    with rows.behind(site.app):
        db.session.execute(db.update(AccountSync).values(requested_at=clock.now()))
        db.session.commit()
    bank.receive(MAIN, "12.34")
    set_clock(timedelta(0))
    assert read(site)
    robin = sign_in(site, "robin@example.com")
    assert "€12.34" in robin.get("/payments").text
    assert not read(site), "and then they are fresh"
    bank.forget_calls()
    robin.get("/connections/1/accounts", {"HX-Request": "true"})
    assert bank.calls() == []


@pytest.mark.sqlite_only
def test_what_failed_because_of_the_wrong_time_is_tried_again_at_once(
    site: ThreadSite, bank: Bank, set_clock: SetClock
) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    set_clock(AHEAD)
    bank.fault(call="GET *", fault="reset", times=None)
    read(site)
    bank.no_faults()
    beat(site.app)
    robin = sign_in(site, "robin@example.com")
    assert "bunq isn’t responding" in robin.get("/").text
    bank.fault(call="GET payment", fault="reset", times=None)
    rows.due_now(site.app)
    read(site)
    bank.no_faults()
    set_clock(timedelta(0))
    assert read(site)
    robin = sign_in(site, "robin@example.com")
    assert "bunq isn’t responding" not in robin.get("/").text
    with rows.behind(site.app):
        states = db.session.scalars(db.select(AccountSync)).all()
        assert {(each.error_kind, each.next_try_at) for each in states} == {(None, None)}


@pytest.mark.sqlite_only
def test_an_approval_whose_accounts_could_not_be_fetched_goes_on_at_once(
    site: ThreadSite, bank: Bank, set_clock: SetClock
) -> None:
    set_clock(AHEAD)
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.fault(call="POST session-server", fault="reset", times=None)
    page = robin.get(back)
    bank.no_faults()
    set_clock(timedelta(0))
    robin = sign_in(site, "robin@example.com")
    assert "Connected: Jodi Walker" in robin.get(page.url).text


def test_links_and_answers_that_wait_do_not_wait_for_hours(site: ThreadSite, bank: Bank, set_clock: SetClock) -> None:
    set_clock(AHEAD)
    robin = sign_in(site, "robin@example.com")
    approve_on_phone(site, bank, link_of(robin))
    link = link_of(robin)
    assert rows.permissions(site.app) == 2
    set_clock(timedelta(0))
    assert site.browser().get(link).status == 410
    rows.run_duties(site.app)
    assert {each.step for each in rows.attempts(site.app)} == {"discarded", "expired"}
    assert rows.permissions(site.app) == 0


@pytest.mark.sqlite_only
def test_a_permission_is_not_lost_because_our_own_session_seems_to_be_newer(
    site: ThreadSite, bank: Bank, set_clock: SetClock
) -> None:
    connect(sign_in(site, "robin@example.com"), bank)
    with rows.behind(site.app):
        set_clock(AHEAD)
        db.session.execute(db.update(BunqSession).values(opened_at=clock.now(), token_sealed=None))
        db.session.commit()
    set_clock(timedelta(0))
    rows.age_accounts(site.app, timedelta(hours=1))
    bank.fault(call="POST session-server", fault="400-credentials", times=None)
    assert read(site)
    assert rows.connection(site.app).state == "active"
    bank.no_faults()
    rows.due_now(site.app)
    assert read(site)
    assert rows.consent(site.app).error_kind is None


@pytest.mark.sqlite_only
def test_a_login_made_meanwhile_ends_and_does_not_come_back(live_app: ThreadSite, set_clock: SetClock) -> None:
    set_clock(AHEAD)
    robin = sign_in(live_app, "robin@example.com")
    assert robin.get("/settings").status == 200
    set_clock(timedelta(0))
    assert "/login" in robin.get("/settings").url, "nobody knows for how long it was not used"
    again = sign_in(live_app, "robin@example.com")
    assert "Log out" in again.get("/settings").text
    set_clock(AHEAD - timedelta(minutes=1))
    assert "/login" in robin.get("/settings").url


def test_tries_to_log_in_are_neither_held_back_for_hours_nor_forgotten(
    live_app: ThreadSite, set_clock: SetClock
) -> None:
    sign_in(live_app, "robin@example.com")

    def try_in(password: str) -> None:
        log_in("robin@example.com", password)

    with live_app.app.app_context():
        set_clock(AHEAD)
        for _ in range(10):
            with pytest.raises(throttle.LoginRefused):
                try_in("wrong")
        set_clock(timedelta(0))
        with pytest.raises(throttle.LoginThrottled) as held_back:
            try_in(PASSWORD)
        assert held_back.value.until <= clock.now() + timedelta(minutes=15)
        set_clock(timedelta(minutes=16))
        try_in(PASSWORD)
        db.session.remove()
