"""The doctor with the local bank: each fault of the bank, of the way to it and of this server is found and named."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    BunqCall,
    BunqSession,
    Check,
    CheckName,
    Connection,
    Consent,
    DoctorState,
    ErrorKind,
    Event,
    EventKind,
    Installation,
    Verdict,
)
from bunqflask.services.doctor import ping, runs
from bunqflask.services.gateway import installations, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync
from tests.support import consents
from tests.support.apps import ThreadSite, set_up, sign_in
from tests.support.bank import Bank
from tests.support.worker import beat

GOOD, LOOK, BROKEN, NOT_KNOWN = Verdict.GOOD, Verdict.LOOK, Verdict.BROKEN, Verdict.NOT_KNOWN
PAST = timedelta(days=10)


def examine(app: Flask) -> dict[CheckName, Check]:
    with app.app_context():
        found = runs.run()
        db.session.remove()
    return {each.name: each for each in found.checks}


def verdicts(app: Flask, *but: CheckName) -> dict[CheckName, Verdict]:
    """Examine, and return all verdicts that are not good."""
    return {name: each.verdict for name, each in examine(app).items() if each.verdict is not GOOD and name not in but}


def events(app: Flask) -> list[tuple[EventKind, dict[str, Any]]]:
    told = (EventKind.DOCTOR_FOUND_FAULT, EventKind.DOCTOR_ALL_GOOD, EventKind.BACKUP_FAILED)
    with app.app_context():
        found = db.session.execute(db.select(Event.kind, Event.facts).where(Event.kind.in_(told)).order_by(Event.id))
        rows = [(kind, facts) for kind, facts in found]
        db.session.remove()
    return rows


def change(app: Flask, statement: Any) -> None:
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()
        db.session.remove()


def test_a_server_that_is_set_up_is_well(site: ThreadSite, bank: Bank) -> None:
    bank.forget_calls()
    found = examine(site.app)
    assert {each.verdict for each in found.values()} == {GOOD}, found
    assert site.url in found[CheckName.RETURN_ADDRESS].found
    assert "127.0.0.1, which the API key allows" in found[CheckName.SERVER_ADDRESS].found
    assert "was answered" in found[CheckName.CALLBACKS].found
    assert len(bank.calls()) == 3, "one for the return addresses, two for the addresses of the key"
    assert events(site.app) == []


def test_before_setup_nothing_is_called(live_app: ThreadSite, bank: Bank) -> None:
    found = verdicts(live_app.app)
    names = (CheckName.RETURN_ADDRESS, CheckName.SERVER_ADDRESS, CheckName.CLOCK, CheckName.KEYS, CheckName.SESSION)
    assert found == dict.fromkeys(names, NOT_KNOWN)
    assert not bank.calls()


def test_another_return_address_at_bunq_is_found_and_stored(site: ThreadSite, bank: Bank) -> None:
    with site.app.app_context():
        installation = installations.current()
        number = installation.oauth_client_id
        with sessions.own(installation, RateLimiter(5)) as bunq:
            path = f"user/{bunq.path_user_id}/oauth-client/{number}/callback-url"
            listed = bunq.call(lambda client, token, _user: client._list(path, token=token))
            [known] = [each["OauthCallbackUrl"] for each in listed]
            bunq.call(
                lambda client, token, _user: client._call(
                    "PUT", f"{path}/{known['id']}", token=token, payload={"url": f"{site.url}/oauth/Callback"}
                )
            )
        db.session.remove()
    check = examine(site.app)[CheckName.RETURN_ADDRESS]
    assert check.verdict is BROKEN
    assert check.comparison is not None
    assert check.comparison.bunqs == f"{site.url}/oauth/Callback"
    assert check.comparison.differs_at == len(f"{site.url}/oauth/")
    assert "Registered" not in site.command("status", status=1).output, "the command without a call says the same"


def test_an_address_that_the_key_does_not_allow_is_found_while_the_session_is_open(
    site: ThreadSite, bank: Bank
) -> None:
    with site.app.app_context():
        with sessions.own(installations.current(), RateLimiter(5)) as bunq:
            keys = f"user/{bunq.path_user_id}/credential-password-ip"
            [key] = bunq.call(lambda client, token, _user: client._list(keys, token=token))
            path = f"{keys}/{key['CredentialPasswordIp']['id']}/ip"
            [found] = bunq.call(lambda client, token, _user: client._list(path, token=token))
            ours = f"{path}/{found['PermittedIp']['id']}"
            body = {"ip": "198.51.100.20", "status": "ACTIVE"}
            bunq.call(lambda client, token, _user: client._call("PUT", ours, token=token, payload=body))
        db.session.remove()
    check = examine(site.app)[CheckName.SERVER_ADDRESS]
    assert (check.verdict, check.found) == (
        BROKEN,
        "This server calls from 127.0.0.1; the API key allows 198.51.100.20.",
    )
    assert events(site.app) == [(EventKind.DOCTOR_FOUND_FAULT, {"checks": ["server_address"]})]


def test_a_refused_server_is_broken_until_bunq_takes_a_new_session(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "robin@example.com"), bank)
    beat(site.app)
    bank.fault(call="POST session-server", fault="400-credentials", times=None)
    change(site.app, db.update(BunqSession).values(expires_at=clock.now() - PAST))
    with site.app.app_context():
        [connection_id] = db.session.scalars(db.select(Connection.id)).all()
        connection_sync.run_due(connection_id, patience_s=5)
        [kind] = db.session.scalars(db.select(Consent.error_kind)).all()
        refused = db.session.scalars(db.select(Event.id).filter_by(kind=EventKind.SERVER_REFUSED)).all()
        db.session.remove()
    assert (kind, len(refused)) == (ErrorKind.SERVER_REFUSED, 1)
    found = examine(site.app)
    assert found[CheckName.SERVER_ADDRESS].verdict is BROKEN
    assert found[CheckName.SESSION].verdict is BROKEN
    assert found[CheckName.KEYS].verdict is GOOD
    assert "since" in found[CheckName.SESSION].found
    told = [(EventKind.DOCTOR_FOUND_FAULT, {"checks": ["server_address", "session"]})]
    assert events(site.app) == told
    assert "bunq refuses" in site.command("status", status=1).output
    examine(site.app)
    assert events(site.app) == told, "once, not each hour"

    bank.no_faults()
    found = examine(site.app)
    assert found[CheckName.SERVER_ADDRESS].verdict is GOOD
    assert found[CheckName.SESSION].verdict is GOOD
    assert events(site.app) == [*told, (EventKind.DOCTOR_ALL_GOOD, {"checks": ["server_address", "session"]})]
    with site.app.app_context():
        assert db.session.scalars(db.select(Consent.error_kind)).all() == [None], "what waited is tried again at once"
        db.session.remove()


def test_an_open_session_does_not_hide_that_new_ones_are_refused(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "robin@example.com"), bank)
    beat(site.app)
    bank.fault(call="POST session-server", fault="400-credentials", times=None)
    now = clock.now()
    change(site.app, db.update(Consent).values(error_kind=ErrorKind.SERVER_REFUSED, error_since=now, next_try_at=now))
    found = examine(site.app)
    assert found[CheckName.SERVER_ADDRESS].verdict is BROKEN
    assert "the open one ends" in found[CheckName.SESSION].found


def test_an_installation_that_was_withdrawn_is_found(site: ThreadSite, bank: Bank) -> None:
    bank.reset()
    found = examine(site.app)
    assert found[CheckName.KEYS].verdict is BROKEN
    assert "--new-installation" in " ".join(found[CheckName.KEYS].steps)
    assert found[CheckName.SESSION].verdict is BROKEN


def test_answers_without_bunqs_signature_are_found(site: ThreadSite, bank: Bank) -> None:
    bank.fault(call="GET callback-url", fault="bad-signature", times=None)
    found = examine(site.app)
    assert found[CheckName.KEYS].verdict is BROKEN
    assert "signature" in found[CheckName.KEYS].found
    assert found[CheckName.SESSION].verdict is GOOD


@pytest.mark.parametrize("seconds", [60, 86400])
def test_a_clock_that_is_off_is_found(site: ThreadSite, bank: Bank, seconds: int) -> None:
    bank.advance(seconds)
    check = examine(site.app)[CheckName.CLOCK]
    assert check.verdict is BROKEN
    assert "behind bunq’s" in check.found


def test_bunq_that_is_away_breaks_nothing_and_leaves_a_fault_as_it_was(site: ThreadSite, bank: Bank) -> None:
    bank.advance(60)
    examine(site.app)
    bank.switch(maintenance=True)
    found = examine(site.app)
    # The time in the answer that refuses is bunq's too.
    assert {name for name, each in found.items() if each.verdict is BROKEN} == {CheckName.CLOCK}
    bank.switch(maintenance=False)
    bank.fault(call="ANY *", fault="reset", times=None)
    assert verdicts(site.app) == {CheckName.CLOCK: NOT_KNOWN}
    assert events(site.app) == [(EventKind.DOCTOR_FOUND_FAULT, {"checks": ["clock"]})], "nothing says that it is well"


def test_a_secret_that_no_key_opens_is_named_without_its_value(site: ThreadSite) -> None:
    change(site.app, db.update(Installation).values(client_secret_sealed=b"\x02k9" + bytes(60)))
    check = examine(site.app)[CheckName.KEYS]
    assert (check.verdict, check.found) == (
        BROKEN,
        "Secrets cannot be opened with the present keys: installation.client_secret",
    )


def test_an_api_key_that_no_key_opens_stops_no_other_check(site: ThreadSite) -> None:
    change(site.app, db.update(Installation).values(api_key_sealed=b"\x02k9" + bytes(60)))
    change(site.app, db.update(BunqSession).values(expires_at=clock.now() - PAST))
    found = examine(site.app)
    assert found[CheckName.KEYS].verdict is BROKEN
    assert found[CheckName.CALLBACKS].verdict is GOOD


@pytest.mark.settings(PUBLIC_URL="http://localhost:9")
def test_callbacks_that_cannot_come_are_found(app: Flask) -> None:
    set_up(app)
    check = examine(app)[CheckName.CALLBACKS]
    assert check.verdict is BROKEN
    assert "no connection" in check.found
    assert "bunq" not in check.found.partition("Our own call")[2].partition("Payments")[0]


def test_a_callback_that_came_lately_makes_our_own_call_needless(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    consents.connect(sign_in(site, "robin@example.com"), bank)
    change(site.app, db.update(Connection).values(callback_received_at=clock.now() - timedelta(hours=3)))
    monkeypatch.setattr(ping, "send", lambda _row: pytest.fail("called"))
    assert examine(site.app)[CheckName.CALLBACKS].verdict is GOOD


def test_a_worker_that_is_down_and_what_waits_for_it_are_found(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "robin@example.com"), bank)
    with site.app.app_context(), transaction():
        emit(EventKind.SYNC_REQUESTED, connection_id=1)
    change(site.app, db.update(Event).values(handled_at=None, created_at=clock.now() - timedelta(minutes=11)))
    found = verdicts(site.app)
    assert found[CheckName.WORKER] is BROKEN
    assert found[CheckName.QUEUE] is BROKEN


@pytest.mark.sqlite_only
def test_without_tables_the_command_says_so(app: Flask, empty_database_url: str) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = empty_database_url
    with app.app_context():
        db.engine.dispose()
        db.session.execute(db.text("UPDATE alembic_version SET version_num = '0000'"))
        db.session.commit()
        db.session.remove()
    done = app.test_cli_runner().invoke(args=["doctor", "--json"])
    assert done.exit_code == 1
    [storage] = [each for each in json.loads(done.output)["checks"] if each["name"] == "storage"]
    assert (storage["verdict"], storage["found"]) == ("broken", "The database is not migrated.")
    with app.app_context():
        db.session.execute(db.text("DROP TABLE doctor_state"))
        db.session.execute(db.text("DROP TABLE write_check"))
        db.session.commit()
        db.session.remove()
    done = app.test_cli_runner().invoke(args=["doctor"])
    assert done.exit_code == 1
    assert "Broken     Disk and database: Nothing can be stored." in done.output


def test_the_log_has_each_call_with_what_bunq_answered(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "robin@example.com"), bank)
    with site.app.app_context():
        [connection_id] = db.session.scalars(db.select(Connection.id)).all()
        connection_sync.run_due(connection_id, patience_s=30)
        logged = db.session.scalars(db.select(BunqCall).order_by(BunqCall.id)).all()
        rows = [(each.endpoint.split()[0], each.status, each.response_id) for each in logged]
        of_connection = {each.endpoint for each in logged if each.connection_id == connection_id}
        db.session.remove()
    # The token endpoint names no response id.
    seen = [
        (each["method"], each["status"], None if each["path"].endswith("/token") else each["response_id"])
        for each in bank.calls()
    ]
    assert sorted(rows, key=str) == sorted(seen, key=str)
    assert "GET user/#/monetary-account/#/payment" in of_connection
    assert "POST token" in {each.endpoint for each in logged}


def test_a_call_without_an_answer_is_in_the_log_too(site: ThreadSite, bank: Bank) -> None:
    bank.fault(call="GET callback-url", fault="reset", times=None)
    examine(site.app)
    with site.app.app_context():
        failed = db.session.scalars(db.select(BunqCall).where(BunqCall.status.is_(None))).all()
        assert {(each.endpoint, each.response_id) for each in failed} == {
            ("GET user/#/oauth-client/#/callback-url", None)
        }
        assert all(each.duration_ms >= 0 for each in failed)
        db.session.remove()


@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_the_log_says_how_many_calls_are_left(site: ThreadSite) -> None:
    examine(site.app)
    with site.app.app_context():
        query = db.select(BunqCall.calls_left).where(BunqCall.endpoint.like("%credential-password-ip"))
        assert db.session.scalars(query).all() == [2]
        assert db.session.get(DoctorState, 1) is not None
        db.session.remove()


def test_verdicts_of_a_look(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "robin@example.com"), bank)
    beat(site.app)
    assert verdicts(site.app) == {CheckName.BACKUP: LOOK}, "no backup was ever made"
