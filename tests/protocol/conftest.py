"""What these tests have in common: slow secrets, made quickly where no test is about them; readers of exports."""

from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher
from flask import Flask

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.services.team import passwords
from tests.support import consents
from tests.support.apps import GunicornSite, add_member, bare_environ, let_go, set_up
from tests.support.databases import Databases
from tests.support.pool import AppPool
from tests.support.readers import Reader, output_of, program

_QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
_NOBODY = _QUICK.hash("nobody")


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords insecurely but fast: nearly every test logs somebody in, and few are about that."""
    if "real_passwords" not in request.fixturenames:
        monkeypatch.setattr(passwords, "_hasher", _QUICK)
        monkeypatch.setattr(passwords, "_nobody_hash", _NOBODY)


@pytest.fixture(autouse=True)
def quick_keys(pooled_keys: None) -> None:
    """Take key pairs that are made already."""


@pytest.fixture
def real_passwords() -> None:
    """Hash passwords as the app does."""


@pytest.fixture
def connected_url(databases: Databases) -> Iterator[str]:
    """A database with all that is there once Robin has connected Jodi; the bank is gone."""
    url = databases.copy(consents.fill_connected)
    yield url
    databases.forget(url)


@pytest.fixture
def connected_app(connected_url: str, app_pool: AppPool) -> Iterator[Flask]:
    """An app on it, in whose context the test is."""
    with app_pool.take(bare_environ(connected_url)) as app, app.app_context():
        yield app
        db.session.remove()


@pytest.fixture
def behind(gunicorn_app: GunicornSite) -> Iterator[Flask]:
    """The database of the app under gunicorn, set up, with one team member."""
    app = create_app(Config.from_env(gunicorn_app.environ))
    set_up(app)
    add_member(app, "robin@example.com")
    yield app
    let_go(app)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Reader]]:
    """Open a reader by name; it stays open for the tests of this file."""
    opened: dict[str, Reader] = {}

    def open_reader(name: str) -> Reader:
        if name not in opened:
            opened[name] = Reader(name, tmp_path_factory.mktemp(name))
        return opened[name]

    yield open_reader
    for each in opened.values():
        each.close()


@pytest.fixture(scope="module")
def hledger(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run hledger over a journal and return what it prints; its complaint fails the test."""
    hledger = program("hledger", "hledger")
    path = tmp_path_factory.mktemp("hledger") / "payments.journal"

    def run(journal: bytes, *arguments: str) -> str:
        path.write_bytes(journal)
        return output_of([hledger, "-f", str(path), *arguments])

    return run
