"""Where benchmarks keep their databases: SQLite files, or a throw-away PostgreSQL server (`DATABASE=postgresql`)."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import postgres
from tests.support.apps import migrate
from tests.support.postgres import Cluster

# Where databases that take long to make are kept from run to run; not part of the repository.
KEPT = Path(__file__).parents[2] / ".venv" / "bench"
KINDS = ("sqlite", "postgresql")

_cluster: Cluster | None = None
_numbers = itertools.count(1)
_made_now: set[str] = set()


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


def fresh(folder: Path) -> str:
    """Return the URL of a new database with all tables and no row."""
    url = f"sqlite:///{folder / 'bench.sqlite3'}" if _cluster is None else _cluster.create(f"bench_{next(_numbers)}")
    migrate(url)
    return url


def lasting(name: str) -> tuple[str, bool]:
    """Return the URL of a database that is kept under a name, and whether it is filled already.

    Files are kept from run to run, a throw-away server's databases for one run. Once filled, say so with `filled`.
    """
    if _cluster is not None:
        return (_cluster.url(name), True) if name in _made_now else (_cluster.create(name), False)
    path = _file(name)
    if not path.with_suffix(".complete").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        for each in path.parent.glob(path.name + "*"):
            each.unlink()
        return f"sqlite:///{path}", False
    return f"sqlite:///{path}", True


def filled(name: str) -> None:
    """Note that a lasting database holds all it should."""
    if _cluster is None:
        _file(name).with_suffix(".complete").touch()
    _made_now.add(name)


def chosen() -> str:
    """Return the kind that `DATABASE` names."""
    kind = os.environ.get("DATABASE", "sqlite")
    if kind not in KINDS:
        raise SystemExit(f"DATABASE is one of these: {', '.join(KINDS)}")
    return kind


def _file(name: str) -> Path:
    return KEPT / f"{name}.sqlite3"
