"""bunq's callbacks: set beside others' and taken away again; a hint that wakes us, never data."""

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest
import requests
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountSync, BunqSession, Connection, MonetaryAccount, Payment, WorkerHeartbeat
from bunqflask.services import workers
from bunqflask.services.connections import access
from bunqflask.services.consent.disconnect import disconnect
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync, schedule
from bunqflask.services.sync.payment_sync import Progress
from bunqflask.worker import Worker
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.consents import connect

MAIN = 2083712


def first_sync(app: Flask) -> None:
    with app.app_context():
        assert connection_sync.run(access.list_active()[0].id, patience_s=5)
        db.session.remove()


def hook_address(app: Flask) -> str:
    with app.app_context():
        connection = access.list_active()[0]
        address = f"{app.config['PUBLIC_URL']}/bunq/hook/{connection.callback_token}"
        db.session.remove()
    return address


def _count(app: Flask, amount: str) -> int:
    with rows.behind(app):
        return len(db.session.scalars(db.select(Payment).where(Payment.amount == Decimal(amount))).all())


def due(app: Flask) -> bool:
    with app.app_context():
        answer = schedule.is_due(access.list_active()[0])
        db.session.remove()
    return answer


def test_a_callback_requests_a_sync_of_its_account_which_finds_what_is_new(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    assert not due(site.app)
    note = {"NotificationUrl": {"category": "MUTATION", "object": {"Payment": {"monetary_account_id": MAIN}}}}
    for _ in range(3):
        assert requests.post(hook_address(site.app), json=note, timeout=10).status_code == 200
    with site.app.app_context():
        marked = db.session.scalars(db.select(AccountSync).where(AccountSync.requested_at.is_not(None))).all()
        assert [db.session.get_one(MonetaryAccount, state.id).monetary_account_id for state in marked] == [MAIN]
        db.session.remove()
    assert due(site.app)
    first_sync(site.app)
    assert not due(site.app)


def test_what_a_callback_says_is_never_stored(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    forged = {"Payment": {"id": 1, "monetary_account_id": MAIN, "amount": {"currency": "EUR", "value": "1000000.00"}}}
    answer = requests.post(hook_address(site.app), json={"NotificationUrl": {"object": forged}}, timeout=10)
    assert answer.status_code == 200
    with site.app.app_context():
        before = db.session.scalar(db.select(db.func.count()).select_from(Payment))
        db.session.remove()
    first_sync(site.app)
    with site.app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(Payment)) == before
        db.session.remove()


def test_an_address_that_is_nobodys_and_a_body_that_is_not_json_do_nothing(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    assert requests.post(f"{site.url}/bunq/hook/guessed", json={}, timeout=10).status_code == 404
    assert requests.get(hook_address(site.app), timeout=10, allow_redirects=False).status_code != 200
    assert not due(site.app)
    assert requests.post(hook_address(site.app), data=b"\xff<html>", timeout=10).status_code == 200
    # It may have meant any of the accounts.
    assert due(site.app)


@pytest.mark.settings(BUNQ_CALLBACK_NETWORKS="185.40.108.0/22", TRUSTED_PROXY_HOPS="1")
def test_where_networks_are_named_a_callback_from_elsewhere_is_refused(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    for elsewhere in ("185.40.112.1", "185.40.108.7, 203.0.113.9", "not an address", "::1"):
        headers = {"X-Forwarded-For": elsewhere}
        assert requests.post(hook_address(site.app), json={}, headers=headers, timeout=10).status_code == 404
    assert not due(site.app)
    for bunq in ("203.0.113.9, 185.40.111.255", "::ffff:185.40.108.7"):
        headers = {"X-Forwarded-For": bunq}
        assert requests.post(hook_address(site.app), json={}, headers=headers, timeout=10).status_code == 200
    assert due(site.app)


def test_a_callback_with_a_signature_must_carry_bunqs(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    with site.app.app_context():
        token = db.session.get_one(BunqSession, rows.consent(site.app).session_id).token
        db.session.remove()
    # Any answer of the bank will do: bytes that its key for our installation has signed.
    signed = requests.get(bank.api_url + "user", headers={"X-Bunq-Client-Authentication": token}, timeout=10)
    headers = {"X-Bunq-Server-Signature": signed.headers["X-Bunq-Server-Signature"]}
    address = hook_address(site.app)
    assert requests.post(address, data=signed.content + b" ", headers=headers, timeout=10).status_code == 404
    headers_of_nobody = {"X-Bunq-Server-Signature": "!"}
    assert requests.post(address, data=signed.content, headers=headers_of_nobody, timeout=10).status_code == 404
    assert not due(site.app)
    assert requests.post(address, data=signed.content, headers=headers, timeout=10).status_code == 200
    assert due(site.app)


@pytest.mark.sqlite_only
def test_whatever_goes_wrong_with_callbacks_payments_are_synced_all_the_same(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    for fault in ("500", "truncated", "bad-signature", "403-permission"):
        bank.fault(call="POST notification-filter-url", fault=fault, times=None)
        with site.app.app_context():
            assert connection_sync.run(access.list_active()[0].id, patience_s=5), fault
            connection = access.list_active()[0]
            assert connection.callbacks_set_at is None
            bank.no_faults()
            _replace(connection, [])  # some were set, only the answer was no good
            db.session.remove()
    # A bank that does not take the category of withdrawn permissions still gets the one that matters most.
    bank.fault(call="POST notification-filter-url", fault="400", times=1)
    with site.app.app_context():
        assert connection_sync.run(access.list_active()[0].id, patience_s=5)
        connection = access.list_active()[0]
        assert connection.callbacks_set_at is not None
        assert [each["category"] for each in _listed(connection)] == ["MUTATION"]
        db.session.remove()


def test_callbacks_of_others_stay_and_ours_are_gone_after_a_disconnect(site: ThreadSite, bank: Bank) -> None:
    browser = sign_in(site, "robin@example.org")
    connect(browser, bank)
    theirs = {"category": "MUTATION", "notification_target": "https://books.example/hook"}
    with site.app.app_context():
        connection = access.list_active()[0]
        _replace(connection, [theirs])
        assert connection_sync.run(connection.id, patience_s=5)
        connection = access.list_active()[0]
        ours = f"{site.url}/bunq/hook/{connection.callback_token}"
        assert {each["notification_target"] for each in _listed(connection)} == {theirs["notification_target"], ours}
        disconnect(rows.owner(), connection.id, erase=False)
        db.session.remove()
    connect(browser, bank)
    with site.app.app_context():
        assert _listed(access.list_active()[0]) == [theirs]
        db.session.remove()
    assert requests.post(ours, json={}, timeout=10).status_code == 404


@pytest.mark.parametrize(("age", "is_due"), [(timedelta(days=6, hours=23), False), (timedelta(days=7, hours=1), True)])
@pytest.mark.sqlite_only
def test_callbacks_that_somebody_wiped_out_are_set_again_within_a_week(
    site: ThreadSite, bank: Bank, age: timedelta, is_due: bool
) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    with rows.behind(site.app):
        connection = access.list_active()[0]
        _replace(connection, [])
        db.session.execute(db.update(Connection).values(callbacks_set_at=clock.now() - age))
        db.session.commit()
    bank.forget_calls()
    first_sync(site.app)
    with rows.behind(site.app):
        connection = access.list_active()[0]
        assert {each["category"] for each in _listed(connection)} == ({"MUTATION", "OAUTH"} if is_due else set())
        assert connection.callbacks_set_at is not None
        assert (clock.now() - connection.callbacks_set_at < timedelta(minutes=5)) == is_due


def test_once_a_callback_has_come_nobody_asks_an_hour_later(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    with site.app.app_context():
        connection = access.list_active()[0]
        for state in db.session.scalars(db.select(AccountSync)):
            assert state.synced_at is not None
            state.synced_at -= 2 * schedule.FRESH
        db.session.commit()
        assert schedule.is_due(connection), "that they are registered does not prove that they come"
        db.session.remove()
    assert requests.post(hook_address(site.app), json={}, timeout=10).status_code == 200
    first_sync(site.app)
    with site.app.app_context():
        connection = access.list_active()[0]
        for state in db.session.scalars(db.select(AccountSync)):
            assert state.synced_at is not None
            state.synced_at -= 2 * schedule.FRESH
            state.requested_at = None
        db.session.commit()
        assert not schedule.is_due(connection)
        connection.callbacks_set_at = None
        db.session.commit()
        assert schedule.is_due(connection)
        db.session.remove()


@pytest.mark.sqlite_only
def test_a_payment_whose_callback_was_lost_is_imported_within_the_hour(site: ThreadSite, bank: Bank) -> None:
    """Where the app was away while its worker lived, bunq has given up and nothing else says so."""
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    assert requests.post(hook_address(site.app), json={}, timeout=10).status_code == 200
    first_sync(site.app)
    with rows.behind(site.app):
        _replace(access.list_active()[0], [])
    bank.receive(MAIN, "25.00")
    rows.run_duties(site.app)
    assert (_count(site.app, "25.00"), due(site.app)) == (0, False), "nothing has told of it"
    with rows.behind(site.app):
        db.session.execute(db.update(Connection).values(accounts_synced_at=clock.now() - schedule.FRESH))
        db.session.commit()
        assert schedule.callbacks_come(access.list_active()[0])
    bank.forget_calls()
    rows.run_duties(site.app)
    assert (_count(site.app, "25.00"), due(site.app)) == (1, False)
    listed = [call["path"] for call in bank.calls("GET", "payment")]
    assert {path.split("/")[-2] for path in listed} == {str(MAIN)}, "of accounts whose balance has not moved, none"


@pytest.mark.sqlite_only
def test_a_new_permission_gets_callbacks_of_its_own(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.org")
    for amount in ("3.00", "4.00"):
        connect(robin, bank)
        first_sync(site.app)
        assert rows.connection(site.app).callback_received_at is None, "nothing has come to the new permission yet"
        bank.receive(MAIN, amount)
        deadline = time.monotonic() + 10
        while not due(site.app):
            assert time.monotonic() < deadline, f"no callback came for {amount}"
            time.sleep(0.05)
        first_sync(site.app)
    assert len(bank.calls("POST", "notification-filter-url")) == 2


@pytest.mark.sqlite_only
def test_what_a_callback_announces_is_asked_for_again_until_it_is_listed(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    payment = bank.receive(MAIN, "250.00")
    bank.amend(payment, listed=False)
    note = {"NotificationUrl": {"category": "MUTATION", "object": {"Payment": {"monetary_account_id": MAIN}}}}
    assert requests.post(hook_address(site.app), json=note, timeout=10).status_code == 200
    waits = []
    for _ in range(3):
        first_sync(site.app)
        assert not due(site.app)
        with rows.behind(site.app):
            state = db.session.scalars(
                db.select(AccountSync).where(AccountSync.follow_up_at.is_not(None))
            ).one_or_none()
            if state is not None and state.follow_up_at is not None:
                waits.append(round((state.follow_up_at - clock.now()).total_seconds(), -1))
                state.follow_up_at = clock.now()
                db.session.commit()
                assert schedule.is_due(access.list_active()[0])
    assert waits == [30, 300]
    bank.amend(payment, listed=True)
    first_sync(site.app)
    with rows.behind(site.app):
        assert not db.session.scalars(db.select(AccountSync).where(AccountSync.balance_difference != 0)).all()


@pytest.mark.sqlite_only
def test_a_registration_that_failed_is_tried_again_soon_and_told(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    bank.fault(call="POST notification-filter-url", fault="500", times=None)
    first_sync(site.app)
    with rows.behind(site.app):
        workers.beat("a worker")
    assert "callbacks could not be registered" in site.command("status").output
    assert not due(site.app)
    bank.no_faults()
    with rows.behind(site.app):
        db.session.execute(db.update(Connection).values(callbacks_next_try_at=clock.now()))
        db.session.commit()
    assert due(site.app)
    rows.run_duties(site.app)
    connection = rows.connection(site.app)
    assert connection.callbacks_set_at is not None
    assert connection.callbacks_next_try_at is None
    assert "no callback came lately: read every hour" in site.command("status").output


@pytest.mark.sqlite_only
def test_the_address_of_an_earlier_connection_is_cleaned_up(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    dead = {"category": "MUTATION", "notification_target": f"{site.url}/bunq/hook/of-an-earlier-connection"}
    with rows.behind(site.app):
        _replace(access.list_active()[0], [dead])
    first_sync(site.app)
    with rows.behind(site.app):
        connection = access.list_active()[0]
        target = f"{site.url}/bunq/hook/{connection.callback_token}"
        assert {each["notification_target"] for each in _listed(connection)} == {target}


@pytest.mark.sqlite_only
def test_after_a_start_and_an_outage_everything_is_read(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    assert requests.post(hook_address(site.app), json={}, timeout=10).status_code == 200
    first_sync(site.app)
    assert not due(site.app)
    process = Worker(site.app, duties=())
    with rows.behind(site.app):
        process._tick()
    assert due(site.app)
    assert rows.connection(site.app).callback_received_at is None
    first_sync(site.app)
    with rows.behind(site.app):
        process._tick()
    assert not due(site.app), "it has been here since"
    with rows.behind(site.app):
        db.session.execute(db.delete(WorkerHeartbeat))
        db.session.commit()
        process._ticked_at = clock.now() - timedelta(minutes=3)
        process._tick()
    assert due(site.app), "the computer was asleep"


@pytest.mark.parametrize("fault", ["403-permission", "404"])
@pytest.mark.sqlite_only
def test_one_refusal_silences_no_account(site: ThreadSite, bank: Bank, fault: str) -> None:
    robin = sign_in(site, "robin@example.org")
    connect(robin, bank)
    first_sync(site.app)
    bank.fault(call="GET payment", fault=fault, times=None)
    with rows.behind(site.app):
        assert not connection_sync.run(1, patience_s=5)
        states = db.session.scalars(db.select(AccountSync)).all()
        assert {state.error_kind for state in states} == {"refused"}
        assert all(state.next_try_at and state.next_try_at < clock.now() + timedelta(minutes=1) for state in states)
    assert "Not every kind of account" not in robin.get(f"/connections/1/accounts/{MAIN}/payments").text
    note = {"NotificationUrl": {"category": "MUTATION", "object": {"Payment": {"monetary_account_id": MAIN}}}}
    assert requests.post(hook_address(site.app), json=note, timeout=10).status_code == 200
    bank.no_faults()
    assert due(site.app), "a callback ends the rest"
    rows.run_duties(site.app)
    with rows.behind(site.app):
        states = db.session.scalars(db.select(AccountSync).where(AccountSync.error_kind.is_(None))).all()
        assert [db.session.get_one(MonetaryAccount, state.id).monetary_account_id for state in states] == [MAIN]
    connect(robin, bank)
    rows.run_duties(site.app)
    with rows.behind(site.app):
        assert not db.session.scalars(db.select(AccountSync).where(AccountSync.error_kind.is_not(None))).all()


@pytest.mark.sqlite_only
def test_only_an_account_that_never_listed_any_payment_is_not_listed(site: ThreadSite, bank: Bank) -> None:
    bank.seed(450, account=MAIN)
    robin = sign_in(site, "robin@example.org")
    connect(robin, bank, accounts=[MAIN])
    bank.fault(call="GET payment", fault="404", times=1)
    with rows.behind(site.app):
        connection_sync.run(1, patience_s=5)
        assert db.session.scalars(db.select(AccountSync.error_kind)).one() == "not_listed"

        def then_it_fails(_progress: Progress) -> None:
            bank.fault(call="GET payment", fault="404", times=1)

        connection_sync.run(1, patience_s=5, report=then_it_fails)
        state = db.session.scalars(db.select(AccountSync)).one()
        assert state.error_kind == "refused"
        assert 0 < db.session.scalars(db.select(db.func.count()).select_from(Payment)).one() < 450
        bank.no_faults()
        assert connection_sync.run(1, patience_s=5)


def test_the_stand_in_really_calls_when_money_moves(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    with site.app.app_context():
        connection = access.list_active()[0]
        _pay(connection, MAIN)
        db.session.remove()
    deadline = time.monotonic() + 10
    while not due(site.app):
        assert time.monotonic() < deadline, "no callback came"
        time.sleep(0.05)


def _listed(connection: Connection) -> list[dict[str, str]]:
    with sessions.of_consent(rows.reader(), RateLimiter(5)) as bunq:
        return bunq.list_callbacks()


def _replace(connection: Connection, callbacks: list[dict[str, str]]) -> None:
    with sessions.of_consent(rows.reader(), RateLimiter(5)) as bunq:
        bunq.replace_callbacks(callbacks)


def _pay(connection: Connection, account_id: int) -> None:
    """Move a cent between the holder's own accounts, as a granted session may."""
    other = next(
        account
        for account in connection.monetary_accounts
        if account.iban and account.monetary_account_id != account_id
    )
    payload = {
        "amount": {"currency": "EUR", "value": "0.01"},
        "counterparty_alias": {"type": "IBAN", "value": other.iban, "name": "Myself"},
        "description": "a cent",
    }
    path = f"monetary-account/{account_id}/payment"
    with sessions.of_consent(rows.reader(), RateLimiter(5)) as bunq:
        bunq.call(lambda client, token, user: client._call("POST", f"user/{user}/{path}", token=token, payload=payload))


@pytest.mark.sqlite_only
def test_a_strangers_callback_is_answered_while_another_process_writes(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    with closing(sqlite3.connect(site.environ["DATABASE_URL"].removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = requests.post(f"{site.url}/bunq/hook/guessed", data=b"x" * 100_000, timeout=5)
        other.rollback()
    assert answer.status_code == 404


def test_a_callback_that_is_too_long_is_refused(site: ThreadSite, bank: Bank) -> None:
    connect(sign_in(site, "robin@example.org"), bank)
    first_sync(site.app)
    assert requests.post(hook_address(site.app), data=b" " * 70_000, timeout=10).status_code == 413
    assert not due(site.app)
