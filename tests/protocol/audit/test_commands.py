"""`flask audit`: what it lists, and what its exit status says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from bunqflask.config import ROOT
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AuditKind
from bunqflask.services.audit import trail
from bunqflask.services.team import members
from tests.protocol.audit.conftest import Tamper
from tests.support.apps import PASSWORD, bare_environ, child_environ, migrate
from tests.support.audit import an_event

ROBIN = "robin@example.com"


@pytest.fixture
def known(here: Flask) -> int:
    """A trail of three events by or about Robin and one by nobody; returns Robin's id."""
    robin = members.add(ROBIN, "Robin", PASSWORD)
    an_event(AuditKind.LOGIN, actor_id=robin.id, actor_text=f"Robin <{ROBIN}>", days_ago=9)
    an_event(AuditKind.LOGIN_REFUSED, address="203.0.113.7", subject="Robin", subject_member_id=robin.id)
    an_event(AuditKind.KEYS_ROTATED, facts={"secrets": 3}, actor_text="deploy")
    db.session.rollback()
    return robin.id


def run(app: Flask, *arguments: str, status: int = 0) -> str:
    db.session.rollback()
    done = app.test_cli_runner().invoke(args=["audit", *arguments])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.output


def kinds(output: str) -> list[str]:
    return [json.loads(line)["kind"] for line in output.splitlines()]


def test_events_are_listed_by_member_day_and_kind(here: Flask, known: int) -> None:
    assert kinds(run(here, "list", "--json")) == ["member_added", "login", "login_refused", "keys_rotated"]
    assert kinds(run(here, "list", "--json", "--member", ROBIN)) == ["member_added", "login", "login_refused"]
    assert kinds(run(here, "list", "--json", "--kind", "login")) == ["login"]
    assert "login" not in kinds(run(here, "list", "--json", "--since", "2026-11-25"))
    assert kinds(run(here, "list", "--json", "--kind", "trail_read")) == ["trail_read"] * 4
    shown = run(here, "list", "--kind", "login_refused")
    assert "login_refused  203.0.113.7  Robin" in shown
    assert "There is no kind nonsense; there are login," in run(here, "list", "--kind", "nonsense", status=1)


def test_a_removed_member_is_found_by_the_name_in_the_trail(here: Flask, known: int) -> None:
    with transaction():
        db.session.execute(db.text("DELETE FROM team_member"))
    assert "login" in kinds(run(here, "list", "--json", "--member", "Robin@example.com"))
    assert "Nobody here has the email" in run(here, "list", "--member", "sam@example.com", status=1)


def test_verify_says_how_many_events_and_lines_agree(here: Flask, known: int, lines: list[str], tmp_path: Path) -> None:
    with transaction():
        trail.record(AuditKind.SETUP_RUN, actor_id=None)
    assert "5 events are as they were written; the last is 5 " in run(here, "verify")
    log = tmp_path / "log"
    log.write_text("\n".join(lines) + "\n")
    assert "1 lines of the log agree with them" in run(here, "verify", "--log", str(log))


def test_verify_exits_with_1_and_names_the_event(here: Flask, known: int, tampering: Tamper) -> None:
    with tampering() as connection:
        connection.execute(db.text("UPDATE audit_event SET address = '203.0.113.8' WHERE id = 3"))
    told = run(here, "verify", status=1)
    assert "The audit trail was changed at event 3: it is not as it was written." in told


@pytest.mark.sqlite_only
@pytest.mark.parametrize("is_journal", [True, False], ids=["a service", "cron"])
def test_a_command_writes_its_line_to_the_journal_and_into_no_mail_of_cron(tmp_path: Path, is_journal: bool) -> None:
    url = f"sqlite:///{tmp_path / 'ours.sqlite3'}"
    migrate(url)
    environ = child_environ(bare_environ(url))
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "team", "invite", "sam@example.org"]
    out, end = os.pipe()
    try:
        found = os.fstat(end)
        # systemd says so of the standard error that it gives to its services.
        environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino + (not is_journal)}"
        subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=end, check=True, timeout=60)
    finally:
        os.close(end)
    with open(out, encoding="utf-8") as standard_error:
        lines = standard_error.read().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == (["invitation_made"] if is_journal else [])
