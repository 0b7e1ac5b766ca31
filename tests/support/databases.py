"""A migrated database for each test: a copy of one that the migrations made once in this run."""

import itertools
import shutil
from pathlib import Path

from tests.support.apps import migrate
from tests.support.postgres import Cluster


class SqliteDatabases:
    """Databases as files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._migrated: Path | None = None

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        return f"sqlite:///{self._new_path()}"

    def migrated(self) -> str:
        """Return the URL of a database with all tables and no row."""
        if self._migrated is None:
            migrated = self._new_path()
            migrate(f"sqlite:///{migrated}")
            self._migrated = migrated
        path = self._new_path()
        shutil.copy(self._migrated, path)
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
        self._migrated: str | None = None

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        return self._cluster.create(self._new_name())

    def migrated(self) -> str:
        """Return the URL of a database with all tables and no row."""
        if self._migrated is None:
            migrated = self._new_name()
            migrate(self._cluster.create(migrated))
            self._migrated = migrated
        return self._cluster.create(self._new_name(), template=self._migrated)

    def forget(self, url: str) -> None:
        """Remove a database that is no longer needed, with whoever is still connected to it."""
        self._cluster.drop(url.rpartition("/")[2])

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"


Databases = SqliteDatabases | PostgresDatabases
