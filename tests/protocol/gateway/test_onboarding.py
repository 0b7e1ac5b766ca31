"""`flask setup`: done once, resumed wherever it was cut off, and nothing shown once is lost."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import Result
from flask import Flask

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.extensions import Base, db
from bunqflask.models import BunqSession, Installation
from bunqflask.services.gateway import onboarding
from tests.support import strange_bunq
from tests.support.apps import bare_environ, child_environ, environ_for, let_go, set_up
from tests.support.bank import Bank
from tests.support.processes import PythonProcess

WAIT_S = 60


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUNQ_API_KEY", "BUNQ_API_KEY_FILE", "BUNQ_API_URL", "BUNQ_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENV_FILE", "")


def new_key(bank: Bank, kind: str = "company") -> str:
    answer = requests.post(f"{bank.api_url}sandbox-user-{kind}", headers={"User-Agent": "test"}, timeout=WAIT_S)
    key: str = answer.json()["Response"][0]["ApiKey"]["api_key"]
    return key


def flask(app: Flask, *arguments: str, **environ: str) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), env=environ)


def counts(bank: Bank) -> dict[str, int]:
    calls = [call["path"].rpartition("/")[2] for call in bank.calls("POST")]
    return {
        path: calls.count(path)
        for path in ("installation", "device-server", "session-server", "oauth-client", "callback-url")
    }


def secrets_of(app: Flask) -> set[str]:
    """Every secret that the app's database holds, opened."""
    found: set[str] = set()
    with app.app_context():
        for mapper in Base.registry.mappers:
            if issubclass(mapper.class_, Encrypted):
                names = [name for name, each in vars(mapper.class_).items() if isinstance(each, Secret)]
                for row in db.session.scalars(db.select(mapper.class_)):
                    found |= {text for name in names if (text := getattr(row, name)) is not None}
        db.session.remove()
    return found


@contextlib.contextmanager
def installation(app: Flask) -> Iterator[Installation]:
    with app.app_context():
        yield db.session.scalars(db.select(Installation).filter_by(is_current=True)).one()
        db.session.remove()


def test_a_first_run_shows_six_steps_and_a_second_makes_nothing_anew(app: Flask, bank: Bank) -> None:
    key = new_key(bank)
    first = flask(app, "setup", BUNQ_API_KEY=key)
    assert first.exit_code == 0, first.output
    for number, name in enumerate(
        ["key pair", "installation", "device", "first session", "OAuth client", "redirect URL"], start=1
    ):
        assert f"{number}/6  {name}" in first.output
    assert counts(bank) == {
        "installation": 1,
        "device-server": 1,
        "session-server": 1,
        "oauth-client": 1,
        "callback-url": 1,
    }
    bank.forget_calls()
    for environ in ({"BUNQ_API_KEY": key}, {}):
        again = flask(app, "setup", **environ)
        assert again.exit_code == 0, again.output
    assert not bank.calls("POST")
    assert not any(secret in first.output + again.output for secret in secrets_of(app))


def test_a_run_after_the_session_ended_opens_a_session_and_nothing_else(app: Flask, bank: Bank) -> None:
    set_up(app)
    bank.forget_calls()
    bank.advance(8 * 86_400)
    assert flask(app, "setup").exit_code == 0
    assert counts(bank) == {
        "installation": 0,
        "device-server": 0,
        "session-server": 1,
        "oauth-client": 0,
        "callback-url": 0,
    }


def start(environ: dict[str, str], *arguments: str, **more: Any) -> PythonProcess:
    return PythonProcess(
        ["-m", "flask", "--app", "wsgi", "setup", *arguments],
        env=child_environ(environ),
        stdin=more.pop("stdin", subprocess.DEVNULL),
        **more,
    )


def held_by(bank: Bank) -> list[Any]:
    state = bank.state()
    return [state[name] for name in ("installations", "devices", "sessions", "oauth_clients")]


def kill_when_the_fault_struck(bank: Bank, process: PythonProcess, *, when: str, before: list[Any]) -> None:
    deadline = time.monotonic() + WAIT_S
    while bank.state()["faults"]:
        assert process.poll() is None, "setup ended before it reached the call"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if when == "after":
        # Where the work shows it is waited for; a redirect URL does not show.
        done_by = time.monotonic() + 1.5
        while held_by(bank) == before and time.monotonic() < done_by:
            time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.sqlite_only
def test_setup_killed_before_bunq_did_the_work_goes_on_to_exactly_one_of_everything(
    app: Flask, bank: Bank, database_url: str
) -> None:
    assert_resumed_after_kills(app, bank, database_url, when="before")


def test_setup_killed_before_bunqs_answer_came_goes_on_and_doubles_nothing_it_can_know_of(
    app: Flask, bank: Bank, database_url: str
) -> None:
    assert_resumed_after_kills(app, bank, database_url, when="after")


def assert_resumed_after_kills(app: Flask, bank: Bank, database_url: str, *, when: str) -> None:
    environ = environ_for(bank, database_url, BUNQ_API_KEY=new_key(bank))
    for call in ("installation", "device-server", "session-server", "oauth-client", "callback-url"):
        bank.fault(call=f"POST {call}", fault="timeout", when=when)
        before = held_by(bank)
        process = start(environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill_when_the_fault_struck(bank, process, when=when, before=before)
        with app.app_context():  # the dead process holds its lease for some seconds more: let them pass
            db.session.execute(db.update(BunqSession).values(lease_until=None))
            db.session.commit()
    last = start(environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = last.communicate(timeout=WAIT_S)
    assert last.returncode == 0, output.decode()
    state = bank.state()
    # bunq shows an installation's token once, in the answer: where that was lost, only a new one helps.
    lost = 1 if when == "after" else 0
    assert state["installations"] == 1 + lost
    assert state["sessions"] == 1 + lost
    assert state["devices"] == 1
    assert len(state["oauth_clients"]) == 1
    assert not any(secret.encode() in output for secret in secrets_of(app))


def test_two_runs_at_once_end_in_one_working_installation(app: Flask, bank: Bank, database_url: str) -> None:
    environ = environ_for(bank, database_url)
    both = [
        start(environ, "--new-sandbox-user", "company", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    for each in both:
        output, _ = each.communicate(timeout=WAIT_S)
        assert each.returncode == 0, output.decode()
    with app.app_context():
        assert db.session.scalars(db.select(Installation)).one().is_current
        # Key, installation and secret belong together: bunq takes a session signed and opened with them.
        db.session.execute(db.update(BunqSession).values(token_sealed=None, lease_until=None))
        db.session.commit()
        db.session.remove()
    assert flask(app, "setup").exit_code == 0
    assert flask(app, "status").exit_code == 0
    assert bank.state()["devices"] == 1


def read_until(terminal: int, words: bytes) -> bytes:
    seen, deadline = b"", time.monotonic() + WAIT_S
    while words not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
    return seen


@pytest.mark.sqlite_only
def test_the_api_key_is_asked_for_at_a_hidden_prompt(app: Flask, bank: Bank, database_url: str) -> None:
    key = new_key(bank)
    ours, theirs = pty.openpty()
    process = start(
        environ_for(bank, database_url),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    seen = read_until(ours, b"bunq API key (not shown): ")
    os.write(ours, key.encode() + b"\n")
    seen += read_until(ours, b"Setup is complete.")
    assert process.wait(WAIT_S) == 0
    os.close(ours)
    assert key.encode() not in seen
    with installation(app) as stored:
        assert stored.api_key == key


@pytest.mark.sqlite_only
def test_the_api_key_comes_from_a_file_and_never_from_the_command_line(app: Flask, bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(new_key(bank) + "\n")
    assert flask(app, "setup", BUNQ_API_KEY_FILE=str(path)).exit_code == 0
    assert "--api-key" not in flask(app, "setup", "--help").output
    refused = flask(app, "setup", BUNQ_API_KEY_FILE=str(path), BUNQ_API_KEY="another")
    assert refused.exit_code == 1
    assert "both set" in refused.output
    assert "another" not in refused.output


@pytest.mark.sqlite_only
def test_without_any_key_setup_says_where_to_put_one(app: Flask, bank: Bank) -> None:
    refused = flask(app, "setup")
    assert refused.exit_code == 1
    assert "set BUNQ_API_KEY or BUNQ_API_KEY_FILE" in refused.output
    assert flask(app, "setup", "--new-sandbox-user", "person").exit_code == 0
    assert counts(bank)["installation"] == 1


@pytest.mark.sqlite_only
@pytest.mark.parametrize("wrong", ["unknown", "too old"])
def test_a_refused_key_is_told_and_the_next_one_taken(app: Flask, bank: Bank, wrong: str) -> None:
    key = "sandbox_of_nobody_at_all" if wrong == "unknown" else new_key(bank)
    bank.advance(3_700)
    refused = flask(app, "setup", BUNQ_API_KEY=key)
    assert refused.exit_code == 1
    assert "bunq does not accept this API key" in refused.output
    assert "within an hour" in refused.output
    assert key not in refused.output
    # The stored key is tried once more before anybody is asked: its address may be allowed by now.
    assert flask(app, "setup").exit_code == 1
    assert flask(app, "setup", BUNQ_API_KEY=new_key(bank)).exit_code == 0
    assert counts(bank)["installation"] == 1


@pytest.mark.sqlite_only
def test_after_a_refused_key_the_prompt_comes_again(app: Flask, bank: Bank) -> None:
    assert flask(app, "setup", BUNQ_API_KEY="mistyped_at_the_prompt").exit_code == 1
    with app.app_context():
        done = list(onboarding.run(onboarding.Wishes(ask_api_key=lambda: f" {new_key(bank)} ")))
        db.session.remove()
    assert len(done) == 6


def test_another_key_does_not_displace_the_one_that_a_cut_off_run_has_bound(app: Flask, bank: Bank) -> None:
    bound, other = new_key(bank), new_key(bank)
    bank.fault(call="POST device-server", fault="reset", when="after")
    assert flask(app, "setup", BUNQ_API_KEY=bound).exit_code == 1
    again = flask(app, "setup", BUNQ_API_KEY=other)
    assert again.exit_code == 0, again.output
    assert "was registered already" in again.output
    with installation(app) as stored:
        assert stored.api_key == bound
    refused = flask(app, "setup", BUNQ_API_KEY=other)
    assert refused.exit_code == 1
    assert "--new-installation" in refused.output


def test_a_new_installation_starts_over_with_the_same_key_and_oauth_client(app: Flask, bank: Bank) -> None:
    set_up(app)
    with installation(app) as before:
        old = (before.id, before.private_key, before.token, before.api_key, before.client_id)
    assert flask(app, "setup", "--new-installation").exit_code == 0
    with installation(app) as after:
        assert after.id != old[0]
        assert after.private_key != old[1]
        assert after.token != old[2]
        assert (after.api_key, after.client_id) == old[3:]
    assert counts(bank)["oauth-client"] == 1
    assert bank.state()["installations"] == 2


@pytest.mark.sqlite_only
def test_the_redirect_url_is_compared_letter_for_letter_and_added_when_it_changed(
    app: Flask, bank: Bank, database_url: str
) -> None:
    set_up(app)
    bank.forget_calls()
    urls = ["http://localhost:5001", "http://localhost:5000/sub", "http://127.0.0.1:5000", "https://www.app.example"]
    for number, url in enumerate(urls, start=1):
        moved = create_app(Config.from_env(environ_for(bank, database_url, PUBLIC_URL=url)))
        told = flask(moved, "status")
        assert told.exit_code == 1
        assert f"Ours is {url}/oauth/callback; bunq’s is " in told.output
        assert f"Run `flask --app wsgi setup`: it registers {url}/oauth/callback at bunq." in told.output
        assert f"added, {url}/oauth/callback" in flask(moved, "setup").output
        assert counts(bank)["callback-url"] == number
        assert flask(moved, "status").exit_code == 0
        let_go(moved)
    with installation(app) as stored:
        assert len(stored.redirect_uris) == 1 + len(urls)


@pytest.mark.sqlite_only
def test_what_bunq_knows_already_is_as_good_as_done(database_url: str) -> None:
    with strange_bunq.running(strange_bunq.Bunq()) as bunq:
        app = create_app(Config.from_env({**bare_environ(database_url), **bunq.settings, "BUNQ_CALL_LIMITS": "off"}))
        nothing: dict[str, Any] = {"Response": []}
        set_up(app)
        with app.app_context():
            db.session.execute(db.update(Installation).values(device_registered_at=None, redirect_uris=[]))
            db.session.commit()
        # Another run was a moment earlier: the lists do not show it yet.
        bunq.answer_once("GET oauth-client", 200, nothing, signed=True)
        bunq.answer_once("GET callback-url", 200, nothing, signed=True)
        again = flask(app, "setup")
        let_go(app)
    assert again.exit_code == 0, again.output
    assert "was registered already" in again.output
    assert "known to bunq" in again.output
    refused = [call.path.rpartition("/")[2] for call in bunq.calls if call.status == 400]
    assert refused == ["device-server", "oauth-client", "callback-url"]


@pytest.mark.parametrize("fault", ["bad-signature", "missing-signature"])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("POST device-server", "device_registered_at"),
        ("POST session-server", "session"),
        ("GET oauth-client", "client_id"),
    ],
)
@pytest.mark.sqlite_only
def test_a_success_that_bunq_did_not_sign_is_refused_and_nothing_of_it_stored(
    app: Flask, bank: Bank, call: str, name: str, fault: str
) -> None:
    bank.fault(call=call, fault=fault)
    refused = flask(app, "setup", "--new-sandbox-user", "company")
    assert refused.exit_code == 1
    assert "signature" in refused.output
    with installation(app) as stored:
        value = getattr(stored, name)
        assert value is None or (isinstance(value, BunqSession) and value.token_sealed is None)
    # What the untrusted answer was about was done, all the same: going on must cope with that.
    assert flask(app, "setup").exit_code == 0


@pytest.mark.sqlite_only
def test_an_unsigned_refusal_is_told_in_bunqs_words(app: Flask, bank: Bank) -> None:
    bank.fault(call="GET oauth-client", fault="403-permission")
    refused = flask(app, "setup", "--new-sandbox-user", "company")
    assert refused.exit_code == 1
    assert "403 You are not allowed to perform this action." in refused.output
    assert "What is done so far is kept" in refused.output


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", ["html-502", "truncated", "invalid-json", "empty", "reset", "491"])
def test_no_usable_answer_ends_setup_with_one_line_and_it_can_go_on(app: Flask, bank: Bank, fault: str) -> None:
    bank.fault(call="POST installation", fault=fault)
    refused = flask(app, "setup", "--new-sandbox-user", "company")
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "bunq gave no usable answer" in refused.output
    assert flask(app, "setup", "--new-sandbox-user", "company").exit_code == 0


@pytest.mark.sqlite_only
def test_each_environment_is_set_up_apart(
    app: Flask, bank: Bank, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    set_up(app)
    for name, value in environ_for(bank, database_url).items():
        monkeypatch.setenv(name, value)
    other = flask(app, "setup", "--environment", "sandbox", "--new-sandbox-user", "person")
    assert other.exit_code == 0, other.output
    assert f"Setting up sandbox at {bank.api_url}" in other.output
    with app.app_context():
        made = db.session.execute(db.select(Installation.environment, Installation.is_current)).all()
    assert sorted(map(tuple, made)) == [("local", True), ("sandbox", True)]
    refused = flask(app, "setup", "--environment", "production")
    assert refused.exit_code == 1
    assert "PUBLIC_URL must be https in production" in refused.output


@pytest.mark.sqlite_only
def test_a_name_of_bunqs_cannot_move_the_terminals_cursor(database_url: str) -> None:
    owner = {"id": 7, "display_name": "\x1b]0;owned\x07\x1b[2J\u202eevil", "session_timeout": 600}
    with strange_bunq.running(strange_bunq.Bunq()) as bunq:
        app = create_app(Config.from_env({**bare_environ(database_url), **bunq.settings, "BUNQ_CALL_LIMITS": "off"}))
        session = {"Response": [{"Token": {"token": "x" * 64}}, {"UserCompany": owner}]}
        bunq.answer_once("POST session-server", 200, session, signed=True)
        output = flask(app, "setup", "--new-sandbox-user", "company").output + flask(app, "status").output
        let_go(app)
    assert "owned" in output
    assert all(sign == "\n" or sign.isprintable() for sign in output)


@pytest.mark.sqlite_only
def test_an_installation_answered_with_nonsense_is_refused(database_url: str) -> None:
    key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    good = {"Id": {"id": 1}}
    answers: list[Any] = [
        {"Response": [good]},
        {"Response": [good, {"Token": {"token": "t"}}, {"ServerPublicKey": {"server_public_key": key}}]},
        {"Response": [good, {"Token": {"token": "a\r\nb"}}, {"ServerPublicKey": {"server_public_key": key}}]},
        {"Response": [{"Id": {"id": -1}}, {"Token": {"token": "t"}}, {"ServerPublicKey": {"server_public_key": 5}}]},
        {"Response": "x"},
        b"[" * 100_000,
    ]
    with strange_bunq.running(strange_bunq.Bunq()) as bunq:
        app = create_app(Config.from_env({**bare_environ(database_url), **bunq.settings, "BUNQ_CALL_LIMITS": "off"}))
        for answer in answers:
            bunq.answer_once("POST installation", 200, answer)
            refused = flask(app, "setup", "--new-sandbox-user", "company")
            assert refused.exit_code == 1
            assert "no usable answer" in refused.output
            with installation(app) as stored:
                assert stored.token_sealed is None
                assert stored.bunq_installation_id is None
        assert flask(app, "setup", "--new-sandbox-user", "company").exit_code == 0
        let_go(app)


@pytest.mark.sqlite_only
def test_a_bank_that_is_away_is_one_line(database_url: str, bank: Bank) -> None:
    away = create_app(Config.from_env(environ_for(bank, database_url, BUNQ_API_URL="http://127.0.0.1:1/v1/")))
    refused = flask(away, "setup", "--new-sandbox-user", "company")
    let_go(away)
    assert refused.exit_code == 1
    assert "no connection to bunq" in refused.output
