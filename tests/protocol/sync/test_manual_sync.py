"""A press on "Sync now": the page asks, the worker fetches accounts and payments, or records what stands in the way."""

import pytest

from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ErrorKind, Payment, TeamMember
from bunqflask.services import workers
from bunqflask.services.consent.disconnect import disconnect
from bunqflask.services.sync import connection_sync
from bunqflask.services.sync.payment_sync import Progress
from tests.support import history, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect
from tests.support.rows import run_duties

MAIN = 2083712
ACCOUNT = f"/connections/1/accounts/{MAIN}/payments"
NO_WORKER = "No worker is running"


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin at the page of an account whose payments are not imported yet."""
    return begin(_connect)


def _connect(site: ThreadSite, bank: Bank) -> Browser:
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    browser.get(ACCOUNT)
    return browser


def press(robin: Browser, **fields: str) -> None:
    robin.get(ACCOUNT)
    robin.submit(action=f"{MAIN}/payments/sync", **fields)


def test_sync_now_fetches_accounts_and_payments(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    assert "No payments yet" in robin.page.text
    bank.forget_calls()
    press(robin)
    assert bank.calls() == [], "the page itself asks bunq for nothing"
    run_duties(site.app)
    assert bank.calls("GET", "/monetary-account")
    assert "Opening balance" in robin.get(ACCOUNT).text


def test_a_press_is_said_to_wait_where_no_worker_runs(site: ThreadSite, robin: Browser) -> None:
    press(robin)
    assert NO_WORKER in robin.page.text
    with rows.behind(site.app):
        workers.beat("host 1")
    press(robin)
    assert NO_WORKER not in robin.page.text


def test_a_press_asks_at_once_for_one_account_although_all_are_fresh(
    site: ThreadSite, bank: Bank, robin: Browser
) -> None:
    run_duties(site.app)
    bank.forget_calls()
    run_duties(site.app)
    assert bank.calls("GET") == [], "all is fresh"
    press(robin)
    run_duties(site.app)
    pages = [call["path"] for call in bank.calls("GET", "/payment")]
    assert len(pages) == 1
    assert str(MAIN) in pages[0]


def test_sync_on_the_card_asks_for_all_accounts(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    run_duties(site.app)
    bank.forget_calls()
    robin.get("/connections/1/accounts")
    robin.submit(action="/connections/1/sync")
    run_duties(site.app)
    assert len(bank.calls("GET", "/payment")) == 4


def test_import_again_lists_the_whole_history_again_and_goes_on_after_an_interruption(
    site: ThreadSite, bank: Bank, robin: Browser
) -> None:
    bank.seed(650, account=MAIN)
    run_duties(site.app)
    with rows.behind(site.app):
        account_id = history.account(MAIN).id
        complete = db.session.get_one(AccountSync, account_id).covered
        db.session.execute(db.update(Payment).values(description="outdated"))
        db.session.commit()
    press(robin, full="1")

    def interrupt(progress: Progress) -> None:
        if progress.account_id == account_id and not progress.done:
            bank.fault(call="GET payment", fault="500", times=None)

    with rows.behind(site.app):
        assert not connection_sync.run(1, patience_s=5, only_account_id=account_id, report=interrupt)
        state = db.session.get_one(AccountSync, account_id)
        assert state.error_kind == ErrorKind.UNAVAILABLE
        assert state.covered == complete, "what is stored is complete meanwhile"
        assert state.full_import is not None
        assert [each.reaches_end for each in state.full_import] == [False]
        db.session.execute(db.update(AccountSync).values(next_try_at=None))
        db.session.commit()
    assert rows.count(site.app, Payment, description="outdated", account_id=account_id) == 451
    bank.no_faults()
    bank.forget_calls()
    run_duties(site.app)
    with rows.behind(site.app):
        state = db.session.get_one(AccountSync, account_id)
        assert (state.full_import, state.covered, state.error_kind) == (None, complete, None)
    assert rows.count(site.app, Payment, description="outdated", account_id=account_id) == 0
    pages = [call for call in bank.calls("GET", "/payment") if str(MAIN) in call["path"]]
    assert len(pages) == 4, "the newest page, and the three that were not imported again before"


def test_a_connection_that_has_ended_is_not_synced(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    with rows.behind(site.app):
        member = db.session.scalars(db.select(TeamMember)).one()
        disconnect(member, 1, erase=False)
        connection_sync.request(member, 1)
        assert db.session.scalars(db.select(Connection.sync_requested_at)).one() is None
    bank.forget_calls()
    run_duties(site.app)
    assert bank.calls("GET") == []


@pytest.mark.parametrize("call", ["GET payment", "GET monetary-account"])
def test_what_stands_in_the_way_is_shown_with_the_next_try(
    site: ThreadSite, bank: Bank, robin: Browser, call: str
) -> None:
    bank.fault(call=call, fault="500", times=None)
    press(robin)
    run_duties(site.app)
    page = robin.get(ACCOUNT)
    assert page.status == 200
    assert "bunq isn’t responding" in page.text
    assert "Next attempt at" in page.text
    # A press asks again at once.
    bank.no_faults()
    press(robin)
    run_duties(site.app)
    page = robin.get(ACCOUNT)
    assert "bunq isn’t responding" not in page.text
    assert "Opening balance" in page.text
    with rows.behind(site.app):
        account_id = history.account(MAIN).id
        assert db.session.get_one(AccountSync, account_id).synced_at is not None
