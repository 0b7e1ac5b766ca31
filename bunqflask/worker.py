"""The worker: duties that nobody has to ask for, such as finishing consents and syncing payments.

Rows say what is to be done and leases see that it is done once, so any number of workers may run, and a crash costs
at most a minute. Events of the outbox start a duty at once; without one, each duty runs at its interval. A duty that
fails is logged and tried again; it holds up no other.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Flask, current_app
from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from bunqflask import clock
from bunqflask.database import erasure
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Event, EventKind
from bunqflask.services import workers
from bunqflask.services.connections import access
from bunqflask.services.consent import attempts, completion
from bunqflask.services.gateway import abandoned_sessions, rate_limiter
from bunqflask.services.sync import connection_sync, schedule
from bunqflask.services.team import throttle

_POLL_S = 0.5
_THREADS = 4
_CONSENT_PATIENCE_S = 20.0
_SYNC_PATIENCE_S = 900.0
_RETRY_AFTER_FAILURE = timedelta(seconds=30)
_STOP_WITHIN_S = 10.0
_EVENTS_KEPT = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class Duty:
    """Something the worker does: every so often, and at once after some kinds of events.

    With `targets`, `run` is called for each of them, several at a time; otherwise it is called without an argument.
    """

    name: str
    run: Callable[..., object]
    every: timedelta
    on: frozenset[EventKind] = frozenset()
    targets: Callable[[], Sequence[int]] | None = None


def _due_connections() -> list[int]:
    return [connection.id for connection in access.list_active() if schedule.is_due(connection)]


def _sync(connection_id: int) -> None:
    connection_sync.run_due(connection_id, patience_s=_SYNC_PATIENCE_S)


def _delete_old_rows() -> None:
    throttle.delete_expired()
    with transaction():
        old = Event.handled_at < clock.now() - _EVENTS_KEPT
        db.session.execute(delete(Event).where(old))


DUTIES = (
    Duty(
        name="finish consents",
        run=lambda: completion.advance_all(patience_s=_CONSENT_PATIENCE_S),
        every=timedelta(seconds=2),
        on=frozenset({EventKind.CONSENT_APPROVED}),
    ),
    Duty(name="end overdue consents", run=attempts.end_all_overdue, every=timedelta(seconds=30)),
    Duty(
        name="close abandoned sessions",
        run=abandoned_sessions.close_all,
        every=timedelta(minutes=1),
        on=frozenset({EventKind.SESSION_ABANDONED}),
    ),
    Duty(
        name="sync",
        run=_sync,
        targets=_due_connections,
        every=timedelta(seconds=10),
        on=frozenset({EventKind.SYNC_REQUESTED, EventKind.CONNECTION_WORKS}),
    ),
    Duty(
        name="erase",
        run=erasure.purge,
        every=timedelta(days=1),
        on=frozenset({EventKind.DATA_ERASED}),
    ),
    Duty(name="delete old rows", run=_delete_old_rows, every=timedelta(hours=1)),
)


@dataclass
class _State:
    """When a duty runs next, and what of it is running."""

    next_at: datetime
    running: list[Future[None]] = field(default_factory=list)
    targets: set[int] = field(default_factory=set)
    events: list[int] = field(default_factory=list)
    has_failed: bool = False


class Worker:
    """One worker process."""

    def __init__(self, app: Flask, duties: Iterable[Duty] = DUTIES) -> None:
        self._app = app
        self._duties = tuple(duties)
        self._stopping = threading.Event()
        now = clock.now()
        self._states = {duty.name: _State(now) for duty in self._duties}
        self._pool = ThreadPoolExecutor(_THREADS, "duty")

    def run(self) -> None:
        """Do the duties until the process is told to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        name, beat_at = workers.name(), clock.now()
        while not self._stopping.is_set():
            with self._app.app_context():
                try:
                    if clock.now() >= beat_at:
                        workers.beat(name)
                        beat_at = clock.now() + workers.BEAT_EVERY
                    self._start_due()
                except SQLAlchemyError as error:
                    self._app.logger.warning("the worker waits for the database: %s", type(error).__name__)
                    self._stopping.wait(_STOP_WITHIN_S)
            self._stopping.wait(_POLL_S)
        self._finish(name)

    def stop(self) -> None:
        """Start no duty any more, and end those that run at their next call to bunq."""
        self._stopping.set()
        rate_limiter.stop_waiting()

    def _start_due(self) -> None:
        rows = db.session.execute(select(Event.id, Event.kind).where(Event.handled_at.is_(None))).all()
        handled: set[int] = set()
        for duty in self._duties:
            state = self._states[duty.name]
            self._collect(duty, state, handled)
            new = [row.id for row in rows if row.kind in duty.on and row.id not in state.events]
            is_idle = not state.running or duty.targets is not None
            if is_idle and (clock.now() >= state.next_at or (new and not state.has_failed)):
                state.next_at = clock.now() + duty.every
                state.events += new
                self._start(duty, state)
        known = {each for duty in self._duties for each in duty.on}
        handled |= {row.id for row in rows if row.kind not in known}
        if handled:
            with transaction():
                db.session.execute(update(Event).where(Event.id.in_(handled)).values(handled_at=clock.now()))

    def _collect(self, duty: Duty, state: _State, handled: set[int]) -> None:
        """Take note of what has ended; the events behind it are handled when all of it succeeded."""
        failed = [each for each in state.running if each.done() and each.exception() is not None]
        state.running = [each for each in state.running if not each.done()]
        if failed:
            state.has_failed, state.events = True, []
            state.next_at = min(state.next_at, clock.now() + _RETRY_AFTER_FAILURE)
        elif not state.running or duty.targets is not None:
            # What a target's work leaves undone stands in its own row, so its events need not wait for it.
            handled |= set(state.events)
            state.has_failed, state.events = False, []

    def _start(self, duty: Duty, state: _State) -> None:
        if duty.targets is None:
            state.running.append(self._pool.submit(self._do, duty, None))
            return
        try:
            found = [each for each in duty.targets() if each not in state.targets]
        except Exception:
            self._app.logger.exception("%s: what is due cannot be found", duty.name)
            return
        for target in found:
            state.targets.add(target)
            future = self._pool.submit(self._do, duty, target)
            future.add_done_callback(lambda _future, target=target: state.targets.discard(target))  # type: ignore[misc]
            state.running.append(future)

    def _do(self, duty: Duty, target: int | None) -> None:
        with self._app.app_context():
            try:
                duty.run() if target is None else duty.run(target)
            except Exception:
                self._app.logger.exception("%s has failed", duty.name)
                raise

    def _finish(self, name: str) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._app.app_context():
            workers.end(name)


def run_duties_once(duties: Iterable[Duty] = DUTIES) -> None:
    """Run every duty once in this thread, and mark all events handled: what `flask sync` and tests use."""
    events = db.session.execute(select(Event.id, Event.kind).where(Event.handled_at.is_(None))).all()
    undone: set[EventKind] = set()
    for duty in duties:
        try:
            if duty.targets is None:
                duty.run()
            else:
                for target in duty.targets():
                    duty.run(target)
        except Exception:
            current_app.logger.exception("%s has failed", duty.name)
            undone |= duty.on
    done = [event.id for event in events if event.kind not in undone]
    with transaction():
        db.session.execute(update(Event).where(Event.id.in_(done)).values(handled_at=clock.now()))
