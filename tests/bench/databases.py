"""Where benchmarks keep their databases: SQLite files, or a throw-away PostgreSQL server (`DATABASE=postgresql`)."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from tests.bench import history_bank, machine
from tests.bench.history import History, moment_now
from tests.bench.servers import App, bank_with_history
from tests.support import postgres
from tests.support.apps import PASSWORD, migrate, sign_in
from tests.support.consents import connect
from tests.support.postgres import Cluster

# Where databases that take long to make are kept from run to run; not part of the repository.
KEPT = Path(__file__).parents[2] / ".venv" / "bench"
KINDS = ("sqlite", "postgresql")
EMAIL = "robin@example.org"
# The chart of an account shows its last months, so what is kept must not be old.
_LONGEST_KEPT = timedelta(days=20)

_cluster: Cluster | None = None
_numbers = itertools.count(1)
# of the throw-away server's databases, what each is made of
_made_now: dict[str, dict[str, object]] = {}


@dataclass(frozen=True)
class Filled:
    """A database in which a member has the payments of a history, on the accounts of some bunq users."""

    url: str
    history: History


@contextmanager
def place(kind: str) -> Iterator[None]:
    """Make databases of this kind until the block ends."""
    global _cluster
    if kind == "sqlite":
        yield
        return
    binaries = postgres.server_binaries()
    if binaries is None:
        raise SystemExit("DATABASE=postgresql needs a PostgreSQL server (Debian: apt-get install postgresql)")
    with postgres.running(binaries) as cluster:
        _cluster = cluster
        yield
    _cluster = None


def on_postgres() -> bool:
    """Tell whether this run is on PostgreSQL, whose work is not done in our process."""
    return _cluster is not None


def server_pids() -> list[int]:
    """Return the processes of the database, where it has some of its own."""
    return [] if _cluster is None else machine.descendants(_cluster_pid(_cluster))


def _cluster_pid(cluster: Cluster) -> int:
    with psycopg.connect(cluster.url("postgres")) as connection:
        [folder] = connection.execute("SHOW data_directory").fetchone() or [""]
    return int((Path(folder) / "postmaster.pid").read_text().split()[0])


def chosen() -> str:
    """Return the kind that `DATABASE` names."""
    kind = os.environ.get("DATABASE", "sqlite")
    if kind not in KINDS:
        raise SystemExit(f"DATABASE is one of these: {', '.join(KINDS)}")
    return kind


def fresh(folder: Path) -> str:
    """Return the URL of a new database with all tables and no row."""
    number = next(_numbers)
    url = f"sqlite:///{folder / f'bench-{number}.sqlite3'}" if _cluster is None else _cluster.create(f"bench_{number}")
    migrate(url)
    return url


def filled(size: int, people: int = 2, *, longest_kept: timedelta = _LONGEST_KEPT) -> Filled:
    """Return a database with so many payments of so many bunq users; kept from run to run, but for PostgreSQL's.

    :param longest_kept: an older one is made anew; what was not updated for an hour is shown as stopped.
    """
    name = f"payments_{size}_{people}_{_digest()}"
    if _cluster is not None:
        return _filled_postgres(_cluster, name, size, people)
    path, about = KEPT / f"{name}.sqlite3", KEPT / f"{name}.json"
    if not _is_usable(about, longest_kept):
        _forget(f"payments_{size}_{people}_")
        with tempfile.TemporaryDirectory(prefix="bunqflask-bench-") as folder:
            made = Path(folder) / "bench.sqlite3"
            found = _make(f"sqlite:///{made}", size, people, Path(folder))
            shutil.move(made, path)
        about.write_text(json.dumps(found))
    known = json.loads(about.read_text())
    return Filled(f"sqlite:///{path}", _history(size, known))


def _filled_postgres(cluster: Cluster, name: str, size: int, people: int) -> Filled:
    url = cluster.url(name)
    if name not in _made_now:
        cluster.create(name)
        with tempfile.TemporaryDirectory(prefix="bunqflask-bench-") as folder:
            _made_now[name] = _make(url, size, people, Path(folder))
    return Filled(url, _history(size, _made_now[name]))


def _history(size: int, known: dict[str, object]) -> History:
    users, newest = known["users"], known["newest"]
    assert isinstance(users, list)
    assert isinstance(newest, str)
    return History(size, users, datetime.fromisoformat(newest))


def _make(url: str, size: int, people: int, folder: Path) -> dict[str, object]:
    """Let an app import the history from a bank, as it imports any; returns what the history was made of."""
    print(f"making a database of {size:,} payments, once; a million takes long ...", file=sys.stderr, flush=True)
    started, newest = time.monotonic(), moment_now()
    migrate(url)
    with bank_with_history(folder, size, people, newest) as (bank, users):
        with App(folder, url, bank, people={EMAIL: PASSWORD}) as site:
            browser = sign_in(site, EMAIL)
            for user in users:
                connect(browser, bank, person=user)
        said = site.flask("sync", timeout_s=3 * 3600).stdout
        if sum(int(each) for each in re.findall(r" (\d+) payments, up to date", said)) != size:
            raise AssertionError(f"not every payment was imported:\n{said}")
    if url.startswith("sqlite"):
        _tidy(url)
    print(f"made in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return {"users": users, "newest": newest.isoformat()}


def _tidy(url: str) -> None:
    """Bring the write-ahead log into the file, so that it is all in one piece."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _digest() -> str:
    """Return what tells databases apart: the tables of this version, and how the history is made."""
    found = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="bunqflask-bench-") as folder:
        path = Path(folder) / "empty.sqlite3"
        migrate(f"sqlite:///{path}")
        connection = sqlite3.connect(path)
        for (statement,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"):
            found.update(str(statement).encode())
        connection.close()
    sample = History(500, [1, 2], datetime(2026, 1, 1, tzinfo=UTC))
    for entry in sample.entries():
        found.update(json.dumps(history_bank.shape(entry)).encode())
    return found.hexdigest()[:10]


def _is_usable(about: Path, longest_kept: timedelta) -> bool:
    if not about.exists():
        return False
    newest = datetime.fromisoformat(json.loads(about.read_text())["newest"])
    return moment_now() - newest < longest_kept


def _forget(beginning: str) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    for each in KEPT.glob(f"{beginning}*"):
        each.unlink()
