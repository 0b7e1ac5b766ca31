"""bunq sessions: one for each connection, opened by one worker at a time, and renewed neither late nor in a loop."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from bunqflask import clock
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.errors import CallNotAllowedYet, ResponseNotTrusted
from bunqflask.bunq.resources import SessionAnswer
from bunqflask.database import leases, transactions
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    BunqSession,
    Connection,
    Consent,
    ConsentAccount,
    ErrorKind,
    Installation,
    RateLimitWindow,
)
from bunqflask.services import workers
from bunqflask.services.connections import access, accounts, refusal
from bunqflask.services.gateway import installations, onboarding, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync
from tests.support import consents, rows
from tests.support.apps import PASSWORD, GunicornSite, ThreadSite, add_member, child_environ, set_up, sign_in
from tests.support.bank import JODI, Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.processes import PythonProcess
from tests.support.worker import beat

WEEK_S = 604_800


@pytest.fixture
def connected(site: ThreadSite, bank: Bank, begin: Begin) -> ThreadSite:
    """A site with Jodi's connection; the bank's calls are counted from here on."""
    begin(_connect)
    bank.forget_calls()
    return site


def _connect(site: ThreadSite, bank: Bank) -> Browser:
    sam = sign_in(site, "sam@team.example")
    consents.connect(sam, bank)
    return sam


def read(site: ThreadSite) -> Consent:
    """Read the accounts now, whenever the next try was planned, and return the consent as it is then."""
    with site.app.app_context():
        consent: Consent = db.session.scalars(db.select(Consent)).one()
        consent.next_try_at = None
        db.session.commit()
        accounts.sync(access.by_id(consent.connection_id), patience_s=5)
        db.session.refresh(consent)
        db.session.expunge_all()
    return consent


def session_of(site: ThreadSite) -> BunqSession:
    with site.app.app_context():
        session_id = db.session.scalars(db.select(Consent.session_id)).one()
        found: BunqSession = db.session.get_one(BunqSession, session_id)
        db.session.expunge_all()
    return found


def set_session(site: ThreadSite, **values: Any) -> None:
    with site.app.app_context(), transactions.writing():
        db.session.execute(db.update(BunqSession).values(**values))
        db.session.commit()


def opened(bank: Bank, status: int | None = None) -> int:
    calls = bank.calls("POST", "/session-server")
    return len([call for call in calls if status in (None, call["status"])])


def listed(bank: Bank) -> int:
    return len(bank.calls("GET", "/monetary-account"))


def test_one_session_serves_every_reading(connected: ThreadSite, bank: Bank) -> None:
    for _ in range(3):
        assert read(connected).error_kind is None
    assert (listed(bank), opened(bank)) == (3, 0)


NEED_A_SESSION = """
import sys, threading
from bunqflask import create_app
from bunqflask.extensions import db
from bunqflask.models import Consent
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter

app, results = create_app(), []
ready = threading.Barrier(4)

def work():
    with app.app_context():
        consent_id = db.session.scalars(db.select(Consent.id)).one()
        db.session.rollback()
        ready.wait()
        with sessions.of_consent(consent_id, RateLimiter(30)) as bunq:
            results.append(len(bunq.list_monetary_accounts()))
        db.session.remove()

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(results, flush=True)
"""


def process(environ: Mapping[str, str], script: str) -> PythonProcess:
    started = PythonProcess(
        ["-c", script],
        env=child_environ(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_eight_threads_of_two_processes_open_one_session(connected: ThreadSite, bank: Bank) -> None:
    set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
    both = [process(connected.environ, NEED_A_SESSION) for _ in range(2)]
    for each in both:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in both:
        output, _ = each.communicate(timeout=60)
        assert output == "[4, 4, 4, 4]\n"
    assert opened(bank) == 1


def test_eight_threads_that_saw_the_same_dead_session_open_one(connected: ThreadSite, bank: Bank) -> None:
    bank.advance(WEEK_S + 1)
    with connected.app.app_context():
        consent_id = db.session.scalars(db.select(Consent.id)).one()
        db.session.remove()
    generation = session_of(connected).generation
    ready, failed = threading.Barrier(8), []

    def work() -> None:
        with connected.app.app_context():
            try:
                credentials = sessions.credentials_of(consent_id)
                db.session.rollback()
                ready.wait(10)
                sessions.ensure_open(credentials, RateLimiter(30), dead=generation)
            except Exception as error:  # noqa: BLE001 - told by the test
                failed.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert opened(bank) == 1
    assert session_of(connected).generation == generation + 1


HOLD_THE_LEASE = """
import sys
from bunqflask import create_app
from bunqflask.services.connections import access, accounts

with create_app().app_context():
    [connection] = access.list_active()
    print("ready", flush=True)
    accounts.sync(connection, patience_s=30)
"""


def test_a_worker_killed_while_it_opens_a_session_holds_nobody_up_for_long(connected: ThreadSite, bank: Bank) -> None:
    set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
    bank.fault(call="POST session-server", fault="timeout", when="before")
    victim = process(connected.environ, HOLD_THE_LEASE)
    deadline = time.monotonic() + 20
    while bank.state()["faults"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    victim.kill()
    victim.communicate()

    left = session_of(connected)
    assert left.lease_until is not None
    assert timedelta(0) < left.lease_until - clock.now() < leases.LEASE
    with connected.app.app_context():  # another worker, which has no time to wait, is told so and opens nothing
        credentials = sessions.credentials_of(db.session.scalars(db.select(Connection.id)).one())
        with pytest.raises(CallNotAllowedYet):
            sessions.ensure_open(credentials, RateLimiter(0))
        db.session.remove()
    # The lease runs out by itself; a test need not sit that out.
    set_session(connected, lease_until=clock.now() - timedelta(seconds=1))
    with connected.app.app_context():
        db.session.execute(db.update(Connection).values(lease_until=None))
        db.session.commit()
    assert read(connected).error_kind is None
    assert session_of(connected).lease_until is None


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("timeout_s", "margin_s"), [(WEEK_S, 60), (100, 10)])
def test_a_session_is_renewed_before_its_end(
    connected: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch, timeout_s: int, margin_s: int
) -> None:
    bank.switch(session_timeout_s=timeout_s)
    set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
    read(connected)
    session = session_of(connected)
    assert session.opened_at is not None
    assert session.expires_at == session.opened_at + timedelta(seconds=timeout_s - margin_s)
    bank.forget_calls()
    now = clock.now
    for ahead_s, renewals in ((timeout_s - margin_s - 5, 0), (timeout_s - margin_s + 1, 1)):
        monkeypatch.setattr(clock, "now", lambda ahead_s=ahead_s: now() + timedelta(seconds=ahead_s))
        assert read(connected).error_kind is None
        assert opened(bank) == renewals


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", ["401", "401-authentication", "403", "403-authorisation"])
def test_a_dead_session_is_renewed_once_and_never_in_a_loop(connected: ThreadSite, bank: Bank, fault: str) -> None:
    bank.fault(call="GET monetary-account", fault=fault)
    assert read(connected).error_kind is None
    assert (listed(bank), opened(bank)) == (2, 1)

    bank.forget_calls()
    bank.fault(call="GET monetary-account", fault=fault, times=None)
    connection = read(connected)
    assert (listed(bank), opened(bank)) == (2, 1)
    assert (connection.state, connection.error_kind) == ("active", "installation_refused")
    assert connection.next_try_at is not None
    assert connection.next_try_at > clock.now() + timedelta(minutes=1)

    bank.no_faults()
    assert read(connected).error_kind is None


@pytest.mark.sqlite_only
def test_any_other_403_is_a_refusal_and_opens_no_session(connected: ThreadSite, bank: Bank) -> None:
    bank.fault(call="GET monetary-account", fault="403-permission", times=None)
    connection = read(connected)
    assert connection.error_kind == "refused"
    assert connection.error_facts is not None
    assert connection.error_facts["message"] == "You are not allowed to perform this action."
    assert (listed(bank), opened(bank)) == (1, 0)


@pytest.mark.parametrize("fault", ["bad-signature", "missing-signature"])
@pytest.mark.sqlite_only
def test_a_session_that_bunq_did_not_sign_is_not_stored(connected: ThreadSite, bank: Bank, fault: str) -> None:
    set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
    before = session_of(connected)
    bank.fault(call="POST session-server", fault=fault)
    assert read(connected).error_kind == "not_trusted"
    after = session_of(connected)
    assert (after.generation, after.token_sealed) == (before.generation, before.token_sealed)
    assert after.lease_until is None
    assert read(connected).error_kind is None


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", ["bad-signature", "missing-signature"])
def test_accounts_that_bunq_did_not_sign_are_not_stored(connected: ThreadSite, bank: Bank, fault: str) -> None:
    read(connected)
    before = rows.connection(connected.app).accounts_synced_at
    bank.fault(call="GET monetary-account", fault=fault)
    assert read(connected).error_kind == "not_trusted"
    assert rows.connection(connected.app).accounts_synced_at == before


def test_a_restart_of_all_workers_opens_no_session(gunicorn_app: GunicornSite, app: Flask, bank: Bank) -> None:
    gunicorn_app.flask("setup", "--new-sandbox-user", "company")
    add_member(app, "sam@team.example", password=PASSWORD)
    gunicorn_app.start()
    browser = sign_in(gunicorn_app, "sam@team.example")
    consents.connect(browser, bank)
    gunicorn_app.kill()
    bank.forget_calls()
    gunicorn_app.start()
    browser.get("/")
    page = browser.get("/connections/1/accounts")
    assert page.status == 200
    assert browser.submit(action="/sync").status == 200
    with app.app_context():
        accounts.sync(access.by_id(1), patience_s=5)
        db.session.remove()
    assert (listed(bank), opened(bank)) == (1, 0)


def test_a_withdrawn_grant_is_lost_after_refusals_hours_apart(connected: ThreadSite, bank: Bank) -> None:
    bank.revoke(JODI)
    connection = read(connected)
    assert (connection.state, connection.error_kind) == ("active", "refused_once")
    assert connection.access_token_sealed is not None
    # The dead session's renewal with the grant's token, then our own session, and the grant's token again.
    assert [call["status"] for call in bank.calls("POST", "/session-server")] == [400, 200, 400]
    with rows.behind(connected.app):
        workers.beat("a worker")
    told = connected.command("status", status=1)
    assert "bunq refused the permission, the worker asks again at" in told.output
    rows.age_refusals(connected.app, refusal.LOST_AFTER - timedelta(minutes=1))
    assert read(connected).state == "active"
    rows.age_refusals(connected.app, timedelta(minutes=1))
    bank.forget_calls()
    connection = read(connected)
    assert connection.state == "lost"
    assert connection.error_facts is not None, "what bunq said of it"
    assert connection.access_token_sealed is None
    assert [call["status"] for call in bank.calls("POST", "/session-server")] == [400, 200, 400]
    bank.forget_calls()
    assert read(connected).state == "lost"
    assert not bank.calls()


def test_a_server_that_bunq_refuses_loses_no_connection_and_recovers_by_itself(
    connected: ThreadSite, bank: Bank
) -> None:
    bank.advance(WEEK_S + 1)
    bank.switch(permitted_ips_enforced=True, caller_address="203.0.113.9")  # the server has moved
    connection = read(connected)
    assert (connection.state, connection.error_kind) == ("active", "server_refused")
    assert connection.access_token_sealed is not None
    assert opened(bank) == 2
    told = connected.app.test_cli_runner().invoke(args=["status"])
    assert told.exit_code == 1
    assert "bunq refuses this server: its address changed, or its API key is no longer accepted." in told.output
    bank.switch(caller_address="")
    connection = read(connected)
    assert (connection.state, connection.error_kind) == ("active", None)


@pytest.mark.parametrize("times", [1, 2])
def test_a_permission_that_was_refused_by_mistake_is_not_lost(connected: ThreadSite, bank: Bank, times: int) -> None:
    set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
    bank.fault(call="POST session-server", fault="400-credentials", times=1)
    if times == 2:
        # The first is the grant's, our own works, and the grant's is refused again.
        bank.fault(call="POST session-server", fault="reordered", times=1)
        bank.fault(call="POST session-server", fault="400-credentials", times=1)
    connection = read(connected)
    assert connection.access_token_sealed is not None
    assert (connection.state, connection.error_kind) == ("active", None if times == 1 else "refused_once")
    connection = read(connected)
    assert (connection.state, connection.error_kind, connection.refused_since) == ("active", None, None)


def test_a_server_of_two_lines_of_which_bunq_knows_one_loses_no_permission(connected: ThreadSite, bank: Bank) -> None:
    bank.switch(permitted_ips_enforced=True)
    for _ in range(2):
        set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
        bank.switch(caller_address="203.0.113.9")
        assert read(connected).error_kind == "server_refused"
        bank.switch(caller_address="")
        connection = read(connected)
        assert (connection.state, connection.error_kind) == ("active", None)
        rows.age_refusals(connected.app, refusal.LOST_AFTER)


def test_a_permission_that_bunq_refused_once_is_told_on_the_page_with_the_time_of_the_next_try(
    connected: ThreadSite, bank: Bank
) -> None:
    bank.revoke(JODI)
    read(connected)
    sam = sign_in(connected, "sam@team.example")
    page = sam.get("/connections/1/accounts")
    assert "We ask again for two hours before we take it for lost." in page.text
    assert "Next attempt at" in page.text
    assert "Renew it" in page.text
    for address in ("/payments", "/connections/1/accounts/2083712/payments"):
        page = sam.get(address)
        assert "Jodi Walker has stopped updating. No new payments have arrived since" in page.text
        assert page.form(action="/connections/1/reconnect"), "the warning has the button that mends it"
    consents.connect(sam, bank)
    assert "refuses the permission" not in sam.get("/connections/1/accounts").text
    assert "has stopped updating" not in sam.get("/payments").text


@pytest.mark.sqlite_only
@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_a_refusal_is_not_believed_before_our_own_session_could_be_tested(live_app: ThreadSite, bank: Bank) -> None:
    def free_the_limit() -> None:
        with live_app.app.app_context():
            db.session.execute(db.delete(RateLimitWindow))
            db.session.commit()

    set_up(live_app.app)
    free_the_limit()
    consents.connect(sign_in(live_app, "sam@team.example"), bank)
    bank.revoke(JODI)
    free_the_limit()
    with live_app.app.app_context():
        accounts.sync(access.by_id(1), patience_s=1)
        consent = db.session.scalars(db.select(Consent)).one()
        assert (consent.state, consent.error_kind) == ("active", "checking")
        assert consent.next_try_at is not None
        db.session.remove()
    assert opened(bank, 400) == 1
    free_the_limit()
    # Our own session takes bunq's one call in 30 seconds: the permission's turn comes after that.
    assert read(live_app).error_kind == "checking"
    assert opened(bank, 400) == 1
    free_the_limit()
    assert read(live_app).error_kind == "refused_once"
    assert opened(bank, 400) == 2


def test_after_a_new_installation_connections_open_their_sessions_on_it(connected: ThreadSite, bank: Bank) -> None:
    bank.advance(WEEK_S + 1)
    bank.fault(call="POST session-server", fault="401", times=None)
    assert read(connected).error_kind == "installation_refused"
    operator = connected.app.test_cli_runner()
    for command, status in (("status", 1), ("setup", onboarding.NOT_KNOWN_STATUS)):
        told = operator.invoke(args=[command])
        assert told.exit_code == status
        assert "--new-installation" in told.output
    bank.no_faults()
    assert operator.invoke(args=["setup", "--new-installation"]).exit_code == 0
    beat(connected.app)
    assert operator.invoke(args=["status"]).exit_code == 0
    with connected.app.app_context():
        consent = db.session.scalars(db.select(Consent)).one()
        assert (consent.error_kind, consent.next_try_at) == (None, None)
        ours = db.session.scalars(db.select(Installation.id).filter_by(is_current=True)).one()
        db.session.remove()
    bank.forget_calls()
    assert read(connected).error_kind is None
    assert session_of(connected).installation_id == ours
    assert opened(bank) == 1


def change_half_of(connection: Connection) -> None:
    with leases.held(connection) as lease:
        assert lease is not None
        assert leases.take(connection) is None
        with transaction():
            connection.display_name = "half a change"
            db.session.flush()
            raise ZeroDivisionError


@pytest.mark.sqlite_only
def test_a_lease_ends_with_its_work_and_stores_nothing_half_done(connected: ThreadSite) -> None:
    with connected.app.app_context():
        connection = db.session.scalars(db.select(Connection)).one()
        with pytest.raises(ZeroDivisionError):
            change_half_of(connection)
        assert connection.display_name != "half a change"
        assert connection.lease_holder is None
        late = leases.take(connection)
        rows.end_leases(connected.app)
        next_one = leases.take(connection)
        assert late is not None
        assert next_one is not None
        with transaction():
            late.release()
        assert connection.lease_holder == next_one.holder
        with pytest.raises(leases.LeaseLost), transaction():
            late.verify()
        with pytest.raises(leases.LeaseLost), transactions.separate_transaction() as beside:
            late.renew(beside)
        db.session.remove()


@pytest.mark.sqlite_only
def test_setup_refuses_an_unsigned_session_of_its_own(connected: ThreadSite, bank: Bank) -> None:
    set_session(connected, expires_at=clock.now() - timedelta(seconds=1))
    bank.fault(call="POST session-server", fault="bad-signature")
    with connected.app.app_context():
        installation = installations.current()
        with pytest.raises(ResponseNotTrusted):
            sessions.own_session_works_since(installation, clock.now(), RateLimiter(1))
        db.session.remove()


def while_bunq_answers(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen after bunq has opened a session and before its answer is stored."""
    open_session = BunqClient.open_session

    def open_slowly(client: BunqClient, token: str, secret: str) -> SessionAnswer:
        answer = open_session(client, token, secret)
        elsewhere = threading.Thread(target=happens)
        elsewhere.start()
        elsewhere.join()
        return answer

    monkeypatch.setattr(BunqClient, "open_session", open_slowly)


def closed(bank: Bank) -> list[int]:
    return [call["status"] for call in bank.calls("DELETE", "/session")]


def test_a_token_for_a_session_that_was_abandoned_meanwhile_is_not_stored_and_closed_at_bunq(
    connected: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_session(connected, token_sealed=None)
    session = session_of(connected)
    while_bunq_answers(monkeypatch, lambda: set_session(connected, abandoned_at=clock.now()))
    with connected.app.app_context():
        credentials = sessions.credentials_of(db.session.scalars(db.select(Connection.id)).one())
        with pytest.raises(sessions.SessionGone):
            sessions.ensure_open(credentials, RateLimiter(5))
        db.session.remove()
    after = session_of(connected)
    assert (after.id, after.token_sealed, after.generation) == (session.id, None, session.generation)
    assert (after.lease_holder, after.lease_until) == (None, None), "the worker can delete it at once"
    assert closed(bank) == [200]


@pytest.mark.sqlite_only
def test_a_token_that_comes_after_another_worker_took_over_is_closed_at_bunq(
    connected: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_session(connected, token_sealed=None)
    while_bunq_answers(monkeypatch, lambda: set_session(connected, lease_holder="another worker"))
    with connected.app.app_context():
        credentials = sessions.credentials_of(db.session.scalars(db.select(Connection.id)).one())
        with pytest.raises(CallNotAllowedYet):
            sessions.ensure_open(credentials, RateLimiter(0.1))
        db.session.remove()
    after = session_of(connected)
    assert (after.token_sealed, after.lease_holder) == (None, "another worker")
    assert (opened(bank), closed(bank)) == (1, [200])


@pytest.mark.sqlite_only
def test_a_token_that_cannot_be_stored_is_closed_at_bunq_and_the_lease_given_back(
    connected: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_session(connected, token_sealed=None)

    def refuse(*_: object) -> bool:
        raise OperationalError("UPDATE", {}, Exception("the database has gone"))

    monkeypatch.setattr(sessions, "_store", refuse)
    with connected.app.app_context():
        credentials = sessions.credentials_of(db.session.scalars(db.select(Connection.id)).one())
        with pytest.raises(OperationalError):
            sessions.ensure_open(credentials, RateLimiter(5))
        db.session.remove()
    assert session_of(connected).lease_holder is None
    assert closed(bank) == [200]


@pytest.mark.sqlite_only
def test_a_session_that_is_over_by_the_time_it_is_stored_is_not_opened_in_a_loop(
    connected: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_session(connected, token_sealed=None)
    later = clock.now() + timedelta(seconds=WEEK_S + 1)
    while_bunq_answers(monkeypatch, lambda: monkeypatch.setattr(clock, "now", lambda: later))
    with connected.app.app_context():
        credentials = sessions.credentials_of(db.session.scalars(db.select(Connection.id)).one())
        sessions.ensure_open(credentials, RateLimiter(5))
        db.session.remove()
    assert opened(bank) == 1


def test_refusals_that_our_count_does_not_explain_are_of_another_program(connected: ThreadSite, bank: Bank) -> None:
    bank.fault(call="GET monetary-account", fault="429", times=1)
    read(connected)
    with rows.behind(connected.app):
        workers.beat("a worker")
    assert "another program" not in connected.command("status").output
    bank.fault(call="GET monetary-account", fault="429", times=None)
    read(connected)
    told = connected.command("status", status=1)
    assert "another program on this address uses bunq" in told.output
    sam = sign_in(connected, "sam@team.example")
    page = sam.get(bank.approve(consents.ask(sam)))
    assert "another program on this server’s address uses bunq" in page.text


def test_another_program_is_named_where_payments_are_waited_for(connected: ThreadSite, bank: Bank) -> None:
    bank.fault(call="GET payment", fault="429", times=None)
    sam = sign_in(connected, "sam@team.example")
    address = "/connections/1/accounts/2083712/payments"
    with rows.behind(connected.app):
        assert not connection_sync.run(1, patience_s=2)
    assert "another program on this server’s address uses bunq" in sam.get(address).text
    with rows.behind(connected.app):
        db.session.execute(db.update(RateLimitWindow).values(refusals=1))
        db.session.commit()
    assert "bunq has asked us to wait." in sam.get(address).text


def test_a_refused_permission_is_not_shown_while_another_serves_its_accounts(connected: ThreadSite, bank: Bank) -> None:
    robin = sign_in(connected, "robin@team.example")
    consents.connect(robin, bank)
    with connected.app.app_context(), transactions.writing():
        older = db.session.scalars(db.select(Consent).order_by(Consent.id)).first()
        assert older is not None
        older.refused_at, older.error_kind = clock.now(), ErrorKind.CHECKING
        db.session.commit()
        db.session.remove()
    for browser in (robin, sign_in(connected, "sam@team.example")):
        assert "finding out why" not in browser.get("/connections/1/accounts").text
    with connected.app.app_context(), transactions.writing():
        of_newer = ConsentAccount.consent_id != older_id()
        db.session.execute(db.delete(ConsentAccount).where(of_newer, ConsentAccount.account_id == 1))
        db.session.commit()
        db.session.remove()
    assert "finding out why" in robin.get("/connections/1/accounts").text, "one of its accounts is not updated"


def older_id() -> int:
    return int(db.session.scalars(db.select(Consent.id).order_by(Consent.id).limit(1)).one())
