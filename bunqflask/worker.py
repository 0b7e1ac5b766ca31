"""The worker: duties that nobody has to ask for, such as finishing consents and syncing payments.

Rows say what is to be done and leases see that it is done once, so any number of workers may run, and `kill -9` costs
at most the length of a lease. Events of the outbox start a duty at once; without one, each duty runs at its interval,
and once when the worker starts. Each duty has threads of its own: one that is slow or fails holds up no other.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from bunqflask import clock
from bunqflask.database import erasure, leases, storage
from bunqflask.database.transactions import release, transaction
from bunqflask.extensions import db
from bunqflask.models import Event, EventKind
from bunqflask.services import workers
from bunqflask.services.assistants import access, clients
from bunqflask.services.audit import retention
from bunqflask.services.connections import sharing, timeline
from bunqflask.services.consent import attempts, completion
from bunqflask.services.doctor import runs
from bunqflask.services.exports import orders
from bunqflask.services.gateway import abandoned_sessions, call_log, rate_limiter
from bunqflask.services.instructions import collections
from bunqflask.services.instructions import sending as instructions
from bunqflask.services.notices import events, inbox, sending
from bunqflask.services.sync import connection_sync, schedule
from bunqflask.services.team import browsers, invitations, login_steps, resets, throttle
from bunqflask.services.tokens import idempotency, tokens

_POLL_S = 0.5
# By how many channels one worker sends notices at the same time: one whose server is slow holds up no other.
_NOTICE_THREADS = 4
# How many connections one worker syncs at the same time.
_SYNC_THREADS = 4
_CONSENT_PATIENCE_S = 20.0
_SYNC_PATIENCE_S = 900.0
_INSTRUCTION_PATIENCE_S = 60.0
# How many instructions one worker does at the same time.
_INSTRUCTION_THREADS = 2
# After a failure, and twice as long after each further one, up to the second.
_FIRST_RETRY_S = 30.0
_LAST_RETRY_S = 480.0
# When nothing was done for so long, by a stop, a sleeping computer or an absent database, callbacks may have been lost.
_OUTAGE = timedelta(minutes=2)
# What bunq is asked when the worker has to end may take this long; what takes longer is given up.
_STOP_WITHIN_S = 5.0
_EVENT_LIFETIME = timedelta(days=90)

# What a duty is done for: a connection, a channel or an instruction by its id; None where it is one piece of work.
Target = int | None


@dataclass(frozen=True, kw_only=True)
class Duty:
    """Something the worker does: every so often, and at once after some kinds of events.

    `run` is called for each target, in as many threads at a time as the duty has. `marks_handled` tells that it marks
    its events as handled itself, in the transaction that acts on them, because no other row holds that work.
    """

    name: str
    run: Callable[[Target], object]
    every: timedelta
    on: frozenset[EventKind] = frozenset()
    targets: Callable[[], Sequence[Target]] = lambda: (None,)
    threads: int = 1
    marks_handled: bool = False


def _send_notices(channel_id: Target) -> None:
    if channel_id is not None:
        sending.send_due(channel_id)


def _sync(connection_id: Target) -> None:
    if connection_id is not None:
        connection_sync.run_due(connection_id, patience_s=_SYNC_PATIENCE_S)


def _advance(instruction_id: Target) -> None:
    if instruction_id is not None:
        instructions.advance(instruction_id, patience_s=_INSTRUCTION_PATIENCE_S)


def _delete_old_rows() -> None:
    throttle.delete_expired()
    login_steps.delete_expired()
    browsers.delete_unused()
    invitations.delete_expired()
    resets.delete_expired()
    attempts.delete_old()
    sharing.delete_expired()
    tokens.delete_expired()
    idempotency.delete_old()
    orders.delete_expired()
    access.delete_old()
    clients.delete_unused()
    call_log.delete_old()
    inbox.delete_old()
    sending.delete_old()
    with transaction():
        old = Event.handled_at < clock.now() - _EVENT_LIFETIME
        db.session.execute(delete(Event).where(old))


DUTIES = (
    Duty(
        name="finish consents",
        run=lambda _: completion.advance_all(patience_s=_CONSENT_PATIENCE_S),
        every=timedelta(seconds=2),
        on=frozenset({EventKind.CONSENT_APPROVED}),
    ),
    Duty(name="end overdue consents", run=lambda _: attempts.end_all_overdue(), every=timedelta(seconds=30)),
    Duty(
        name="close abandoned sessions",
        run=lambda _: abandoned_sessions.close_all(),
        every=timedelta(minutes=1),
        on=frozenset({EventKind.SESSION_ABANDONED}),
    ),
    Duty(
        name="sync",
        run=_sync,
        targets=schedule.due_connections,
        threads=_SYNC_THREADS,
        every=timedelta(seconds=10),
        on=frozenset({EventKind.SYNC_REQUESTED, EventKind.CONNECTION_WORKS}),
    ),
    Duty(
        name="advance instructions",
        run=_advance,
        targets=instructions.due,
        threads=_INSTRUCTION_THREADS,
        every=timedelta(seconds=2),
        on=frozenset({EventKind.INSTRUCTION_DUE}),
    ),
    Duty(name="settle collections", run=lambda _: collections.settle(), every=timedelta(seconds=10)),
    Duty(
        name="note conditions",
        run=lambda _: timeline.note_changes(),
        every=timedelta(seconds=15),
        on=frozenset({EventKind.CONNECTION_LOST, EventKind.CONNECTION_ENDED}),
    ),
    Duty(
        name="inform people",
        run=lambda _: events.handle_all(),
        every=timedelta(minutes=1),
        on=events.KINDS,
        marks_handled=True,
    ),
    Duty(
        name="send notices",
        run=_send_notices,
        targets=sending.due_channels,
        threads=_NOTICE_THREADS,
        every=timedelta(seconds=5),
    ),
    Duty(
        name="erase",
        run=lambda _: erasure.purge(),
        every=timedelta(days=1),
        on=frozenset({EventKind.DATA_ERASED}),
    ),
    Duty(name="delete old rows", run=lambda _: _delete_old_rows(), every=timedelta(hours=1)),
    Duty(
        name="examine this server",
        run=lambda _: runs.run_if_due(),
        every=timedelta(minutes=5),
        on=frozenset({EventKind.SERVER_REFUSED}),
    ),
    Duty(name="delete old audit events", run=lambda _: retention.delete_old(), every=timedelta(hours=6)),
)


@dataclass
class _Round:
    """One start of a duty: the events behind it, and the work that it began."""

    events: frozenset[int]
    work: list[Future[None]] = field(default_factory=list)


@dataclass
class _Retry:
    """A target whose work has failed: how often in a row, and when to try again."""

    failures: int
    at_s: float


class _Runner:
    """Runs one duty: when it is due, each target once at a time, and those that failed again after a while.

    Its times are of the monotonic clock, so that setting the clock right holds nothing up.
    """

    def __init__(self, app: Flask, duty: Duty) -> None:
        self.duty = duty
        self._app = app
        self._next_s = time.monotonic()
        self._pool = ThreadPoolExecutor(duty.threads, duty.name)
        self._rounds: list[_Round] = []
        self._running: dict[Target, Future[None]] = {}
        self._retries: dict[Target, _Retry] = {}

    def tick(self, unhandled: dict[int, EventKind]) -> set[int]:
        """Begin what is due; returns the events that are handled by now."""
        handled = self._collect()
        known = handled.union(*(each.events for each in self._rounds))
        events = {number for number, kind in unhandled.items() if kind in self.duty.on and number not in known}
        if not self._waits_after_failure() and (events or self._is_time()):
            self._next_s = time.monotonic() + self.duty.every.total_seconds()
            self._begin(frozenset(events))
        return handled

    def stop(self) -> list[Future[None]]:
        """Begin nothing any more; returns what still runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        return [future for future in self._running.values() if not future.done()]

    def _waits_after_failure(self) -> bool:
        """Tell whether the duty as a whole has failed, and is not to be tried again yet."""
        return None in self._retries and self._retries[None].at_s > time.monotonic()

    def _is_time(self) -> bool:
        now_s = time.monotonic()
        retries = (retry for target, retry in self._retries.items() if target not in self._running)
        return self._next_s <= now_s or any(retry.at_s <= now_s for retry in retries)

    def _begin(self, events: frozenset[int]) -> None:
        try:
            targets = self.duty.targets()
        except Exception as error:  # noqa: BLE001 - logged, and tried again
            self._note_failure(None, error)
            return
        self._retries = {each: retry for each, retry in self._retries.items() if each in targets}
        begun, now_s = _Round(events), time.monotonic()
        for target in targets:
            has_to_wait = target in self._retries and self._retries[target].at_s > now_s
            if target not in self._running and not has_to_wait:
                self._running[target] = self._pool.submit(self._run, target)
                begun.work.append(self._running[target])
        self._rounds.append(begun)

    def _collect(self) -> set[int]:
        """Note what has ended. Events are handled when all that they began has ended: rows hold the rest."""
        for target, future in list(self._running.items()):
            if not future.done():
                continue
            del self._running[target]
            error = future.exception()
            if error is None:
                self._retries.pop(target, None)
            else:
                self._note_failure(target, error)
        ended = [each for each in self._rounds if all(future.done() for future in each.work)]
        self._rounds = [each for each in self._rounds if each not in ended]
        if self.duty.marks_handled:
            return set()
        return {number for each in ended for number in each.events}

    def _note_failure(self, target: Target, error: BaseException) -> None:
        failures = self._retries[target].failures + 1 if target in self._retries else 1
        wait_s = min(_FIRST_RETRY_S * 2 ** min(failures - 1, 10), _LAST_RETRY_S)
        self._retries[target] = _Retry(failures, time.monotonic() + wait_s)
        name = self.duty.name if target is None else f"{self.duty.name} {target}"
        # The stack says nothing new the second time, and nothing at all of a database that is away.
        details = None if failures > 1 or isinstance(error, OperationalError) else error
        self._app.logger.error("%s failed (%d in a row): %s", name, failures, _in_a_line(error), exc_info=details)

    def _run(self, target: Target) -> None:
        with self._app.app_context():
            self.duty.run(target)


def _in_a_line(error: BaseException) -> str:
    """Say what stands in the way of the database; of other errors only the kind, as their text may hold a secret."""
    if isinstance(error, DBAPIError) and (storage.fault_of(error) or isinstance(error, OperationalError)):
        return storage.explain(error)
    return type(error).__name__


class Worker:
    """One worker process."""

    def __init__(self, app: Flask, duties: Iterable[Duty] = DUTIES) -> None:
        self._app = app
        self._runners = [_Runner(app, duty) for duty in duties]
        self._handled_kinds = frozenset[EventKind]().union(*(runner.duty.on for runner in self._runners))
        self._own_marks = _kinds_marked_by_duties(runner.duty for runner in self._runners)
        self._is_stopping = False
        self._is_database_away = False
        self._name = workers.name()
        self._beat_s = time.monotonic()
        self._ticked_at: datetime | None = None

    def run(self) -> None:
        """Do the duties until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        while not self._is_stopping:
            with self._app.app_context():
                self._tick()
            time.sleep(_POLL_S)
        self._finish()

    def stop(self) -> None:
        """Let `run` end. Only sets a flag, because a signal may come while this thread holds any lock."""
        self._is_stopping = True

    def _tick(self) -> None:
        try:
            self._end_outage()
            if self._beat_s <= time.monotonic():
                workers.beat(self._name)
                self._beat_s = time.monotonic() + workers.BEAT_EVERY.total_seconds()
            rows = db.session.execute(select(Event.id, Event.kind).where(Event.handled_at.is_(None))).all()
            unhandled = {row.id: row.kind for row in rows}
            handled = {number for number, kind in unhandled.items() if kind not in self._handled_kinds}
            handled |= {number for runner in self._runners for number in runner.tick(unhandled)}
            handled = {number for number in handled if unhandled.get(number) not in self._own_marks}
            if handled:
                with transaction():
                    db.session.execute(update(Event).where(Event.id.in_(handled)).values(handled_at=clock.now()))
            if self._is_database_away:
                self._app.logger.warning("the database answers")
            self._is_database_away = False
        except SQLAlchemyError as error:
            if not self._is_database_away:
                # Before the first `flask db upgrade` too: there are no tables yet.
                self._app.logger.warning("the worker waits for the database: %s", _in_a_line(error))
            self._is_database_away = True

    def _end_outage(self) -> None:
        """After a start and after an outage, read everything, unless another worker was here meanwhile."""
        if clock.is_over(self._ticked_at, after=_OUTAGE) and not workers.is_alive():
            timeline.note_absence()
            connection_sync.request_after_outage()
        self._ticked_at = clock.now()

    def _finish(self) -> None:
        """End at the next calls to bunq; what waits for an answer for too long is given up, with its leases."""
        rate_limiter.stop_waiting()
        running = [future for runner in self._runners for future in runner.stop()]
        given_up = wait(running, timeout=_STOP_WITHIN_S).not_done
        with self._app.app_context():
            try:
                workers.end(self._name)
                leases.release_all()
            except SQLAlchemyError as error:
                self._app.logger.warning("the worker ends without the database: %s", _in_a_line(error))
        if given_up:
            self._app.logger.warning("the worker ends in the middle of %d pieces of work", len(given_up))
            os._exit(0)  # at its usual end Python waits for all threads


def _kinds_marked_by_duties(duties: Iterable[Duty]) -> frozenset[EventKind]:
    return frozenset[EventKind]().union(*(duty.on for duty in duties if duty.marks_handled))


def run_duties_once(duties: Iterable[Duty] = DUTIES) -> None:
    """Run every duty once in this thread, and mark the events handled whose duties succeeded.

    :raises Exception: what the first duty that failed has raised; the others are run all the same.
    """
    events = db.session.execute(select(Event.id, Event.kind).where(Event.handled_at.is_(None))).all()
    failed: list[Exception] = []
    undone: set[EventKind] = set()
    for duty in duties:
        for target in duty.targets():
            # A reading transaction of ours must not be what the duty waits for.
            release()
            try:
                duty.run(target)
            except Exception as error:  # noqa: BLE001 - raised at the end
                failed.append(error)
                undone |= duty.on
    done = [event.id for event in events if event.kind not in undone | _kinds_marked_by_duties(duties)]
    with transaction():
        db.session.execute(update(Event).where(Event.id.in_(done)).values(handled_at=clock.now()))
    if failed:
        raise failed[0]
