"""A database for each test: a copy of one that was filled once in this run, by whoever knows how."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.apps import migrate
from tests.support.postgres import Cluster

Fill = Callable[[str], None]


class SqliteDatabases:
    """Databases as files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._filled: dict[Fill, Path] = {}

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        return f"sqlite:///{self._new_path()}"

    def migrated(self) -> str:
        """Return the URL of a database with all tables and no row."""
        return self.copy(migrate)

    def copy(self, fill: Fill) -> str:
        """Return the URL of a database as `fill` leaves one, to which it is given once in a run."""
        if fill not in self._filled:
            path = self._new_path()
            fill(f"sqlite:///{path}")
            self._filled[fill] = path
        path = self._new_path()
        shutil.copy(self._filled[fill], path)
        return f"sqlite:///{path}"

    def forget(self, url: str) -> None:
        """Remove a database that is no longer needed."""
        path = Path(url.removeprefix("sqlite:///"))
        for each in path.parent.glob(path.name + "*"):
            each.unlink()

    def _new_path(self) -> Path:
        return self._folder / f"{next(self._numbers)}.sqlite3"


class PostgresDatabases:
    """Databases of one throw-away server."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._numbers = itertools.count(1)
        self._filled: dict[Fill, str] = {}

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        return self._cluster.create(self._new_name())

    def migrated(self) -> str:
        """Return the URL of a database with all tables and no row."""
        return self.copy(migrate)

    def copy(self, fill: Fill) -> str:
        """Return the URL of a database as `fill` leaves one, to which it is given once in a run."""
        if fill not in self._filled:
            name = self._new_name()
            fill(self._cluster.create(name))
            self._filled[fill] = name
        return self._cluster.create(self._new_name(), template=self._filled[fill])

    def forget(self, url: str) -> None:
        """Remove a database that is no longer needed, with whoever is still connected to it."""
        self._cluster.drop(url.rpartition("/")[2])

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"


Databases = SqliteDatabases | PostgresDatabases
