"""Who sees the doctor, what the report holds, and what a stranger gets at its own address."""

from __future__ import annotations

import json
import re
import secrets
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from bunqflask import clock, worker
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    BackupOutcome,
    BackupRecord,
    BunqCall,
    Connection,
    DoctorState,
    Event,
    EventKind,
    MonetaryAccount,
    Payment,
    TeamRole,
    TokenScope,
)
from bunqflask.services.doctor import ping, runs
from bunqflask.services.gateway import call_log
from tests.protocol.api.program import program_of
from tests.protocol.gateway.test_onboarding import secrets_of
from tests.support import consents, rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import Bank
from tests.support.secrets import SecretsSeen

ROBIN = "robin@example.com"
MINUTE = timedelta(minutes=1)


def kinds(app: Flask, *wanted: EventKind) -> list[tuple[EventKind, dict[str, Any]]]:
    with rows.behind(app):
        found = db.session.execute(db.select(Event.kind, Event.facts).where(Event.kind.in_(wanted)).order_by(Event.id))
        return [(kind, facts) for kind, facts in found]


def store(app: Flask, *added: object) -> None:
    with rows.behind(app), transaction():
        db.session.add_all(added)


def test_an_owner_checks_again_and_sees_the_result(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, ROBIN)
    page = robin.get("/doctor")
    assert "Nothing was checked yet" in page.text
    page = robin.submit(button=None, action="/doctor/check")
    assert page.status == 200
    assert "10 good" in page.text
    bank.advance(60)
    page = robin.submit(button=None, action="/doctor/check")
    assert "1 broken, 9 good" in page.text
    assert "timedatectl" in page.text


@pytest.mark.parametrize(
    ("role", "doctor", "calls"),
    [(TeamRole.OWNER, 200, 200), (TeamRole.ADMIN, 200, 403), (TeamRole.MEMBER, 403, 403), (TeamRole.GUEST, 403, 403)],
)
@pytest.mark.sqlite_only
def test_who_runs_the_team_sees_the_doctor_and_owners_the_calls(
    site: ThreadSite, role: TeamRole, doctor: int, calls: int
) -> None:
    sign_in(site, ROBIN)
    add_member(site.app, "sam@example.org", role=role)
    sam = sign_in(site, "sam@example.org")
    assert ("Doctor" in sam.get("/settings").text) is (doctor == 200)
    assert sam.get("/doctor").status == doctor
    assert ("Every call to bunq" in sam.page.text) is (calls == 200)
    assert sam.get("/doctor/calls").status == calls
    assert rows.count(site.app, DoctorState) == 0, "looking examines nothing"


def test_the_report_holds_nothing_about_people_money_or_secrets(
    site: ThreadSite, bank: Bank, secrets_seen: SecretsSeen
) -> None:
    bank.seed(20, account=2083712)
    robin = sign_in(site, ROBIN)
    consents.connect(robin, bank)
    rows.run_duties(site.app)
    bank.fault(call="POST session-server", fault="400-credentials", times=None)
    robin.get("/doctor")
    page = robin.submit(button=None, action="/doctor/check")
    [report] = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page.html, re.DOTALL)
    assert "Address of this server" in report
    as_command = site.app.test_cli_runner().invoke(args=["doctor"]).output
    as_json = site.app.test_cli_runner().invoke(args=["doctor", "--json"]).output
    as_api = json.dumps(program_of(site, ROBIN, scopes=(TokenScope.METRICS_READ,)).get("/doctor"))
    with rows.behind(site.app):
        accounts = db.session.scalars(db.select(MonetaryAccount)).all()
        names = {each.iban for each in accounts} | {str(each.monetary_account_id) for each in accounts}
        payments = db.session.scalars(db.select(Payment)).all()
        names |= {each.counterparty_name for each in payments} | {each.description for each in payments}
        names |= {each.display_name for each in db.session.scalars(db.select(Connection))}
    assert payments
    names |= {"Jodi", "Walker", "robin@", *secrets_of(site.app), *(value for _kind, value in secrets_seen)}
    for shown in (report, as_command, as_json, as_api):
        assert not [name for name in names if name and len(name) > 3 and name in shown]


def test_a_program_reads_the_last_examination_and_starts_none(site: ThreadSite, bank: Bank) -> None:
    sign_in(site, ROBIN)
    program = program_of(site, ROBIN, scopes=(TokenScope.METRICS_READ,))
    assert program.get("/doctor") == {"checked_at": None, "is_broken": False, "checks": []}
    bank.advance(60)
    assert site.app.test_cli_runner().invoke(args=["doctor"]).exit_code == 1
    found = program.get("/doctor")
    assert found["is_broken"] is True
    assert {each["name"]: each["verdict"] for each in found["checks"]}["clock"] == "broken"
    add_member(site.app, "ann@example.org", role=TeamRole.ADMIN)
    assert program_of(site, "ann@example.org", scopes=(TokenScope.METRICS_READ,)).get("/doctor")["is_broken"]
    assert program_of(site, ROBIN).call("/doctor").status_code == 403


def test_the_command_ends_with_1_only_when_something_is_broken(site: ThreadSite, bank: Bank) -> None:
    done = site.command("doctor", "--json")
    assert json.loads(done.output)["is_broken"] is False
    bank.advance(60)
    done = site.command("doctor", status=1)
    assert "Broken     Clock: This server’s clock is" in done.output
    assert "           - Let the clock be set by the network" in done.output


# The worker


def work(app: Flask) -> None:
    with rows.behind(app), rows.read_only():
        worker.run_duties_once()


def test_the_worker_examines_every_hour_and_at_once_after_a_refusal(site: ThreadSite, bank: Bank) -> None:
    work(site.app)

    def checked_at() -> Any:
        with rows.behind(site.app):
            return db.session.scalar(db.select(DoctorState.checked_at))

    def let_pass(**span: float) -> None:
        with rows.behind(site.app), transaction():
            db.session.execute(db.update(DoctorState).values(checked_at=clock.now() - timedelta(**span)))

    first = checked_at()
    assert first is not None
    work(site.app)
    assert checked_at() == first, "not within the hour"
    let_pass(minutes=61)
    work(site.app)
    second = checked_at()
    assert second > first
    let_pass(minutes=5)
    store(site.app, Event(kind=EventKind.SERVER_REFUSED, created_at=clock.now() - MINUTE, facts={}))
    work(site.app)
    assert checked_at() > second, "bunq has refused this server"
    with rows.behind(site.app):
        assert not db.session.scalars(db.select(Event.id).where(Event.handled_at.is_(None))).all()


def test_many_who_check_at_once_examine_once_and_tell_once(site: ThreadSite, bank: Bank) -> None:
    bank.advance(60)
    site.command("doctor", status=1)
    with rows.behind(site.app), transaction():
        db.session.execute(db.update(DoctorState).values(faults=()))
        db.session.execute(db.delete(Event))
    bank.forget_calls()
    found: list[runs.Examination] = []

    def check() -> None:
        with rows.behind(site.app):
            found.append(runs.run())

    threads = [threading.Thread(target=check) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 4
    assert all(each.is_broken for each in found)
    told = (EventKind.DOCTOR_FOUND_FAULT, EventKind.DOCTOR_ALL_GOOD)
    assert kinds(site.app, *told) == [(EventKind.DOCTOR_FOUND_FAULT, {"checks": ["clock"]})]
    assert len(bank.calls("GET", "callback-url")) == 1


# Backups


def test_a_backup_that_fails_is_told_at_once_and_only_once(site: ThreadSite, tmp_path: Path) -> None:
    site.command("backup", str(tmp_path / "no-such-folder" / "b"), status=1)
    told = [(EventKind.BACKUP_FAILED, {"reason": "failed"})]
    assert kinds(site.app, EventKind.BACKUP_FAILED) == told
    assert "The last one failed" in site.command("doctor", status=1).output
    assert kinds(site.app, EventKind.BACKUP_FAILED, EventKind.DOCTOR_FOUND_FAULT) == told
    file = tmp_path / "b"
    site.command("backup", str(file))
    assert "no restore was tested here" in site.command("doctor").output
    assert kinds(site.app, EventKind.DOCTOR_ALL_GOOD) == [(EventKind.DOCTOR_ALL_GOOD, {"checks": ["backup"]})]
    site.command("restore", "--check", str(file))
    assert "Good       Backup: Made" in site.command("doctor").output
    with rows.behind(site.app):
        found = db.session.scalars(db.select(BackupRecord).order_by(BackupRecord.id)).all()
        assert [(each.outcome, each.size_bytes) for each in found] == [
            (BackupOutcome.FAILED, None),
            (BackupOutcome.MADE, file.stat().st_size),
            (BackupOutcome.TESTED, file.stat().st_size),
        ]


def test_a_backup_that_is_too_old_is_told_once(site: ThreadSite) -> None:
    store(site.app, BackupRecord(at=clock.now() - timedelta(hours=27), outcome=BackupOutcome.MADE, size_bytes=1))
    for _ in range(2):
        site.command("doctor", status=1)
    told = [(EventKind.BACKUP_FAILED, {"reason": "too_old"})]
    assert kinds(site.app, EventKind.BACKUP_FAILED, EventKind.DOCTOR_FOUND_FAULT) == told


# The address that the doctor calls


def test_a_stranger_learns_nothing_at_the_address_that_the_doctor_calls(site: ThreadSite) -> None:
    with rows.behind(site.app):
        assert ping.answer("x" * 43) is None
        runs.run()
    for value in ("x", "x" * 43, "%00", "é"):
        answer = requests.get(f"{site.url}{ping.PATH}{value}", timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.text) == (404, ""), value


def test_a_value_works_once_and_for_a_minute(site: ThreadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with rows.behind(site.app):
        runs.run()
    given = ["value-0", "value-1"]
    values = iter(given)
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _length: next(values))
    address = f"{site.url}{ping.PATH}"
    with rows.behind(site.app):
        assert ping.send(1) == ""
    assert requests.get(address + given[0], timeout=10).status_code == 404, "used up"
    site.app.config["PUBLIC_URL"] = "http://localhost:9"
    with rows.behind(site.app):
        assert ping.send(1) == "no connection"
    with rows.behind(site.app), transaction():
        db.session.execute(db.update(DoctorState).values(ping_at=clock.now() - 2 * MINUTE))
    assert requests.get(address + given[1], timeout=10).status_code == 404, "too late"


@pytest.mark.sqlite_only
def test_another_site_at_our_address_and_a_redirect_are_no_answer(site: ThreadSite, bank: Bank) -> None:
    with rows.behind(site.app):
        runs.run()
        site.app.config["PUBLIC_URL"] = bank.origin
        assert ping.send(1) == "it answers 404"
        # A redirect would lead to the answer; it is not followed.
        site.app.config["PUBLIC_URL"] = f"{site.url}/login?next="
        assert ping.send(1) in ("another site answers there", "it answers 302")


# The log of calls


def test_calls_are_paged_and_filtered(site: ThreadSite) -> None:
    robin = sign_in(site, ROBIN)
    now = clock.now()
    statuses = [None, 400, 429, 503, *([200] * (call_log.PAGE_SIZE + 3))]
    calls = [
        BunqCall(at=now, endpoint=f"GET test/{number}", duration_ms=1, status=status)
        for number, status in enumerate(statuses)
    ]
    with rows.behind(site.app), transaction():
        db.session.execute(db.delete(BunqCall))
        db.session.add_all(calls)
    page = robin.get("/doctor/calls")
    last = len(statuses) - 1
    assert page.text.count("GET test/") == call_log.PAGE_SIZE
    assert f"GET test/{last} " in page.text.replace("\n", " ")
    page = robin.get(page.link("Older calls"))
    assert page.text.count("GET test/") == len(statuses) - call_log.PAGE_SIZE
    for answered, numbers in {"refused": [1], "limited": [2], "failed": [3, 0]}.items():
        text = robin.get(f"/doctor/calls?answered={answered}").text
        assert text.count("GET test/") == len(numbers), answered
    for odd in ("answered=x", "below=x", "below=-1", "below=99999999999999999999", "below=%00"):
        assert robin.get(f"/doctor/calls?{odd}").status == 200


def test_calls_are_kept_for_two_weeks(site: ThreadSite) -> None:
    old, young = clock.now() - timedelta(days=14, minutes=1), clock.now() - timedelta(days=13)
    times = {"old": old, "young": young}
    store(site.app, *(BunqCall(at=at, endpoint=f"GET {name}", duration_ms=1) for name, at in times.items()))
    rows.run_duties(site.app)
    with rows.behind(site.app):
        found = set(db.session.scalars(db.select(BunqCall.endpoint)))
    assert "GET young" in found
    assert "GET old" not in found


def test_the_log_holds_no_id_query_or_secret(site: ThreadSite, bank: Bank, secrets_seen: SecretsSeen) -> None:
    consents.connect(sign_in(site, ROBIN), bank)
    rows.run_duties(site.app)
    with rows.behind(site.app):
        logged = db.session.execute(db.select(*BunqCall.__table__.c)).all()
    assert logged
    text = repr(logged)
    assert not [
        secret for secret in {*secrets_of(site.app), *(value for _kind, value in secrets_seen)} if secret in text
    ]
    assert "?" not in "".join(row.endpoint for row in logged)
    assert not [row.endpoint for row in logged if any(sign.isdigit() for sign in row.endpoint)]
