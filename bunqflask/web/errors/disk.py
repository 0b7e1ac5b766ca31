"""Recognises disk-full and read-only errors of the system, SQLite and PostgreSQL, and says so on a page."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import OperationalError

from bunqflask.i18n import gettext as _
from bunqflask.web.errors.problem import Problem, Way

_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_SQLITE_KINDS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_DISK_FULL = "53100"


def refuses(error: Exception) -> bool:
    """Tell whether an error means that nothing can be written to the disk."""
    if isinstance(error, OSError):
        return error.errno in _ERRNOS
    if not isinstance(error, OperationalError):
        return False
    # The last byte of SQLite's code is the kind of error.
    kind = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return kind in _SQLITE_KINDS or getattr(error.orig, "sqlstate", None) == _POSTGRES_DISK_FULL


def problem(reference: str, ways: list[Way]) -> Problem:
    """Say that it does."""
    return Problem(
        title=_("This server cannot write to its disk"),
        lead=_("What was stored before is safe. This page could not be made or saved."),
        happened=_("The disk is full, or something is wrong with it."),
        todo=[_("Make room on the disk of this server, and try again. The log tells what the system said.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=503,
        ways=ways,
    )
