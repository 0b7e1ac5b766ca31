"""What is ended or renewed while bunq answers: a permission that is over is used and kept no more."""

import threading
import time
from collections.abc import Callable

import pytest
import requests

from bunqflask import clock
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.resources import MonetaryAccount
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, ConsentAttempt, Installation
from bunqflask.services.connections import consents, lifecycle
from bunqflask.services.gateway import abandoned_sessions, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ask, connect


@pytest.fixture
def robin(site: ThreadSite) -> Browser:
    return sign_in(site, "robin@example.com")


def elsewhere(act: Callable[[], object]) -> None:
    """Do something in another thread, and wait for it."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def disconnect(robin: Browser) -> None:
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", data="keep")


def disconnect_and_close(site: ThreadSite, robin: Browser) -> None:
    disconnect(robin)
    with site.app.app_context():
        abandoned_sessions.close_all()
        db.session.remove()


def renew_and_close(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    """Renew the connection, and let the worker close the session of the permission before."""
    connect(robin, bank)
    with site.app.app_context():
        abandoned_sessions.close_all()
        db.session.remove()


def list_accounts_while(meanwhile: Callable[[], object], bank: Bank, tokens: list[str]) -> None:
    """List the accounts in one session object; before the first call is sent, something happens elsewhere."""

    def list_accounts(client: BunqClient, token: str, user_id: int) -> list[MonetaryAccount]:
        tokens.append(token)
        if len(tokens) == 1:
            db.session.rollback()  # as each call does before it is sent
            elsewhere(meanwhile)
            bank.forget_calls()
        return original(client, token, user_id)

    original = BunqClient.list_monetary_accounts
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BunqClient, "list_monetary_accounts", list_accounts)
        with consents.session_for(rows.monetary_accounts()[0].id, RateLimiter(5)) as bunq:
            bunq.list_monetary_accounts()


@pytest.mark.sqlite_only
def test_a_renewal_goes_on_in_the_session_that_it_opened(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    connect(robin, bank)
    tokens: list[str] = []
    with site.app.app_context():
        list_accounts_while(lambda: renew_and_close(site, bank, robin), bank, tokens)
        db.session.remove()
    assert len(set(tokens)) == 2
    assert [call["status"] for call in bank.calls("GET", "monetary-account")] == [403, 200]
    assert bank.calls("POST", "session-server") == []


@pytest.mark.sqlite_only
def test_a_connection_that_was_ended_opens_no_session_any_more(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    connect(robin, bank)
    tokens: list[str] = []
    with site.app.app_context():
        with pytest.raises(sessions.SessionGone):
            list_accounts_while(lambda: disconnect_and_close(site, robin), bank, tokens)
        db.session.remove()
    assert len(tokens) == 1
    assert [call["method"] for call in bank.calls()] == ["GET"]
    assert rows.permissions(site.app) == 0


def test_a_renewal_that_ends_in_the_same_moment_is_ended_too(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    connect(robin, bank)
    robin.get("/connections/1/disconnect")
    with site.app.app_context():
        connection = db.session.scalars(db.select(Connection).with_for_update()).unique().one()
        pressed = threading.Thread(target=robin.submit, kwargs={"action": "/disconnect", "data": "keep"})
        pressed.start()
        time.sleep(0.5)
        # What a renewal does once it has locked the connection.
        renewed = sessions.new_session()
        renewed.token = "of the new permission"
        added = lifecycle.add_consent(connection, rows.owner().id, clock.now())
        added.access_token, added.session_id = "new", renewed.id
        db.session.commit()
        pressed.join()
        db.session.remove()
    assert robin.page.status == 200
    assert "Disconnected" in robin.page.text
    rows.run_duties(site.app)
    assert rows.permissions(site.app) == 0


def press_while_bunq_opens_a_session(
    site: ThreadSite, bank: Bank, work: Callable[[], object], press: Callable[[], object]
) -> None:
    """Let something begin for which a session is opened, and press something before bunq answers."""
    asked = threading.Thread(target=work)
    bank.forget_calls()
    asked.start()
    while not is_opening(site):
        time.sleep(0.01)
    press()
    asked.join()


def is_opening(site: ThreadSite) -> bool:
    with rows.behind(site.app):
        return db.session.scalar(db.select(BunqSession.id).where(BunqSession.lease_until.is_not(None))) is not None


def test_a_session_that_comes_too_late_is_closed(site: ThreadSite, bank: Bank, robin: Browser) -> None:
    connect(robin, bank)
    rows.end_sessions(site.app)
    bank.fault(call="POST session-server", fault="slow-drip", seconds=1.5, times=1)
    with rows.behind(site.app):
        db.session.execute(db.update(Connection).values(accounts_synced_at=None))
        db.session.commit()
    press_while_bunq_opens_a_session(site, bank, lambda: rows.run_duties(site.app), lambda: disconnect(robin))
    rows.run_duties(site.app)
    assert [call["status"] for call in bank.calls("POST", "session-server")] == [200]
    assert [call["status"] for call in bank.calls("DELETE", "session")] == [200]
    assert rows.permissions(site.app) == 0
    assert "Disconnected" in robin.get("/connections/1/accounts").text


@pytest.mark.parametrize("answer", ["a session", "a refusal"])
def test_an_attempt_that_is_cancelled_meanwhile_keeps_nothing(
    site: ThreadSite, bank: Bank, robin: Browser, answer: str
) -> None:
    bank.switch(oauth_variant="A" if answer == "a session" else "B")
    back = bank.approve(ask(robin))
    bank.fault(call="POST session-server", fault="slow-drip", seconds=1.5, times=1)

    def cancel() -> None:
        robin.get(f"/connect/{rows.attempts(site.app)[0].id}")
        assert "Cancelled" in robin.submit(button="Cancel").text

    tab = requests.Session()
    tab.cookies.update(robin.session.cookies)
    press_while_bunq_opens_a_session(site, bank, lambda: tab.get(back, timeout=60), cancel)
    rows.run_duties(site.app)
    assert [each.step for each in rows.attempts(site.app)] == ["cancelled"]
    assert rows.permissions(site.app) == 0
    assert (rows.count(site.app, Installation), rows.count(site.app, ConsentAttempt, accounts_text_sealed=None)) == (
        1,
        1,
    )
    assert bank.calls("POST", "/installation") == bank.calls("POST", "/device-server") == []
    assert len(bank.calls("DELETE", "session")) == (answer == "a session")
