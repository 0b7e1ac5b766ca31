"""A database for each test: a copy of one that was filled once in this run, by whoever knows how."""

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.support import postgres_rows
from tests.support.apps import migrate
from tests.support.postgres import Cluster
from tests.support.postgres_rows import Rows

Fill = Callable[[str], None]


def _write(path: Path, content: bytes) -> None:
    """Write a database's file, for its owner alone, as the app creates one."""
    path.touch(0o600)
    path.chmod(0o600)
    path.write_bytes(content)


class SqliteDatabases:
    """Databases as files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._filled: dict[Fill, bytes] = {}
        self._free: list[Path] = []

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        return f"sqlite:///{self._new_path()}"

    def migrated(self) -> str:
        """Return the URL of a database with all tables and no row."""
        return self.copy(migrate)

    def copy(self, fill: Fill) -> str:
        """Return the URL of a database as `fill` leaves one, to which it is given once in a run."""
        path = self._free.pop() if self._free else self._new_path()
        url = f"sqlite:///{path}"
        if fill in self._filled:
            _write(path, self._filled[fill])
        else:
            fill(url)
            self._filled[fill] = self.read(url)
        return url

    def refill(self, url: str, fill: Fill) -> None:
        """Put back what `fill` left in a database that was copied from it; nobody may be connected to it."""
        self.replace(url, self._filled[fill])

    def read(self, url: str) -> bytes:
        """Return all that is in a database."""
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.serialize()

    def replace(self, url: str, content: bytes) -> None:
        """Let a database hold what was read from another; nobody may be connected to it."""
        self.drop(url)
        _write(Path(url.removeprefix("sqlite:///")), content)

    def forget(self, url: str) -> None:
        """Let its place be used for another database."""
        self.drop(url)
        self._free.append(Path(url.removeprefix("sqlite:///")))

    def drop(self, url: str) -> None:
        """Remove a database."""
        path = Path(url.removeprefix("sqlite:///"))
        for each in path.parent.glob(path.name + "*"):
            each.unlink()

    def _new_path(self) -> Path:
        return self._folder / f"{next(self._numbers)}.sqlite3"


class PostgresDatabases:
    """Databases of one throw-away server; one that is no longer needed is emptied and used again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._numbers = itertools.count(1)
        self._migrated: str | None = None
        self._shape = ""
        self._free: list[str] = []
        self._filled: dict[Fill, Rows] = {}

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        return self._cluster.create(self._new_name())

    def migrated(self) -> str:
        """Return the URL of a database with all tables and no row."""
        if self._free:
            return self._free.pop()
        if self._migrated is None:
            self._migrated = self._new_name()
            url = self._cluster.create(self._migrated)
            migrate(url)
            self._shape = postgres_rows.shape(url)
        return self._cluster.create(self._new_name(), template=self._migrated)

    def copy(self, fill: Fill) -> str:
        """Return the URL of a database as `fill` leaves one, to which it is given once in a run."""
        url = self.migrated()
        if fill in self._filled:
            postgres_rows.replace(url, self._filled[fill])
        else:
            fill(url)
            self._filled[fill] = postgres_rows.read(url)
        return url

    def refill(self, url: str, fill: Fill) -> None:
        """Put back what `fill` left in a database that was copied from it; nobody may be in a transaction there."""
        postgres_rows.replace(url, self._filled[fill])

    def read(self, url: str) -> Rows:
        """Return all that is in a database."""
        return postgres_rows.read(url)

    def replace(self, url: str, content: Rows) -> None:
        """Let a database hold what was read from another; nobody may be in a transaction there."""
        postgres_rows.replace(url, content)

    def forget(self, url: str) -> None:
        """Let a database be used for something else."""
        if postgres_rows.clear(url, self._shape):
            self._free.append(url)
        else:
            self.drop(url)

    def drop(self, url: str) -> None:
        """Remove a database, with whoever is still connected to it."""
        self._cluster.drop(self._name(url))

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"

    def _name(self, url: str) -> str:
        return url.rpartition("/")[2]


Databases = SqliteDatabases | PostgresDatabases
