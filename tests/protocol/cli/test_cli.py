"""The commands as an operator uses them: plain texts, right exit codes, and no stack trace."""

import re
import subprocess
import sys
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask

from bunqflask import clock
from bunqflask.config import ROOT
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    BunqSession,
    Connection,
    ConnectionState,
    Consent,
    Installation,
    Invitation,
    Login,
    Payment,
    TeamRole,
)
from bunqflask.services.team import invitations, members, passwords, resets
from tests.support import consents
from tests.support.apps import PASSWORD, ThreadSite, add_member, child_environ, environ_for, set_up, sign_in
from tests.support.bank import WALKER_STUDIO, Bank
from tests.support.worker import beat

WAIT_S = 60


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")


def flask(app: Flask, *arguments: str, stdin: str = "") -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=stdin)


# flask status


def test_status_before_setup_says_what_to_do(app: Flask) -> None:
    told = flask(app, "status")
    assert told.exit_code == 1
    assert "to do: run `flask --app wsgi setup`" in told.output
    assert "connections      none yet" in told.output


@pytest.mark.sqlite_only
def test_status_names_each_step_that_is_missing(app: Flask, bank: Bank) -> None:
    bank.fault(call="POST device-server", fault="491")
    assert flask(app, "setup", "--new-sandbox-user", "company").exit_code == 1
    told = flask(app, "status").output.splitlines()
    missing = {line.split("  ")[0] for line in told if "not yet" in line or line.rstrip().endswith(" none")}
    assert missing == {"device", "session", "OAuth client"}
    assert "installation     number" in "\n".join(told)


def test_status_after_setup_is_content_and_calls_nobody(app: Flask, bank: Bank) -> None:
    set_up(app)
    bank.forget_calls()
    told = flask(app, "status")
    assert told.exit_code == 0, told.output
    assert "worker           None runs" in told.output
    assert "return address   Registered letter for letter: http://localhost:5000/oauth/callback" in told.output
    assert "Open until" in told.output
    assert not bank.calls()
    with app.app_context():
        db.session.execute(db.update(BunqSession).values(expires_at=clock.now() - timedelta(days=1)))
        db.session.commit()
        db.session.remove()
    told = flask(app, "status")
    assert told.exit_code == 0
    assert "Over; a new one is opened when it is needed" in told.output


@pytest.mark.sqlite_only
def test_status_shows_connections_and_which_need_a_person(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "sam@team.example"), bank)
    told = flask(site.app, "status")
    assert told.exit_code == 1
    step = "to do: Start it: `systemctl start bunqflask-worker`, or without systemd `flask --app wsgi worker`."
    assert step in told.output, "payments are waited for in vain"
    beat(site.app)
    told = flask(site.app, "status")
    assert told.exit_code == 0
    assert "worker           Runs" in told.output
    assert "Jodi Walker, working since " in told.output
    assert "reminder to renew " in told.output
    with site.app.app_context():
        db.session.execute(db.update(Connection).values(state=ConnectionState.LOST, display_name="Jodi Walker"))
        db.session.commit()
        db.session.remove()
    told = flask(site.app, "status")
    assert told.exit_code == 1
    assert "to do: Jodi Walker needs to approve again" in told.output


@pytest.mark.sqlite_only
def test_status_shows_no_secret(app: Flask) -> None:
    set_up(app)
    told = flask(app, "status").output
    with app.app_context():
        stored = db.session.scalars(db.select(Installation)).one()
        for secret in (stored.token, stored.api_key, stored.client_secret, stored.client_id):
            assert secret is not None
            assert secret not in told
        db.session.remove()


# flask sync


@pytest.mark.sqlite_only
def test_sync_says_why_a_connection_stopped_and_reads_the_others(site: ThreadSite, bank: Bank) -> None:
    assert flask(site.app, "sync").output == "There is no active connection.\n"
    browser = sign_in(site, "sam@team.example")
    consents.connect(browser, bank)
    consents.connect(browser, bank, person=WALKER_STUDIO)
    bank.fault(call="GET monetary-account", fault="bad-signature")
    told = flask(site.app, "sync")
    assert told.exit_code == 1
    assert "Jodi Walker:\n  stopped: not_trusted bunq's answer carries a wrong signature\nWalker Studio" in told.output
    with site.app.app_context():
        query = db.select(Consent).join(Connection).where(Connection.display_name == "Jodi Walker")
        jodi = db.session.scalars(query).one()
        jodi.error_kind, jodi.next_try_at, jodi.access_token_sealed = None, None, b"\x02k9" + bytes(40)
        db.session.commit()
        number = jodi.connection_id
        db.session.remove()
    told = flask(site.app, "sync")
    assert told.exit_code == 1
    assert "Jodi Walker:\n  stopped: a stored secret cannot be opened: no key 'k9'" in told.output
    assert "payments, up to date" in told.output.partition("Walker Studio")[2]
    with site.app.app_context():
        db.session.execute(db.update(Connection).where(Connection.id == number).values(state=ConnectionState.LOST))
        db.session.commit()
        db.session.remove()
    assert flask(site.app, "sync", "--connection", str(number)).exit_code == 1


@pytest.mark.sqlite_only
def test_sync_by_hand_asks_bunq_at_once_after_a_failure(site: ThreadSite, bank: Bank) -> None:
    consents.connect(sign_in(site, "sam@team.example"), bank, accounts=[2083712])
    bank.fault(call="GET monetary-account", fault="bad-signature")
    assert flask(site.app, "sync").exit_code == 1
    with site.app.app_context():
        assert db.session.scalars(db.select(Consent.next_try_at)).one() is not None
        db.session.remove()
    told = flask(site.app, "sync")
    assert told.exit_code == 0, told.output
    assert "payments, up to date" in told.output


@pytest.mark.sqlite_only
@pytest.mark.parametrize("table", [Connection, AccountSync])
def test_sync_by_hand_waits_for_the_lease_of_a_worker_that_died(
    site: ThreadSite, bank: Bank, table: type[Connection] | type[AccountSync]
) -> None:
    consents.connect(sign_in(site, "sam@team.example"), bank, accounts=[2083712])
    assert flask(site.app, "sync").exit_code == 0
    bank.seed(3, account=2083712)
    with site.app.app_context():
        ends = clock.now() + timedelta(seconds=3)
        db.session.execute(db.update(table).values(lease_holder="0" * 32, lease_until=ends))
        before = rows_of_payments()
        db.session.commit()
        db.session.remove()
    told = flask(site.app, "sync")
    assert told.exit_code == 0, told.output
    with site.app.app_context():
        assert clock.now() > ends
        assert rows_of_payments() == before + 3
        db.session.remove()


def rows_of_payments() -> int:
    return db.session.scalar(db.select(db.func.count(Payment.id))) or 0


@pytest.mark.parametrize("fault", ["404", "403-permission"])
@pytest.mark.sqlite_only
def test_an_account_whose_payments_bunq_does_not_list_is_told_and_no_failure(
    site: ThreadSite, bank: Bank, fault: str
) -> None:
    browser = sign_in(site, "sam@team.example")
    consents.connect(browser, bank, accounts=[2083712])
    bank.fault(call="GET payment", fault=fault, times=100)
    told = flask(site.app, "sync")
    assert "0 payments; bunq does not list any more of this account" in told.output
    assert told.exit_code == 0
    assert (
        "bunq doesn’t provide payments for this account" in browser.get("/connections/1/accounts/2083712/payments").text
    )
    bank.no_faults()
    told = flask(site.app, "sync")
    assert "payments, up to date" in told.output
    assert told.exit_code == 0


# flask team


def token_of(output: str) -> str:
    """Return the token of the one-time link that a command printed."""
    found = re.search(r"^  http://localhost:\d+/(?:welcome|password)/([\w-]{43})$", output, re.MULTILINE)
    assert found, output
    return found.group(1)


def test_a_member_is_added_listed_reset_and_removed(app: Flask) -> None:
    added = flask(app, "team", "add", "Sam@Team.Example", "--name", "Sam", "--password-stdin", stdin=PASSWORD + "\n")
    assert added.exit_code == 0, added.output
    assert "Sam can log in with sam@team.example, as owner." in added.output
    assert flask(app, "team", "add", "kim@team.example", "--password-stdin", stdin=PASSWORD).exit_code == 0
    listed = flask(app, "team", "list").output
    assert "sam@team.example  Sam  owner  since" in listed
    assert "kim@team.example  kim  member  since" in listed
    with app.app_context():
        member = members.find("sam@team.example")
        assert member is not None
        now = clock.now()
        db.session.add(
            Login(token_hash="0" * 64, member_id=member.id, address="", user_agent="", created_at=now, last_seen_at=now)
        )
        db.session.commit()
        db.session.remove()
    reset = flask(app, "team", "reset", "sam@team.example")
    assert "logged out everywhere" in reset.output
    with app.app_context():
        assert db.session.scalars(db.select(Login)).first() is None
        assert not passwords.matches(members.require("sam@team.example").password_hash, PASSWORD)
        resets.use(token_of(reset.output), "another " + PASSWORD)
        assert passwords.matches(members.require("sam@team.example").password_hash, "another " + PASSWORD)
        db.session.remove()
    assert flask(app, "team", "remove", "kim@team.example").exit_code == 0
    assert "kim" not in flask(app, "team", "list").output
    assert PASSWORD not in added.output + reset.output


def test_an_invitation_is_printed_once_and_makes_a_member_of_the_role_asked_for(app: Flask) -> None:
    first = flask(app, "team", "invite", "Sam@Team.Example")
    assert "It works once, until " in first.output
    with app.app_context():
        found = invitations.get(token_of(first.output))
        assert (found.label, found.role, found.inviter) == ("sam@team.example", TeamRole.OWNER, None)
        invitations.accept(token_of(first.output), email="sam@team.example", name="Sam", password=PASSWORD)
        db.session.remove()
    last_day = clock.now().date() + timedelta(days=30)
    second = flask(app, "team", "invite", "kim@team.example", "--role", "guest", "--until", f"{last_day}")
    with app.app_context():
        kim = invitations.accept(token_of(second.output), email="kim@team.example", name="", password=PASSWORD)
        assert (kim.role, kim.may_export) == (TeamRole.GUEST, False)
        db.session.remove()
    assert f"kim@team.example  kim  guest until {last_day}  since" in flask(app, "team", "list").output


def test_roles_are_changed_and_members_locked_from_a_shell(app: Flask) -> None:
    add_member(app, "sam@team.example")
    add_member(app, "kim@team.example")
    changed = flask(app, "team", "change", "kim@team.example", "--role", "admin")
    assert changed.stdout == "kim@team.example is now admin.\n"
    assert "cannot log in" in flask(app, "team", "lock", "kim@team.example").output
    assert flask(app, "team", "list").output.splitlines()[1].endswith("  locked")
    assert "can log in again" in flask(app, "team", "unlock", "kim@team.example").output
    assert "locked" not in flask(app, "team", "list").output


@pytest.mark.parametrize(
    "arguments", [["remove"], ["lock"], ["change", "--role", "admin"], ["change", "--role", "member"]], ids=str
)
def test_the_last_owner_cannot_be_removed_locked_or_demoted(app: Flask, arguments: list[str]) -> None:
    add_member(app, "sam@team.example")
    add_member(app, "kim@team.example")
    command, *others = arguments
    refused = flask(app, "team", command, "sam@team.example", *others)
    assert refused.exit_code == 1
    assert "is the last owner who can log in" in refused.output
    assert "sam@team.example  sam  owner  since" in flask(app, "team", "list").output


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["add", "not-an-email", "--password-stdin"], PASSWORD, "is not an email address"),
        (["add", "sam@team.example", "--password-stdin"], PASSWORD, "has a login already"),
        (["add", "SAM@TEAM.EXAMPLE", "--password-stdin"], PASSWORD, "has a login already"),
        (["add", "kim@team.example", "--password-stdin"], "short", "A password needs 12 to 200 characters"),
        (["add", "kim@team.example", "--password-stdin"], "", "A password needs 12 to 200 characters"),
        (["add", "kim@team.example", "--password-stdin"], "x" * 201, "A password needs 12 to 200 characters"),
        (["add", "kim@team.example", "--password-stdin", "--role", "guest"], PASSWORD, "A guest needs a last day"),
        (["invite", "not-an-email"], "", "is not an email address"),
        (["invite", "kim@team.example", "--role", "guest"], "", "A guest needs a last day"),
        (["invite", "kim@team.example", "--role", "guest", "--until", "2020-01-01"], "", "today at the earliest"),
        (["invite", "kim@team.example", "--role", "guest", "--until", "2999-01-01"], "", "in a year at the latest"),
        (["reset", "kim@team.example"], "", "Nobody here has the email"),
        (["change", "kim@team.example", "--role", "admin"], "", "Nobody here has the email"),
        (["lock", "kim@team.example"], "", "Nobody here has the email"),
        (["remove", "kim@team.example"], "", "Nobody here has the email"),
    ],
)
def test_what_the_team_refuses_is_one_line(app: Flask, arguments: list[str], stdin: str, words: str) -> None:
    add_member(app, "sam@team.example")
    refused = flask(app, "team", *arguments, stdin=stdin)
    assert refused.exit_code == 1
    assert words in refused.output
    assert len(refused.output.splitlines()) == 1
    with app.app_context():
        assert [member.email for member in members.list_all()] == ["sam@team.example"]
        assert passwords.matches(members.require("sam@team.example").password_hash, PASSWORD)
        assert db.session.scalars(db.select(Invitation)).all() == []
        db.session.remove()


def test_nobody_is_asked_for_the_password_of_somebody_else(app: Flask) -> None:
    refused = flask(app, "team", "add", "sam@team.example")
    assert refused.exit_code == 2
    assert "Missing option '--password-stdin'" in refused.output
    assert flask(app, "team", "list").output == ""


# Settings


@pytest.mark.sqlite_only
def test_wrong_settings_are_one_line_and_stop_every_command(app: Flask, bank: Bank, database_url: str) -> None:
    environ = child_environ(environ_for(bank, database_url, PUBLIC_URL="nonsense", SECRET_KEY="hush-hush"))
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "status"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "SECRET_KEY is too short" in done.stderr
    assert "PUBLIC_URL must be a plain http(s) address" in done.stderr
    assert "hush" not in done.stderr


@pytest.mark.sqlite_only
def test_a_secret_that_no_key_opens_is_one_line(app: Flask) -> None:
    set_up(app)
    with app.app_context():
        db.session.execute(db.update(Installation).values(api_key_sealed=b"\x02k9" + b"\x00" * 40))
        db.session.commit()
        db.session.remove()
    refused = flask(app, "setup")
    assert refused.exit_code == 1
    assert "no key 'k9' in ENCRYPTION_KEYS" in refused.output
    assert isinstance(refused.exception, SystemExit)
