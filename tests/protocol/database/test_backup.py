"""A backup is for its owner alone, is read back, and gives everything back; a bad one changes nothing."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.database import backup_sqlite
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import (
    Browser,
    Consent,
    Invitation,
    Login,
    MonetaryAccount,
    PasswordReset,
    Payment,
    PendingLogin,
    TeamRole,
)
from tests.support import stored_payments
from tests.support.apps import bare_environ, let_go

COUNT = 12


@pytest.fixture
def filled(connected_url: str) -> Iterator[Flask]:
    app = create_app(Config.from_env(bare_environ(connected_url)))
    with app.app_context():
        account = db.session.scalars(select(MonetaryAccount).order_by(MonetaryAccount.id)).first()
        assert account is not None
        stored_payments.store(account, COUNT, text=lambda number: f"tab\there, line\nbreak \\. {number}")
        db.session.remove()
    yield app
    let_go(app)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def flask(app: Flask, *arguments: str | Path, fails: bool = False) -> Result:
    done = app.test_cli_runner().invoke(args=[str(argument) for argument in arguments])
    assert (done.exit_code != 0) == fails, done.output
    return done


def counts(app: Flask) -> tuple[int, int]:
    with app.app_context():
        found = (
            db.session.scalar(select(func.count()).select_from(Payment)) or 0,
            db.session.scalar(select(func.count()).select_from(Login)) or 0,
        )
        db.session.remove()
    return found


def lose_everything(app: Flask) -> None:
    with app.app_context():
        db.session.execute(db.delete(Payment))
        db.session.commit()
        db.session.remove()


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") or "part" in path.name)


def test_a_backup_gives_back_what_was_lost_and_logs_everybody_out(filled: Flask, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with umask(0):
        made = flask(filled, "backup", file)
    assert f"complete, with {COUNT} payments" in made.output
    assert "not encrypted" in made.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert leftovers(tmp_path) == []
    assert counts(filled) == (COUNT, 1)

    lose_everything(filled)
    let_go(filled)
    checked = flask(filled, "restore", "--check", file)
    assert f"complete, with {COUNT} payments" in checked.output
    assert counts(filled) == (0, 1)
    let_go(filled)
    flask(filled, "restore", file)
    assert counts(filled) == (COUNT, 0)
    with filled.app_context():
        consent = db.session.scalars(select(Consent)).one()
        assert consent.access_token
        db.session.remove()


def test_a_backup_for_a_recipient_opens_with_its_key_alone(filled: Flask, tmp_path: Path) -> None:
    mine, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    file, key, wrong = tmp_path / "backup.age", tmp_path / "key.txt", tmp_path / "wrong.txt"
    key.write_text(f"# created: today\n{mine}\n")
    wrong.write_text(f"{other}\n")
    with umask(0):
        made = flask(filled, "backup", file, "--recipient", str(mine.to_public()))
    assert "not encrypted" not in made.output
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    assert b"NL" + b"12BUNQ" not in content
    assert b"here, line" not in content

    assert "name the file of the private key" in flask(filled, "restore", "--check", file, fails=True).output
    told = flask(filled, "restore", "--check", file, "--identity", wrong, fails=True).output
    assert "cannot be decrypted" in told
    assert "complete" in flask(filled, "restore", "--check", file, "--identity", key).output
    lose_everything(filled)
    let_go(filled)
    flask(filled, "restore", file, "--identity", key)
    assert counts(filled) == (COUNT, 0)


def test_a_backup_replaces_no_file_and_a_failed_one_leaves_none(filled: Flask, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    file.write_text("precious")
    assert "exists already" in flask(filled, "backup", file, fails=True).output
    assert file.read_text() == "precious"
    assert (
        "is no public key" in flask(filled, "backup", tmp_path / "b", "--recipient", "age1nonsense", fails=True).output
    )
    assert "No such file" in flask(filled, "backup", tmp_path / "none" / "b", fails=True).output
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file() and path.name != "key.txt") == ["backup"]


def test_other_keys_and_damage_are_noticed_before_anything_changes(
    filled: Flask, connected_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    flask(filled, "backup", file)
    let_go(filled)
    key = "k9:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
    stranger = create_app(Config.from_env({**bare_environ(connected_url), "ENCRYPTION_KEYS": key}))
    told = flask(stranger, "restore", file, fails=True).output
    let_go(stranger)
    assert "was made with other ENCRYPTION_KEYS" in told

    content = file.read_bytes()
    for name, damaged in {
        "cut": content[: len(content) * 2 // 3],
        "other": b"%PDF-1.7" + content[8:],
        "empty": b"",
    }.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        assert "Nothing was changed" in flask(filled, "restore", path, fails=True).output, name
        assert counts(filled) == (COUNT, 1), name
        let_go(filled)


def test_nothing_is_restored_while_the_app_has_the_database_open(
    filled: Flask, connected_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    flask(filled, "backup", file)
    let_go(filled)
    running = create_app(Config.from_env(bare_environ(connected_url)))
    with running.app_context():
        engine = db.engine
    with engine.connect() as connection:
        connection.execute(select(func.count()).select_from(Payment))
        assert "stop the app" in flask(filled, "restore", file, fails=True).output
    let_go(running)
    assert counts(filled) == (COUNT, 1)


@pytest.mark.sqlite_only
def test_the_log_of_the_old_database_does_not_touch_the_restored_one(
    filled: Flask, connected_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    flask(filled, "backup", file)
    lose_everything(filled)
    let_go(filled)
    database = Path(connected_url.removeprefix("sqlite:///"))
    # A log that a crash left behind: pages of the old database, which SQLite would put into whatever lies beside it.
    with closing(sqlite3.connect(database)) as crashed:
        crashed.execute("PRAGMA wal_autocheckpoint=0")
        crashed.execute("UPDATE monetary_account SET description = 'from the old log'")
        crashed.commit()
        log = database.with_name(database.name + "-wal").read_bytes()
    database.with_name(database.name + "-wal").write_bytes(log)
    told = flask(filled, "restore", file).output
    assert counts(filled) == (COUNT, 0)
    with filled.app_context():
        assert "from the old log" not in db.session.scalars(select(MonetaryAccount.description)).all()
        db.session.remove()
    [replaced] = [path for path in database.parent.iterdir() if ".replaced-" in path.name]
    assert str(replaced) in told
    assert replaced.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(replaced)) as old:
        assert old.execute("SELECT count(*) FROM payment").fetchone() == (0,)
        assert ("from the old log",) in old.execute("SELECT description FROM monetary_account").fetchall()
    replaced.unlink()


@pytest.mark.sqlite_only
def test_a_damaged_database_is_set_aside_and_a_missing_one_made(
    filled: Flask, connected_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    flask(filled, "backup", file)
    let_go(filled)
    database = Path(connected_url.removeprefix("sqlite:///"))
    database.write_bytes(b"nonsense" * 4_000)
    flask(filled, "restore", file)
    assert counts(filled) == (COUNT, 0)
    let_go(filled)
    database.unlink()
    flask(filled, "restore", file)
    assert counts(filled) == (COUNT, 0)
    assert database.stat().st_mode & 0o777 == 0o600
    for path in database.parent.glob("*.replaced-*"):
        path.unlink()


def test_a_backup_is_one_state_while_others_write(filled: Flask, connected_url: str, tmp_path: Path) -> None:
    writer = create_app(Config.from_env(bare_environ(connected_url)))
    stop = threading.Event()
    failures: list[Exception] = []

    def write() -> None:
        try:
            with writer.app_context():
                number = 0
                while not stop.is_set():
                    number += 1
                    with transaction():
                        db.session.execute(db.update(MonetaryAccount).values(description=f"n{number}"))
                db.session.remove()
        except Exception as error:  # noqa: BLE001 - shown at the end
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(3):
            flask(filled, "backup", tmp_path / f"b{number}")
    finally:
        stop.set()
        thread.join()
    let_go(writer)
    assert failures == []


@pytest.mark.sqlite_only
def test_a_copy_with_an_orphan_is_damaged(filled: Flask, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    flask(filled, "backup", file)
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("DELETE FROM monetary_account")
        copy.commit()
    with pytest.raises(ValueError, match="is missing"):
        backup_sqlite.read(file)


def test_a_restore_ends_whatever_lets_somebody_in(filled: Flask, tmp_path: Path) -> None:
    kinds = (Login, PendingLogin, Browser, Invitation, PasswordReset)
    assert {kind.__tablename__ for kind in kinds} == backup_sqlite.LOGIN_TABLES
    now = datetime.now(UTC)
    with filled.app_context():
        member_id = db.session.scalars(select(Login.member_id)).one()
        db.session.add_all(
            [
                PendingLogin(token_hash="p", member_id=member_id, created_at=now),
                Browser(member_id=member_id, token_hash="b", user_agent="x", created_at=now, last_seen_at=now),
                Invitation(
                    token_hash="i", label="x", role=TeamRole.ADMIN, may_export=True, created_at=now, expires_at=now
                ),
                PasswordReset(member_id=member_id, token_hash="r", expires_at=now),
            ]
        )
        db.session.commit()
        db.session.remove()
    file = tmp_path / "backup"
    flask(filled, "backup", file)
    let_go(filled)
    flask(filled, "restore", file)
    with filled.app_context():
        for kind in kinds:
            assert db.session.scalar(select(func.count()).select_from(kind)) == 0, kind
        db.session.remove()
