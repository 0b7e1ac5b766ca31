"""Every fault of the stand-in at every call the app makes: no crash, nothing lost, a way on."""

import pytest

from bunqflask.bunq import client, transport
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Consent, ConsentAttempt, Payment
from bunqflask.sandbox.bank.faults import KINDS
from bunqflask.services.connections import access
from bunqflask.services.consent import completion
from bunqflask.services.consent.disconnect import disconnect
from bunqflask.services.sync import connection_sync
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser, Page
from tests.support.consents import ask, connect
from tests.support.rows import run_duties

pytestmark = pytest.mark.sqlite_only

MAIN = 2083712
# Answers that are as good as any other for a client that reads them as documented.
HARMLESS = {"header-case", "reordered", "unknown-fields", "unknown-types", "null-members", "wrong-content-type"}

# Answers that prove that bunq has not done what was asked.
NOT_PROCESSED = {"409", "429", "491"}


@pytest.fixture(autouse=True)
def impatient(site: ThreadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less long for a bank that says nothing, and between tries, once the app is set up: the same code, sooner."""
    monkeypatch.setattr(transport, "READ_TIMEOUT_S", 1.0)
    monkeypatch.setattr(transport, "WHOLE_ANSWER_S", 1.0)
    monkeypatch.setattr(client, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(completion, "_LONGEST_EXCHANGE_PAUSE_S", 0.05)


def slow(kind: str) -> dict[str, float]:
    return {"seconds": 1.6} if kind in ("timeout", "slow-drip") else {}


def is_a_page_with_a_way_on(page: Page, kind: str) -> None:
    assert page.status != 500, kind
    assert "Traceback" not in page.html, kind
    assert "bug in bunqflask" not in page.text, kind
    assert page.links or page.forms, kind


def try_again_now(site: ThreadSite) -> None:
    """Let the next look at the page be the next try, as after the wait that the page names."""
    with site.app.app_context():
        db.session.execute(db.update(ConsentAttempt).values(next_try_at=None))
        db.session.execute(db.update(Consent).values(next_try_at=None))
        db.session.execute(db.update(AccountSync).values(next_try_at=None))
        db.session.commit()
        db.session.remove()


def forget_everything(site: ThreadSite) -> None:
    with site.app.app_context():
        for connection in access.list_active():
            disconnect(rows.owner(connection.id), connection.id, erase=True)
        db.session.execute(db.delete(ConsentAttempt))
        db.session.commit()
        db.session.remove()


def is_connected(site: ThreadSite) -> bool:
    with site.app.app_context():
        found = len(access.list_active())
        db.session.remove()
    assert found <= 1
    return found == 1


def finish(site: ThreadSite, browser: Browser, kind: str) -> None:
    """Look at the waiting page until the attempt has come to its end, as a person or the poll does."""
    for _ in range(4):
        try_again_now(site)
        browser.get("/")
        waiting = [address for _words, address in browser.page.links if "/connect/" in address]
        if not waiting:
            return
        is_a_page_with_a_way_on(browser.get(waiting[0]), kind)


def test_at_the_token_endpoint_nothing_is_stored_and_the_way_on_is_to_start_again(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    for kind in KINDS:
        back = bank.approve(ask(browser))
        bank.fault(call="POST token", fault=kind, **slow(kind))
        page = browser.get(back)
        bank.no_faults()
        is_a_page_with_a_way_on(page, kind)
        if is_connected(site):
            # The fault changed nothing that matters here: this answer is not signed, nor is its type looked at.
            assert kind in HARMLESS | NOT_PROCESSED | {"bad-signature", "missing-signature"}, kind
        else:
            assert 400 <= page.status < 600, kind
            assert kind not in NOT_PROCESSED, "the code was not used up, so it could be sent again"
            with site.app.app_context():
                assert db.session.scalar(db.select(ConsentAttempt.access_token_sealed)) is None, kind
                db.session.remove()
        forget_everything(site)


@pytest.mark.parametrize("call", ["POST session-server", "GET monetary-account"])
def test_after_the_approval_it_is_kept_and_the_connection_comes_when_the_fault_is_over(
    site: ThreadSite, bank: Bank, call: str
) -> None:
    browser = sign_in(site, "robin@example.org")
    for kind in KINDS:
        back = bank.approve(ask(browser))
        bank.fault(call=call, fault=kind, times=2, **slow(kind))
        is_a_page_with_a_way_on(browser.get(back), kind)
        bank.no_faults()
        finish(site, browser, kind)
        assert is_connected(site), f"no single refusal costs an approval: {kind}"
        forget_everything(site)


def sync(site: ThreadSite, browser: Browser) -> Page:
    """Ask for a sync, unless one that failed waits to be tried again; let the worker do it and see what it brought."""
    if any(form.action.endswith("/sync") for form in browser.get("/connections/1/accounts").forms):
        browser.submit(action="/sync")
    run_duties(site.app)
    return browser.get("/connections/1/accounts")


def test_a_sync_of_the_accounts_keeps_what_is_there(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    connect(browser, bank)
    for kind in KINDS:
        try_again_now(site)
        bank.fault(call="GET monetary-account", fault=kind, times=2, **slow(kind))
        page = sync(site, browser)
        bank.no_faults()
        is_a_page_with_a_way_on(page, kind)
        assert "€4,118.00" in page.text, kind
    try_again_now(site)
    assert "just now" in sync(site, browser).text
    assert is_connected(site)


def test_a_reading_of_payments_ends_complete_and_without_one_payment_twice(site: ThreadSite, bank: Bank) -> None:
    bank.seed(450, account=MAIN)
    connect(sign_in(site, "robin@example.org"), bank, accounts=[MAIN])
    for kind in KINDS:
        bank.fault(call="GET payment", fault=kind, times=2, **slow(kind))
        with site.app.app_context():
            connection_sync.run(access.list_active()[0].id, patience_s=3, full=True)
            db.session.remove()
        bank.no_faults()
        try_again_now(site)
    with site.app.app_context():
        connection = access.list_active()[0]
        assert connection_sync.run(connection.id, patience_s=3)
        state = db.session.scalars(db.select(AccountSync)).one()
        ids = db.session.scalars(db.select(Payment.payment_id)).all()
        assert len(ids) == len(set(ids)) == 451
        assert state.discrepancies == ()
        assert state.covered[0].reaches_end
        assert connection.state == "active"
        db.session.remove()
