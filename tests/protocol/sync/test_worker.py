"""The worker: what happens by itself, also after it was killed in the middle of it."""

import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask

from bunqflask import worker as bunqflask_worker
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConsentAttempt, MonetaryAccount, Payment
from bunqflask.services.connections import access
from bunqflask.services.consent import completion
from bunqflask.services.sync import connection_sync, payment_sync, schedule
from tests.support.apps import GunicornSite, ThreadSite, add_member, sign_in
from tests.support.bank import Bank
from tests.support.consents import ask, connect
from tests.support.worker import worker

MAIN = 2083712
PATIENCE_S = 40


def soon(app: Flask, test: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with app.app_context():
            done = test()
            db.session.remove()
        if done:
            return
        assert time.monotonic() < deadline, "the worker did not do it"
        time.sleep(0.1)


def kept() -> int:
    return db.session.scalar(db.select(db.func.count()).select_from(Payment)) or 0


def all_read() -> bool:
    states = db.session.scalars(db.select(AccountSync)).all()
    return len(states) == 4 and all(state.synced_at is not None for state in states)


def test_payments_come_without_anybody_pressing_anything(site: ThreadSite, bank: Bank) -> None:
    with worker(site):
        connect(sign_in(site, "robin@example.org"), bank)
        soon(site.app, all_read)
    with site.app.app_context():
        assert kept() == 4
        assert not schedule.is_due(access.list_active()[0])
        db.session.remove()


def test_killed_in_the_middle_of_a_history_it_goes_on_and_keeps_each_payment_once(site: ThreadSite, bank: Bank) -> None:
    bank.seed(1000, account=MAIN)
    connect(sign_in(site, "robin@example.org"), bank)
    bank.forget_calls()
    with worker(site) as first:
        soon(site.app, lambda: kept() >= 400)
        first.kill()
        first.wait()
    with site.app.app_context():
        before = kept()
        # A lease outlives its holder; here it need not be waited for.
        db.session.execute(db.update(AccountSync).values(lease_until=None))
        db.session.execute(db.update(Connection).values(lease_until=None))
        db.session.commit()
        db.session.remove()
    with worker(site):
        soon(site.app, all_read)
    with site.app.app_context():
        account = next(each for each in access.list_active()[0].monetary_accounts if each.monetary_account_id == MAIN)
        state = db.session.get(AccountSync, account.id)
        rows = db.session.scalars(db.select(Payment.payment_id).filter_by(account_id=account.id)).all()
        assert len(rows) == len(set(rows)) >= 1000
        assert kept() >= before
        assert state is not None
        assert state.breaks == []
        db.session.remove()
    pages = [call for call in bank.calls("GET", "/payment") if str(MAIN) in call["path"]]
    # Six pages hold it all; a kill costs the page that is stored and the next answer, and the restart one look at
    # the newest.
    assert len(pages) <= 9


@pytest.mark.parametrize("erase", [True, False])
def test_a_connection_that_is_ended_while_its_payments_are_read_ends_the_reading(
    site: ThreadSite, bank: Bank, erase: bool
) -> None:
    bank.seed(450, account=MAIN)
    connect(sign_in(site, "robin@example.org"), bank)

    def end_it() -> None:
        with site.app.app_context():
            for connection in access.list_active():
                access.disconnect(connection, erase=erase)
            db.session.remove()

    def tell(_progress: payment_sync.Progress) -> None:
        db.session.rollback()  # as between two pages: nothing of ours holds the database up
        ending = threading.Thread(target=end_it)
        ending.start()
        ending.join()

    with site.app.app_context():
        assert not payment_sync.run(access.list_active()[0], patience_s=5, report=tell)
        db.session.remove()
    with site.app.app_context():
        assert kept() <= (0 if erase else 400), "no more than the pages that were asked for already"
        assert db.session.scalar(db.select(db.func.count()).select_from(Connection)) == (0 if erase else 1)
        db.session.remove()


def test_a_permission_that_is_renewed_while_payments_are_read_is_gone_on_with(site: ThreadSite, bank: Bank) -> None:
    bank.seed(650, account=MAIN)
    robin = sign_in(site, "robin@example.org")
    connect(robin, bank)
    told: list[int] = []

    def tell(progress: payment_sync.Progress) -> None:
        told.append(progress.kept)
        if len(told) == 1:
            db.session.rollback()  # as between two pages: nothing of ours holds the database up
            renewal = threading.Thread(target=connect, args=(robin, bank))
            renewal.start()
            renewal.join()
            bank.forget_calls()

    with site.app.app_context():
        [before] = [each.session_id for each in access.list_active()]
        connection = access.list_active()[0]
        main = next(each.id for each in connection.monetary_accounts if each.monetary_account_id == MAIN)
        assert connection_sync.run(connection.id, patience_s=5, report=tell, only=main)
        db.session.remove()
    with site.app.app_context():
        assert [each.session_id for each in access.list_active()] != [before]
        assert kept() > 650
        db.session.remove()
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
        soon(app, all_read)
        page = gunicorn_app.browser()
        assert page.get("/readyz").status == 200
    with app.app_context():
        of_main = db.select(db.func.count()).select_from(Payment).join(MonetaryAccount)
        assert db.session.scalar(of_main.where(MonetaryAccount.monetary_account_id == MAIN)) == 451
        assert all(state.breaks == [] for state in db.session.scalars(db.select(AccountSync)))
        db.session.remove()
    assert len(bank.calls("POST", "/session-server")) == 1
    # Three pages hold the long history, one each of the others; whoever reads one, nobody else does.
    assert len(bank.calls("GET", "/payment")) == 3 + 3


def test_workers_that_start_at_once_on_a_new_database_all_find_their_queue(app: Flask) -> None:
    ready, failed = threading.Barrier(8), []

    def start() -> None:
        ready.wait(10)
        try:
            bunqflask_worker.Jobs(app).wake()
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []


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


def test_pages_that_wake_the_worker_at_the_same_time_all_do(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    together = threading.Barrier(8)

    def wake() -> None:
        together.wait()
        for _ in range(10):
            with app.app_context():
                bunqflask_worker.wake()

    with app.app_context():
        bunqflask_worker.wake()
        threads = [threading.Thread(target=wake) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        queue = bunqflask_worker.current()._huey
        assert queue.pending_count() == 81
        queue.storage.close()
    assert "the queue cannot be reached" not in caplog.text
