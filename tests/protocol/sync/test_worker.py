"""The worker: what happens by itself, also after it was killed in the middle of it."""

import random
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConsentAttempt, ErrorKind, Event, MonetaryAccount, Payment
from bunqflask.services import workers
from bunqflask.services.connections import access
from bunqflask.services.consent import completion
from bunqflask.services.consent.disconnect import disconnect
from bunqflask.services.sync import connection_sync, schedule
from bunqflask.services.sync.payment_sync import Progress
from tests.support import rows
from tests.support.apps import GunicornSite, Site, ThreadSite, add_member, environ_for, let_go, migrate, sign_in
from tests.support.bank import Bank
from tests.support.consents import ask, connect
from tests.support.worker import soon, worker

MAIN = 2083712


def stored() -> int:
    return db.session.scalar(db.select(db.func.count()).select_from(Payment)) or 0


def all_synced() -> bool:
    states = db.session.scalars(db.select(AccountSync)).all()
    return len(states) == 4 and all(state.synced_at is not None for state in states)


def end_leases(app: Flask) -> None:
    """A lease outlives a holder that was killed; here it need not be waited for."""
    with rows.behind(app):
        for model in (AccountSync, Connection):
            db.session.execute(db.update(model).values(lease_until=None))
        db.session.commit()


def test_payments_come_without_anybody_pressing_anything(site: ThreadSite, bank: Bank) -> None:
    with worker(site):
        connect(sign_in(site, "robin@example.org"), bank)
        soon(site.app, all_synced)
    with site.app.app_context():
        assert stored() == 4
        assert not schedule.is_due(access.list_active()[0])
        db.session.remove()


def test_killed_in_the_middle_of_a_backfill_it_goes_on_and_stores_each_payment_once(
    site: ThreadSite, bank: Bank
) -> None:
    bank.seed(1000, account=MAIN)
    connect(sign_in(site, "robin@example.org"), bank)
    bank.forget_calls()
    with worker(site) as first:
        soon(site.app, lambda: stored() >= 400)
        first.kill()
        first.wait()
    with rows.behind(site.app):
        before = stored()
    end_leases(site.app)
    with worker(site):
        soon(site.app, all_synced)
    with site.app.app_context():
        account = next(each for each in access.list_active()[0].monetary_accounts if each.monetary_account_id == MAIN)
        state = db.session.get(AccountSync, account.id)
        ids = db.session.scalars(db.select(Payment.payment_id).filter_by(account_id=account.id)).all()
        assert len(ids) == len(set(ids)) >= 1000
        assert stored() >= before
        assert state is not None
        assert state.discrepancies == ()
        db.session.remove()
    pages = [call for call in bank.calls("GET", "/payment") if str(MAIN) in call["path"]]
    # Six pages hold it all; a kill costs the page that is stored and the next answer, and the restart one look at
    # the newest.
    assert len(pages) <= 9


@pytest.mark.parametrize("erase", [True, False])
def test_a_connection_that_is_ended_while_it_is_synced_ends_the_sync(site: ThreadSite, bank: Bank, erase: bool) -> None:
    bank.seed(450, account=MAIN)
    connect(sign_in(site, "robin@example.org"), bank)

    def end_it() -> None:
        with rows.behind(site.app):
            disconnect(rows.owner(), 1, erase=erase)

    def then_it_ends(_progress: Progress) -> None:
        db.session.rollback()  # as between two pages: nothing of ours holds the database up
        ending = threading.Thread(target=end_it)
        ending.start()
        ending.join()

    with rows.behind(site.app):
        assert not connection_sync.run(1, patience_s=5, report=then_it_ends)
    with rows.behind(site.app):
        assert stored() <= (0 if erase else 400), "no more than the pages that were asked for already"
        assert db.session.scalar(db.select(db.func.count()).select_from(Connection)) == (0 if erase else 1)


def test_a_sync_goes_on_with_a_permission_that_is_renewed_during_it(site: ThreadSite, bank: Bank) -> None:
    bank.seed(650, account=MAIN)
    robin = sign_in(site, "robin@example.org")
    connect(robin, bank)
    seen: list[int] = []

    def then_it_is_renewed(progress: Progress) -> None:
        seen.append(progress.stored)
        if len(seen) == 1:
            db.session.rollback()  # as between two pages: nothing of ours holds the database up
            renewal = threading.Thread(target=connect, args=(robin, bank))
            renewal.start()
            renewal.join()
            bank.forget_calls()

    with rows.behind(site.app):
        before = rows.consent(site.app).session_id
        connection = access.list_active()[0]
        main = next(each.id for each in connection.monetary_accounts if each.monetary_account_id == MAIN)
        assert connection_sync.run(connection.id, patience_s=5, report=then_it_is_renewed, only_account_id=main)
    with rows.behind(site.app):
        assert rows.consent(site.app).session_id != before
        assert stored() > 650
    refused = [call["status"] for call in bank.calls("GET", "/payment") if call["status"] != 200]
    assert len(refused) <= 1, "the page that was asked for already"


def test_two_app_processes_and_two_workers_share_one_database(
    gunicorn_app: GunicornSite, app: Flask, bank: Bank
) -> None:
    gunicorn_app.flask("setup", "--new-sandbox-user", "company")
    add_member(app, "robin@example.org")
    bank.seed(450, account=MAIN)
    bank.forget_calls()
    gunicorn_app.start(workers=2)
    with worker(gunicorn_app), worker(gunicorn_app):
        connect(sign_in(gunicorn_app, "robin@example.org"), bank)
        soon(app, all_synced)
        page = gunicorn_app.browser()
        assert page.get("/readyz").status == 200
    with app.app_context():
        of_main = db.select(db.func.count()).select_from(Payment).join(MonetaryAccount)
        assert db.session.scalar(of_main.where(MonetaryAccount.monetary_account_id == MAIN)) == 451
        assert all(state.discrepancies == () for state in db.session.scalars(db.select(AccountSync)))
        db.session.remove()
    assert len(bank.calls("POST", "/session-server")) == 1
    # Three pages hold the long history, one each of the others; no two workers fetch the same.
    assert len(bank.calls("GET", "/payment")) == 3 + 3


def test_killed_at_any_moment_every_payment_is_stored_once(site: ThreadSite, bank: Bank) -> None:
    bank.seed(1500, account=MAIN)
    connect(sign_in(site, "robin@example.org"), bank)
    rng = random.Random(7)
    for _ in range(4):
        with worker(site) as process:
            before = rows.count(site.app, Payment)
            soon(site.app, lambda before=before: stored() > before or all_synced())  # type: ignore[misc]  # mypy infers no type for a default of a lambda
            time.sleep(rng.uniform(0, 0.3))
            process.kill()
            process.wait()
        end_leases(site.app)
    with worker(site):
        soon(site.app, all_synced)
    with rows.behind(site.app):
        of_main = db.select(Payment.payment_id).join(MonetaryAccount, MonetaryAccount.id == Payment.account_id)
        ids = list(db.session.scalars(of_main.where(MonetaryAccount.monetary_account_id == MAIN)))
        assert len(ids) == len(set(ids)) == 1501
        states = db.session.scalars(db.select(AccountSync)).all()
        assert all(state.discrepancies == () and state.covered[0].reaches_end for state in states)


def test_sigterm_ends_it_within_seconds_and_gives_its_leases_back(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank, accounts=[MAIN])
    bank.fault(call="GET payment", fault="timeout", seconds=60.0, times=None)
    with worker(site) as process:
        soon(site.app, lambda: bool(db.session.scalar(db.select(AccountSync.lease_holder))))
        with rows.behind(site.app):
            assert workers.is_alive()
        time.sleep(1)  # until it waits for the answer, which the bank counts as a call only once it is given
        process.send_signal(signal.SIGTERM)
        assert process.wait(25) == 0
    with rows.behind(site.app):
        assert db.session.scalar(db.select(AccountSync.lease_holder)) is None
        assert not workers.is_alive()


def test_started_before_the_first_migration_it_waits_with_one_line(
    bank: Bank, empty_database_url: str, tmp_path: Path
) -> None:
    site = Site("http://localhost:1", environ_for(bank, empty_database_url))
    log = tmp_path / "worker.log"
    with log.open("wb") as output, worker(site, output=output) as process:
        deadline = time.monotonic() + 30
        while b"waits for the database" not in log.read_bytes():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(2.5)  # several more looks
        migrate(empty_database_url)
        app = create_app(Config.from_env(site.environ))
        soon(app, workers.is_alive)
        let_go(app)
    text = log.read_text()
    assert "Traceback" not in text
    assert text.count("waits for the database") == 1
    assert "run `flask --app wsgi db upgrade`" in text


def test_an_approval_that_waits_for_bunqs_limit_is_taken_up_when_it_ends(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    back = bank.approve(ask(browser))
    bank.fault(call="POST session-server", fault="500", times=1)
    browser.get(back)
    wait_s = 4.0
    with worker(site):
        soon(site.app, workers.is_alive)
        with rows.behind(site.app):
            due_at = clock.now() + timedelta(seconds=wait_s)
            db.session.execute(db.update(ConsentAttempt).values(next_try_at=due_at, error_kind=ErrorKind.WAITING))
            db.session.commit()
        soon(site.app, lambda: len(access.list_active()) == 1)
        with rows.behind(site.app):
            connected_at = db.session.scalars(db.select(ConsentAttempt.step_since)).one()
    assert timedelta(0) <= connected_at - due_at < timedelta(seconds=12)


@pytest.mark.sqlite_only
def test_a_consent_is_finished_while_nobody_looks(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    for sealed in (b"\x02k0 whose key is gone", None):
        back = bank.approve(ask(browser))
        bank.fault(call="POST session-server", fault="500", times=1)
        browser.get(back)
        with site.app.app_context():
            if sealed is not None:
                db.session.execute(db.update(ConsentAttempt).values(access_token_sealed=sealed))
                db.session.commit()
            db.session.remove()
    with site.app.app_context():
        assert access.list_active() == []
        db.session.execute(db.update(ConsentAttempt).values(next_try_at=None))
        db.session.commit()
        db.session.remove()
    with worker(site):
        soon(site.app, lambda: len(access.list_active()) == 1)


@pytest.mark.sqlite_only
def test_a_consent_whose_secret_does_not_open_holds_up_no_other(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    bank.fault(call="POST session-server", fault="491", times=None)
    for _ in range(2):
        browser.get(bank.approve(ask(browser)))
    bank.no_faults()
    with site.app.app_context():
        first, second = db.session.scalars(db.select(ConsentAttempt).order_by(ConsentAttempt.created_at))
        first.access_token_sealed = b"\x02k9" + bytes(40)
        first.next_try_at = second.next_try_at = None
        db.session.commit()
        completion.advance_all(patience_s=1)
        assert (first.step, second.step) == ("connecting", "connected")
        db.session.remove()


def test_its_events_are_handled_and_those_of_a_killed_worker_are_not_lost(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    assert rows.count(site.app, Event, handled_at=None) > 0
    with worker(site):
        soon(site.app, lambda: not db.session.scalars(db.select(Event).where(Event.handled_at.is_(None))).all())
