"""Whether the database stores what is written, and if not, what stands in the way."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask import clock
from bunqflask.database.engines import waiting_for_locks
from bunqflask.database.transactions import writing
from bunqflask.database.types import UtcTimestamp
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import Base, db, table_of

# One write proves for so long that writing works: programs that watch the server may ask every second.
_PROOF = timedelta(seconds=5)
# Another transaction that writes for longer proves it as well.
_WAIT_MS = 1_000
# With less room the next import could not be stored.
_LEAST_ROOM = 8 * 1024 * 1024

_ERRNOS_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UPGRADE = "run `flask --app wsgi db upgrade`"


class StorageFault(Enum):
    """Why the database cannot be used, or stores nothing."""

    FULL = auto()
    READ_ONLY = auto()
    BROKEN = auto()
    NOT_OPENED = auto()
    NO_TABLES = auto()
    BUSY = auto()


# The last byte of SQLite's code is the kind of error. https://www.sqlite.org/rescode.html
_SQLITE_FAULTS = {
    sqlite3.SQLITE_FULL: StorageFault.FULL,
    sqlite3.SQLITE_READONLY: StorageFault.READ_ONLY,
    sqlite3.SQLITE_IOERR: StorageFault.BROKEN,
    sqlite3.SQLITE_CORRUPT: StorageFault.BROKEN,
    sqlite3.SQLITE_NOTADB: StorageFault.BROKEN,
    sqlite3.SQLITE_CANTOPEN: StorageFault.NOT_OPENED,
    sqlite3.SQLITE_PERM: StorageFault.NOT_OPENED,
    sqlite3.SQLITE_BUSY: StorageFault.BUSY,
    sqlite3.SQLITE_LOCKED: StorageFault.BUSY,
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_FAULTS = {
    "53100": StorageFault.FULL,
    "25006": StorageFault.READ_ONLY,
    "58030": StorageFault.BROKEN,
    "42P01": StorageFault.NO_TABLES,
    "42703": StorageFault.NO_TABLES,
    "55P03": StorageFault.BUSY,
}


class WriteCheck(Base):
    """The last time that a write was tried for its own sake; one row."""

    __tablename__ = "write_check"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    checked_at: Mapped[datetime] = mapped_column(UtcTimestamp)


@dataclass(frozen=True)
class Storage:
    """What a check has found: nothing, or a fault and a sentence about it for the person who runs the server."""

    fault: StorageFault | None = None
    message: str = ""


@dataclass(frozen=True)
class Room:
    """Bytes that are free on a disk, and all that it has."""

    free: int
    total: int


def check() -> Storage:
    """Store something small, unless that was done a moment ago, and see whether there is room for more."""
    checked = table_of(WriteCheck).c
    try:
        with db.engine.connect() as connection:
            last = connection.scalar(select(checked.checked_at))
        now = clock.now()
        if last is None or not timedelta(0) <= now - last < _PROOF:
            _write(now)
    except DBAPIError as error:
        fault = fault_of(error)
        return Storage() if fault == StorageFault.BUSY else Storage(fault, explain(error))
    path, found = _path(db.engine), room()
    if path is not None and found is not None and found.free < _LEAST_ROOM:
        return Storage(StorageFault.FULL, f"The disk is full: {path.parent} has no room left.")
    return Storage()


def room() -> Room | None:
    """Return the room on the disk of SQLite's file; None for PostgreSQL, whose disk is not seen from here."""
    path = _path(db.engine)
    if path is None:
        return None
    usage = shutil.disk_usage(path.parent)
    return Room(usage.free, usage.total)


def fault_of(error: BaseException | None) -> StorageFault | None:
    """Return what an error of the system or of a database means, None for any other."""
    if isinstance(error, OSError):
        if error.errno in _ERRNOS_FULL:
            return StorageFault.FULL
        return {errno.EROFS: StorageFault.READ_ONLY, errno.EIO: StorageFault.BROKEN}.get(error.errno or 0)
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        if str(error.orig).startswith(("no such table", "no such column")):
            return StorageFault.NO_TABLES
        return _SQLITE_FAULTS.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
    return _POSTGRES_FAULTS.get(getattr(error.orig, "sqlstate", None) or "")


def explain(error: DBAPIError) -> str:
    """Say in one line what stands in the way, for the person who runs the server."""
    fault, path = fault_of(error), _path(db.engine)
    if fault in (StorageFault.READ_ONLY, StorageFault.NOT_OPENED) and path is not None:
        return _about_files(path)
    if fault == StorageFault.READ_ONLY:
        return "PostgreSQL is read-only: a standby server, or `default_transaction_read_only` is on."
    if fault == StorageFault.FULL:
        return f"The disk is full: the database{f' {path}' if path else ''} cannot grow."
    if fault == StorageFault.BROKEN:
        return f"The database{f' {path}' if path else ''} cannot be read or written: {_first_line(error)}."
    if fault == StorageFault.NO_TABLES:
        return f"The database has not the tables of this version: {_UPGRADE}."
    if fault == StorageFault.BUSY:
        return "The database is busy: another process writes to it for a long time. Try again."
    return f"The database does not answer: {_first_line(error)}."


def _write(now: datetime) -> None:
    fresh = insert_into(WriteCheck).values(id=1, checked_at=now)
    with writing(), db.engine.connect() as connection, waiting_for_locks(connection, _WAIT_MS), connection.begin():
        connection.execute(fresh.on_conflict_do_update(index_elements=["id"], set_={"checked_at": now}))


def _path(engine: Engine) -> Path | None:
    name = engine.url.database
    return Path(name).absolute() if engine.dialect.name == "sqlite" and name not in (None, "", ":memory:") else None


def _about_files(path: Path) -> str:
    """Say which of SQLite's files this process may not use, and to whom it belongs, or that nothing may be written."""
    us = _user(os.geteuid())
    ways = [(each, os.X_OK) for each in reversed(path.parents)]
    files = [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]
    for each, needed in [*ways, (path.parent, os.R_OK | os.W_OK), *((file, os.R_OK | os.W_OK) for file in files)]:
        if not each.exists() or os.access(each, needed):
            continue
        if os.statvfs(each).f_flag & os.ST_RDONLY:
            return (
                f"The database cannot be opened for writing: {each} is read-only. Its disk is mounted read-only, or "
                "the service may not write there."
            )
        found = each.stat()
        return (
            f"The database cannot be opened for writing: {each} belongs to {_user(found.st_uid)} "
            f"(mode {found.st_mode & 0o7777:04o}), and this process runs as {us}."
        )
    if not path.parent.exists():
        return f"The database cannot be opened: there is no folder {path.parent}."
    if path.is_dir():
        return f"The database cannot be opened: {path} is a folder."
    return f"The database {path} cannot be opened for writing by {us}: the disk takes no writes."


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _first_line(error: DBAPIError) -> Any:
    return (str(error.orig).splitlines() or [type(error.orig).__name__])[0].rstrip(".")
