"""What every test can ask for: a bank, a database, the app, and what went over the wire."""

import gc
import os
import shutil
import socket
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import Browser as Chromium

from bunqflask import extensions
from bunqflask.bunq import protocol
from bunqflask.database import transactions
from tests.support import bank as banks
from tests.support import chromium, documents, postgres
from tests.support.apps import (
    GunicornSite,
    ThreadSite,
    environ_for,
    reserve_port,
    served,
    set_up,
)
from tests.support.bank import Bank, ThreadBank
from tests.support.beginnings import Begin, Beginnings
from tests.support.browser import Browser
from tests.support.databases import Databases, PostgresDatabases, SqliteDatabases
from tests.support.network import stay_on_loopback
from tests.support.pool import AppPool
from tests.support.postgres import Cluster
from tests.support.scheduling import InHandfuls
from tests.support.secrets import SecretsSeen

stay_on_loopback()
# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("without deadlines", deadline=None)
hypothesis.settings.load_profile("without deadlines")

# Thousands of collected tests stay in memory, and Python would look for circles among them again and again.
gc.set_threshold(50_000, 20, 50)

# All tests of a process together send many more statements than the pages of a site.
extensions._ENGINE_OPTIONS["query_cache_size"] = 2000
# More than any test makes known to one bank.
_KEYS_OF_A_PROCESS = 6
_make_key = protocol.new_private_key
_made_keys: list[str] = []


class _CompiledTemplates(BytecodeCache):
    """Templates as this process has compiled them: nearly every test makes an app or two of its own."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": _CompiledTemplates()}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InHandfuls:
    return InHandfuls(config, log)


def pytest_collection_finish() -> None:
    """Let the collected tests never be looked through for circles again."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run make more calls of the API than the few of every day, and go through other days."""
    parser.addoption("--long-run-seed", type=int, default=0, help="which days tests/protocol/connections go through")
    parser.addoption("--api-calls", type=int, default=4, help="generated calls of each operation of the API")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what touches the database on SQLite and again on PostgreSQL; in the browser SQLite is enough."""
    if "database_kind" in metafunc.fixturenames:
        once = "browser" in metafunc.definition.path.parts or metafunc.definition.get_closest_marker("sqlite_only")
        metafunc.parametrize("database_kind", ["sqlite"] if once else ["sqlite", "postgresql"], indirect=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what this machine lacks."""
    if lacking := chromium.lacking():
        terminalreporter.write_line(f"MISSING: {lacking}. THE BROWSER TESTS DID NOT RUN", red=True, bold=True)
    if shutil.which("git") is None:
        terminalreporter.write_line("MISSING: git. THE TESTS OF THE REPOSITORY DID NOT RUN", red=True, bold=True)
    if postgres.server_binaries() is None:
        terminalreporter.write_line("NO POSTGRESQL SERVER FOUND: ITS TESTS DID NOT RUN", red=True, bold=True)
    if unchecked := [name for name in documents.PROGRAMS if documents.program(name) is None]:
        terminalreporter.write_line(f"NOT CHECKED WITH {', '.join(unchecked)}: EXAMPLES OF docs/", red=True, bold=True)


def missing(what: str) -> NoReturn:
    """Skip a test for what this machine lacks; where CI=true nothing may be lacking."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI has to run every test")
    pytest.skip(f"{what} is not on this machine")


@pytest.fixture(autouse=True)
def _tests_may_write() -> Iterator[None]:
    """Let a test change rows behind the app's back; requests run in threads of their own, where the rule holds."""
    with transactions.writing():
        yield


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this run."""
    binaries = postgres.server_binaries()
    if binaries is None:
        missing("a PostgreSQL server")
    with postgres.running(binaries) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def chromium_browser() -> Iterator[Chromium]:
    """One running Chromium: there can be only one in a process."""
    if lacking := chromium.lacking():
        missing(lacking)
    path = chromium.executable()
    assert path is not None
    with chromium.running(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases(postgres_cluster: Cluster) -> PostgresDatabases:
    return PostgresDatabases(postgres_cluster)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgresql`; a test marked `sqlite_only` runs on the first alone."""
    kind: str = request.param
    return kind


@pytest.fixture
def pooled_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a few key pairs once for all tests of a process; they are true ones, and take turns."""
    numbers = cycle(range(_KEYS_OF_A_PROCESS))

    def next_key() -> str:
        number = next(numbers)
        while len(_made_keys) <= number:
            _made_keys.append(_make_key())
        return _made_keys[number]

    monkeypatch.setattr(protocol, "new_private_key", next_key)


@pytest.fixture
def databases(request: pytest.FixtureRequest, database_kind: str) -> Databases:
    """The place where databases of this kind are made."""
    place: Databases = request.getfixturevalue(
        "sqlite_databases" if database_kind == "sqlite" else "postgres_databases"
    )
    return place


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A database with all tables and no row."""
    url = databases.migrated()
    yield url
    databases.forget(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database with nothing in it, for tests of the migrations."""
    url = databases.empty()
    yield url
    databases.forget(url)


@pytest.fixture(scope="session")
def bank_listener() -> Iterator[socket.socket]:
    """The one address of the banks of this process: apps with the same settings can then be used again."""
    with reserve_port() as listener:
        yield listener


@pytest.fixture(scope="session")
def site_listener() -> Iterator[socket.socket]:
    """The one address of the sites of this process."""
    with reserve_port() as listener:
        yield listener


@pytest.fixture(scope="session")
def app_pool() -> AppPool:
    return AppPool()


@pytest.fixture(scope="session")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> Beginnings:
    return Beginnings(tmp_path_factory.mktemp("beginnings"))


@pytest.fixture
def bank(request: pytest.FixtureRequest, bank_listener: socket.socket) -> Iterator[ThreadBank]:
    """The stand-in, fresh; `@pytest.mark.bank(token_style="query")` sets its switches before it starts."""
    marker = request.node.get_closest_marker("bank")
    with banks.running(bank_listener, **(marker.kwargs if marker else {})) as bank:
        yield bank


@pytest.fixture
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    """The app's settings that `@pytest.mark.settings(NAME="text")` changes."""
    marker = request.node.get_closest_marker("settings")
    return dict(marker.kwargs) if marker else {}


@pytest.fixture
def app(bank: Bank, database_url: str, overrides: dict[str, str], app_pool: AppPool) -> Iterator[Flask]:
    """The app, not served: for services and commands."""
    with app_pool.take(environ_for(bank, database_url, **overrides)) as app:
        yield app


@pytest.fixture
def live_app(
    bank: Bank, database_url: str, overrides: dict[str, str], app_pool: AppPool, site_listener: socket.socket
) -> Iterator[ThreadSite]:
    """The app on a thread of this process, reached over real HTTP; not yet set up with the bank."""
    url = f"http://localhost:{site_listener.getsockname()[1]}"
    environ = environ_for(bank, database_url, **{"PUBLIC_URL": url, **overrides})
    with app_pool.take(environ) as app, served(app, site_listener, environ) as site:
        yield site


@pytest.fixture
def begin(live_app: ThreadSite, bank: ThreadBank, databases: Databases, beginnings: Beginnings) -> Begin:
    """Brings the app and the bank to where some steps end, which need not be taken again for each test."""
    return lambda steps: beginnings.go(steps, live_app, bank, databases)


@pytest.fixture
def site(live_app: ThreadSite, begin: Begin, pooled_keys: None) -> ThreadSite:
    """The app on a thread, set up with the bank: what most tests of consent begin with."""
    begin(_set_up)
    protocol.new_private_key()  # the first of this test is that of the setup, which another test may have made
    return live_app


def _set_up(site: ThreadSite, _bank: Bank) -> Browser:
    set_up(site.app)
    return site.browser()


@pytest.fixture
def gunicorn_app(bank: Bank, database_url: str, overrides: dict[str, str], tmp_path: Path) -> Iterator[GunicornSite]:
    """The app for a real gunicorn with two workers, not started yet; not set up with the bank."""
    with reserve_port() as listener:
        port = listener.getsockname()[1]
    environ = environ_for(bank, database_url, **{"PUBLIC_URL": f"http://localhost:{port}", **overrides})
    site = GunicornSite(environ, tmp_path / "gunicorn.log")
    yield site
    site.close()
    site.kill()


@pytest.fixture
def secrets_seen(monkeypatch: pytest.MonkeyPatch) -> SecretsSeen:
    """Every secret that goes over the wire in this process from here on."""
    seen = SecretsSeen()
    seen.watch(monkeypatch)
    return seen
