"""The checks of this server itself. Each is a pure function of what its probe has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.models import Check, CheckName, Verdict, Who
from bunqflask.services.doctor import times

WORKER_SEEN_WITHIN = timedelta(minutes=2)
OLDEST_EVENT = timedelta(minutes=10)
BACKUP_WITHIN = timedelta(hours=26)
# A restore that was never tried is a hope; once in a quarter is enough where each backup is read back.
TEST_WITHIN = timedelta(days=92)
_LITTLE_ROOM, _NO_ROOM = 1024**3, 128 * 1024**2
_GB = 1024**3

# Reasons of a broken backup check, as `backup_failed` names them.
FAILED, TOO_OLD = "failed", "too_old"


@dataclass(frozen=True, kw_only=True)
class WorkerFacts:
    """The last sign of life of a worker, and whether there is anything for one to do."""

    seen_at: datetime | None
    is_needed: bool


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """What waits for the worker, and what bunq lets us call.

    :param oldest: kind and time of the event that waits longest.
    :param left: how many calls for payments are free, and how many there are.
    :param blocked: the endpoints that bunq has closed for now.
    :param is_shared: bunq refuses calls that our own count allows.
    """

    waiting: int
    oldest: tuple[str, datetime] | None
    left: tuple[int, int]
    blocked: Sequence[str] = ()
    is_shared: bool = False


@dataclass(frozen=True, kw_only=True)
class StorageFacts:
    """Whether the database stores, has the tables of this version, and has room.

    :param fault: a word for why nothing can be stored; `details` may name files and users.
    :param free: bytes that are free on the disk of SQLite's file, of `size` in all; None for PostgreSQL, whose disk we
        do not see.
    """

    fault: str = ""
    details: str = ""
    is_at_head: bool = True
    free: int | None = None
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class BackupFacts:
    """The last backup, the last one that failed, and the last test of one.

    :param is_needed: there are payments that would be lost.
    """

    is_needed: bool
    made_at: datetime | None = None
    size_bytes: int | None = None
    failed_at: datetime | None = None
    tested_at: datetime | None = None


def worker(facts: WorkerFacts) -> Check:
    """Judge whether a worker runs."""
    name = CheckName.WORKER
    if not clock.is_over(facts.seen_at, after=WORKER_SEEN_WITHIN):
        return Check(name, Verdict.GOOD, _("Runs"))
    if not facts.is_needed:
        return Check(name, Verdict.GOOD, _("None runs; none is needed before bunq is connected"))
    found = _("None runs, and payments are not imported")
    if facts.seen_at is not None:
        found = _("None runs since %(time)s, and payments are not imported") % {"time": times.local(facts.seen_at)}
    steps = (
        _("Start it: `systemctl start bunqflask-worker`, or without systemd `flask --app wsgi worker`."),
        _("Look why it ended: `journalctl -u bunqflask-worker`."),
    )
    return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)


def queue(facts: QueueFacts) -> Check:
    """Judge whether work is done in time, and whether bunq lets us call."""
    name, (left, of) = CheckName.QUEUE, facts.left
    if facts.oldest is not None and clock.is_over(facts.oldest[1], after=OLDEST_EVENT):
        found = _("%(count)d events wait; the oldest (%(kind)s) since %(time)s") % {
            "count": facts.waiting,
            "kind": facts.oldest[0],
            "time": times.local(facts.oldest[1]),
        }
        steps = (
            _("See that a worker runs; the check of the worker says so."),
            _("If one runs, its log says what fails: `journalctl -u bunqflask-worker`."),
        )
        return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps)
    if facts.is_shared:
        found = _("bunq refuses calls that are not used up here: another program on this address uses bunq")
        return Check(name, Verdict.LOOK, found, Who.ADMIN, (_("Find that program, or give it another address."),))
    if facts.blocked:
        found = _("bunq asks to wait: %(endpoints)s") % {"endpoints": ", ".join(facts.blocked)}
        return Check(name, Verdict.GOOD, found)
    waiting = _("%(count)d events wait") % {"count": facts.waiting} if facts.waiting else _("nothing waits")
    free = _("%(left)d of %(all)d calls for payments are free now") % {"left": left, "all": of}
    return Check(name, Verdict.GOOD, f"{free}; {waiting}")


def storage(facts: StorageFacts) -> Check:
    """Judge the database and its disk."""
    name = CheckName.STORAGE
    if facts.fault:
        return Check(name, Verdict.BROKEN, facts.fault, Who.ADMIN, (facts.details,) if facts.details else ())
    if not facts.is_at_head:
        steps = (_("Run `flask --app wsgi db upgrade`, then restart the app and its worker."),)
        return Check(name, Verdict.BROKEN, _("The database is not migrated."), Who.ADMIN, steps)
    if facts.free is None or facts.size is None:
        return Check(name, Verdict.GOOD, _("The database answers and stores, and has the tables of this version."))
    room = _("%(free)s GB free of %(all)s GB") % {
        "free": f"{facts.free / _GB:.1f}",
        "all": f"{facts.size / _GB:.0f}",
    }
    if facts.free >= _LITTLE_ROOM:
        return Check(name, Verdict.GOOD, room)
    steps = (_("Free up space on the disk of the database; old backups and logs are often the largest: `df -h`."),)
    verdict = Verdict.BROKEN if facts.free < _NO_ROOM else Verdict.LOOK
    return Check(name, verdict, room, Who.ADMIN, steps)


def backup(facts: BackupFacts) -> Check:
    """Judge the last backup, and whether a restore was tried."""
    name = CheckName.BACKUP
    make = _("Make one every night, by `flask --app wsgi backup FILE` and a timer.")
    if facts.failed_at is not None and (facts.made_at is None or facts.failed_at > facts.made_at):
        found = _("The last one failed %(time)s") % {"time": times.local(facts.failed_at)}
        steps: tuple[str, ...] = (_("Run `flask --app wsgi backup FILE`: it says what stands in the way."),)
        return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps, reason=FAILED)
    if facts.made_at is None:
        if not facts.is_needed:
            return Check(name, Verdict.GOOD, _("None was made; there is nothing to lose yet."))
        found = _("None was made here. If another program backs up the database, this check does not see it.")
        return Check(name, Verdict.LOOK, found, Who.ADMIN, (make,))
    size = f", {facts.size_bytes / 1024**2:.1f} MB" if facts.size_bytes is not None else ""
    found = _("Made %(time)s%(size)s, and read back") % {"time": times.local(facts.made_at), "size": size}
    if clock.is_over(facts.made_at, after=BACKUP_WITHIN):
        steps = (_("See why no other was made since: `systemctl list-timers bunqflask-backup`."), make)
        return Check(name, Verdict.BROKEN, found, Who.ADMIN, steps, reason=TOO_OLD)
    test = _("Test the last one: `flask --app wsgi restore --check FILE`; it changes nothing.")
    if facts.tested_at is None:
        return Check(name, Verdict.LOOK, found + _("; no restore was tested here"), Who.ADMIN, (test,))
    found += _("; restore tested %(time)s") % {"time": times.local(facts.tested_at)}
    if clock.is_over(facts.tested_at, after=TEST_WITHIN):
        return Check(name, Verdict.LOOK, found, Who.ADMIN, (test,))
    return Check(name, Verdict.GOOD, found)
