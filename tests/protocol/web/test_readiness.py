"""Ready means that something can be stored; if not, the program that watches and the person on the page learn why."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError

from bunqflask.config import ROOT
from bunqflask.database import storage, transactions
from bunqflask.database.storage import StorageFault, WriteCheck
from bunqflask.extensions import db
from tests.conftest import missing
from tests.support import rows
from tests.support.apps import ThreadSite, bare_environ, child_environ, let_go, migrate, sign_in
from tests.support.databases import Databases


def forget_check(app: Flask) -> None:
    with rows.behind(app):
        db.session.execute(db.delete(WriteCheck))
        db.session.commit()


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def read_only(site: ThreadSite) -> Iterator[None]:
    """Make the database refuse all writes, as PostgreSQL's standby server does."""
    url = site.environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transactions, "may_write", lambda: False)
            yield
        return
    name = url.rpartition("/")[2]
    for value in ("on", "off"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
        let_go(site.app)
        if value == "on":
            yield


def test_ready_writes_once_in_a_while(live_app: ThreadSite) -> None:
    browser = live_app.browser()
    for _ in range(2):
        assert browser.get("/readyz").status == 200
        with rows.behind(live_app.app):
            [check] = db.session.scalars(db.select(WriteCheck))
            first = check.checked_at
    assert browser.get("/readyz").status == 200
    with rows.behind(live_app.app):
        [check] = db.session.scalars(db.select(WriteCheck))
        assert check.checked_at == first


def test_a_read_only_database_is_not_ready_and_pages_say_so(live_app: ThreadSite) -> None:
    browser = sign_in(live_app, "robin@example.org")
    forget_check(live_app.app)
    rows.age_logins(live_app.app, unused_for=timedelta(minutes=2))
    with read_only(live_app):
        assert browser.get("/").status == 200, "its last use cannot be recorded, and that is no reason to refuse a page"
        page = browser.get("/settings")
        page = browser.submit(action="/password", current="x" * 12, new="y" * 12)
        assert (page.status, "This server cannot store anything right now" in page.text) == (503, True)
        assert "Its database or its disk is read-only." in page.text
        ready = browser.get("/readyz")
        assert (ready.status, ready.html) == (503, "nothing can be stored: the database is read-only\n")
        told = live_app.command("status", status=1).output
        assert ("PostgreSQL is read-only" in told) or ("the disk takes no writes" in told)
    assert browser.get("/readyz").status == 200


@pytest.mark.sqlite_only
def test_a_disk_without_room_is_not_ready(live_app: ThreadSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000, total=9_000_000))
    ready = live_app.browser().get("/readyz")
    assert (ready.status, ready.html) == (503, "nothing can be stored: the disk is full\n")
    told = live_app.command("status", status=1).output
    assert "storage          Nothing can be stored" in told
    assert "has no room left" in told


@pytest.mark.sqlite_only
def test_another_transaction_that_writes_is_no_fault(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_WAIT_MS", 50)
    with app.app_context():
        with db.engine.connect() as other:
            other.exec_driver_sql("INSERT INTO login_throttle VALUES ('x', 1, '2026-01-01 00:00:00')")
            assert storage.check() == storage.Storage()
        db.session.remove()


@pytest.mark.sqlite_only
def test_a_file_of_another_user_is_named_with_its_owner(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    path = path_of(app.config["DATABASE_URL"])
    path.chmod(0o640)
    access = os.access
    monkeypatch.setattr(os, "access", lambda each, mode: Path(each) != path and access(each, mode))
    with app.app_context():
        error = DBAPIError("", {}, _sqlite_error(8))
        assert storage.fault_of(error) == StorageFault.READ_ONLY
        told = storage.explain(error)
    assert str(path) in told
    assert f"belongs to {path.owner()} (mode 0640)" in told


@pytest.mark.sqlite_only
def test_a_disk_that_is_mounted_read_only_is_named_and_not_a_user(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an error of the disk: the system refuses to write, and nobody's mode or owner is the reason."""
    path = path_of(app.config["DATABASE_URL"])
    access = os.access
    monkeypatch.setattr(os, "access", lambda each, mode: not mode & os.W_OK and access(each, mode))
    with app.app_context():
        assert "belongs to" in storage.explain(DBAPIError("", {}, _sqlite_error(8)))
        monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
        told = storage.explain(DBAPIError("", {}, _sqlite_error(8)))
    assert f"{path.parent} is read-only. Its disk is mounted read-only, or the service may not write there." in told
    assert "belongs to" not in told


@pytest.mark.sqlite_only
@pytest.mark.parametrize("closed", ["ours.sqlite3", "."], ids=["the file", "its folder"])
@pytest.mark.parametrize("command", ["db upgrade", "team list", "status"])
def test_a_command_of_a_user_who_may_not_open_the_database_names_what_is_closed(
    tmp_path: Path, closed: str, command: str
) -> None:
    """As after another user has run one by mistake. Root may open all files, unless that right is taken away."""
    folder = tmp_path / "instance"
    url = f"sqlite:///{folder / 'ours.sqlite3'}"
    migrate(url)
    path = folder / closed
    powerless: list[str] = []
    if os.geteuid() == 0:
        program = shutil.which("setpriv")
        if program is None:
            missing("setpriv (Debian: apt-get install util-linux)")
        powerless = [program, "--bounding-set", "-dac_override,-dac_read_search", "--"]
        os.chown(path, 65534, 65534)
    else:
        path.chmod(0)
    owner, mode = path.owner(), stat.S_IMODE(path.stat().st_mode)
    told = subprocess.run(
        [*powerless, sys.executable, "-m", "flask", "--app", "wsgi", *command.split()],
        cwd=ROOT,
        env=child_environ(bare_environ(url)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    path.chmod(0o700)
    assert told.returncode == 1
    assert f"{path} belongs to {owner} (mode {mode:04o}), and this process runs as " in told.stderr
    assert len(told.stderr.splitlines()) == 1


def _sqlite_error(code: int) -> Exception:

    error = sqlite3.OperationalError("attempt to write a readonly database")
    error.sqlite_errorcode = code
    return error


@pytest.mark.sqlite_only
def test_a_command_that_cannot_open_the_database_names_it(databases: Databases, app: Flask) -> None:
    path = path_of(app.config["DATABASE_URL"])
    let_go(app)
    databases.drop(app.config["DATABASE_URL"])
    path.mkdir()
    told = app.test_cli_runner().invoke(args=["team", "list"])
    assert told.exit_code == 1
    assert str(path) in told.output
    assert "db upgrade" not in told.output
    path.rmdir()


@pytest.mark.sqlite_only
def test_tables_of_no_version_ask_for_the_upgrade(empty_database_url: str) -> None:
    with rows.bare_site(empty_database_url) as site:
        told = site.command("team", "list", status=1)
        assert "run `flask --app wsgi db upgrade`" in told.stderr


@pytest.mark.sqlite_only
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_the_databases_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        migrate(f"sqlite:///{tmp_path / 'new.sqlite3'}")
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}
