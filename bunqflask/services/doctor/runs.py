"""Examinations: hourly and after a refusal by the worker, at once for a person; the last one is stored.

One process examines at a time, under a lease. A check that turns broken emits one event, as does the end of all faults;
what cannot be found out for a while stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from bunqflask import clock
from bunqflask.bunq.errors import BunqError
from bunqflask.database import leases
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import emit, release, transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Check, CheckName, DoctorState, Event, EventKind, Verdict
from bunqflask.services import policy
from bunqflask.services.doctor import of_bunq, of_server, probes
from bunqflask.services.doctor.probes import Probe
from bunqflask.services.principal import Principal

EVERY = timedelta(hours=1)
_STATE_ID = 1
# Somebody else may be examining: theirs is as good.
_WAIT_FOR_ANOTHER_S = 20.0

CHECKS: Mapping[CheckName, Callable[[Any], Check]] = {
    CheckName.RETURN_ADDRESS: of_bunq.return_address,
    CheckName.SERVER_ADDRESS: of_bunq.server_address,
    CheckName.CLOCK: of_bunq.clock,
    CheckName.KEYS: of_bunq.keys,
    CheckName.SESSION: of_bunq.session,
    CheckName.CALLBACKS: of_bunq.callbacks,
    CheckName.WORKER: of_server.worker,
    CheckName.QUEUE: of_server.queue,
    CheckName.STORAGE: of_server.storage,
    CheckName.BACKUP: of_server.backup,
}


@dataclass(frozen=True)
class Examination:
    """What all checks found, and when; None: never."""

    checked_at: datetime | None
    checks: tuple[Check, ...]

    @property
    def is_broken(self) -> bool:
        return any(each.verdict is Verdict.BROKEN for each in self.checks)

    def count(self, verdict: Verdict) -> int:
        """Return how many checks concluded this."""
        return sum(1 for each in self.checks if each.verdict is verdict)


def examine(found_by: Mapping[CheckName, Probe]) -> tuple[Check, ...]:
    """Run every check with its probe; one that fails is not known, and stops no other."""
    return tuple(_examine_one(name, found_by[name], judge) for name, judge in CHECKS.items())


def _examine_one(name: CheckName, probe: Probe, judge: Callable[[Any], Check]) -> Check:
    release()
    try:
        return judge(probe())
    except DBAPIError as error:
        db.session.rollback()
        current_app.logger.warning("the doctor could not check %s: %s", name, error.orig)
        return Check(name, Verdict.NOT_KNOWN, _("The database does not answer."))
    except (BunqError, OSError, SecretUnreadable) as error:
        current_app.logger.warning("the doctor could not check %s: %s", name, error)
        return Check(name, Verdict.NOT_KNOWN, _("This could not be found out."))


def stored_facts() -> tuple[Check, ...]:
    """Run every check on what is stored, without a call to anybody."""
    return examine(probes.all_probes(None, pings=None))


def latest(principal: Principal) -> Examination:
    """Return the last examination.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    policy.check_can_see_doctor(principal)
    return _latest()


def run_for(principal: Principal) -> Examination:
    """Examine now, for a person.

    :raises NotPermitted: the principal is neither owner nor admin.
    """
    policy.check_can_see_doctor(principal)
    return run()


def run_if_due() -> None:
    """Examine if the last time is an hour ago, or if bunq has refused this server since then."""
    checked_at = db.session.scalar(select(DoctorState.checked_at))
    if checked_at is None or clock.is_over(checked_at, after=EVERY) or _was_refused_since(checked_at):
        run()


def _was_refused_since(checked_at: datetime) -> bool:
    refused = select(Event.id).where(Event.kind == EventKind.SERVER_REFUSED, Event.created_at > checked_at)
    return db.session.scalar(refused.limit(1)) is not None


def run() -> Examination:
    """Examine everything now, and store what was found; without a database, only examine.

    Where another process is examining, its result is returned.
    """
    try:
        begun_at = clock.now()
        with leases.held(_state(), patience_s=_WAIT_FOR_ANOTHER_S) as lease:
            found = _latest()
            is_fresh = found.checked_at is not None and found.checked_at >= begun_at
            return found if lease is None or is_fresh else _run_under(lease)
    except (DBAPIError, LeaseLost) as error:
        db.session.rollback()
        current_app.logger.warning("what the doctor found is not stored: %s", getattr(error, "orig", error))
        return Examination(clock.now(), stored_facts())


def _run_under(lease: Lease) -> Examination:
    asked = probes.ask_bunq()
    checks, now = examine(probes.all_probes(asked, pings=_STATE_ID)), clock.now()
    with transaction():
        lease.verify()
        state = db.session.get_one(DoctorState, _STATE_ID)
        before, faults = set(state.faults), _faults_after(state.faults, checks)
        state.checked_at, state.checks, state.faults = now, checks, faults
        _tell(before, set(faults), checks)
    return Examination(now, checks)


def _faults_after(before: tuple[CheckName, ...], checks: tuple[Check, ...]) -> tuple[CheckName, ...]:
    return tuple(
        each.name
        for each in checks
        if each.verdict is Verdict.BROKEN or (each.verdict is Verdict.NOT_KNOWN and each.name in before)
    )


def _tell(before: set[CheckName], after: set[CheckName], checks: tuple[Check, ...]) -> None:
    """Emit what has turned, within the caller's transaction.

    A backup has an event of its own; where one failed, the command that failed has emitted it.
    """
    new = after - before
    if CheckName.BACKUP in new:
        reason = next(each.reason for each in checks if each.name is CheckName.BACKUP)
        if reason == of_server.TOO_OLD:
            emit(EventKind.BACKUP_FAILED, reason=reason)
    if others := sorted(new - {CheckName.BACKUP}):
        emit(EventKind.DOCTOR_FOUND_FAULT, checks=others)
    if before and not after:
        emit(EventKind.DOCTOR_ALL_GOOD, checks=sorted(before))


def _latest() -> Examination:
    state = db.session.get(DoctorState, _STATE_ID, populate_existing=True)
    return Examination(state.checked_at, state.checks) if state is not None else Examination(None, ())


def _state() -> DoctorState:
    state = db.session.get(DoctorState, _STATE_ID)
    if state is None:
        fresh = insert_into(DoctorState).values(id=_STATE_ID, checks=(), faults=())
        with transaction():
            db.session.execute(fresh.on_conflict_do_nothing())
        state = db.session.get_one(DoctorState, _STATE_ID)
    return state
