"""One simulated bank: store, clock, switches, active faults, call log, rate limiter and scheduled jobs."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import cast

from bunqflask.sandbox.bank.call_log import CallLog
from bunqflask.sandbox.bank.faults import Faults
from bunqflask.sandbox.bank.rate_limits import Limiter
from bunqflask.sandbox.bank.settings import Settings, SwitchValue, check_switch
from bunqflask.sandbox.bank.store import Json, Store

# A scheduled job. It receives the bank, its due time (seconds since 1970) and its body.
Job = Callable[["Bank", float, Json], None]

JOBS: dict[str, Job] = {}

PAGES_REMEMBERED = 64
LONGEST_PAUSE_S = 60.0

LOG = logging.getLogger(__name__)


def job(kind: str) -> Callable[[Job], Job]:
    """Register the function that does scheduled work of this kind."""

    def register(function: Job) -> Job:
        JOBS[kind] = function
        return function

    return register


class Bank:
    """Everything that belongs to one running sandbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.database)
        self.limiter = Limiter()
        self.calls = CallLog()
        self.faults = Faults()
        self.closing = threading.Event()
        self._wake = threading.Event()
        self._worker: threading.Thread | None = None
        self._starting = threading.Lock()
        self._request_ids: dict[int, OrderedDict[str, None]] = {}
        self._pages: dict[Hashable, tuple[tuple[int, int], bytes]] = {}
        self._switches = self._read_switches()

    def close(self) -> None:
        """End waiting answers and the worker, and close the database."""
        self.closing.set()
        self._wake.set()
        if self._worker is not None:
            self._worker.join()
        self.store.close()

    # Switches have the values of the settings until one is changed; a change survives a restart.

    def _read_switches(self) -> dict[str, SwitchValue]:
        changed: dict[str, SwitchValue] = json.loads(self.store.read_meta("switches") or "{}")
        return {**self.settings.switches(), **changed}

    @property
    def switches(self) -> dict[str, SwitchValue]:
        """Return every switch by name."""
        return dict(self._switches)

    def set_switches(self, changes: dict[str, object]) -> None:
        """Change some switches, all or none.

        :raises ValueError: an unknown name or value.
        """
        checked = {name: check_switch(name, value) for name, value in changes.items()}
        with self.store.transaction():
            kept = json.loads(self.store.read_meta("switches") or "{}")
            self.store.write_meta("switches", json.dumps({**kept, **checked}))
        self._switches.update(checked)

    def seconds(self, name: str) -> int:
        """Return a switch that is a number of seconds."""
        return cast(int, self._switches[name])

    def word(self, name: str) -> str:
        """Return a switch that is a text."""
        return cast(str, self._switches[name])

    def is_on(self, name: str) -> bool:
        """Return a switch that is on or off."""
        return bool(self._switches[name])

    def remembered(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the cached bytes of this key, unless the store was written since; then make and cache them.

        Clients poll the same page of payments; writing 200 payments as JSON takes longer than everything else.
        """
        version = self.store.version()
        found = self._pages.get(key)
        if found is not None and found[0] == version:
            return found[1]
        made = make()
        self._pages[key] = (version, made)
        if len(self._pages) > PAGES_REMEMBERED:
            self._pages.pop(next(iter(self._pages)), None)
        return made

    # Scheduled jobs.

    def work_due(self) -> int:
        """Run the due jobs in order; return their number.

        A job that fails is rolled back, dropped and logged, so that it cannot block every later call.
        """
        done = 0
        with self.store.transaction():
            while due := self.store.take_due():
                kind, moment, body = due
                self.store.db.execute("SAVEPOINT job")
                try:
                    JOBS[kind](self, moment, body)
                except Exception:
                    self.store.db.execute("ROLLBACK TO job")
                    LOG.exception("job of kind %s failed and was dropped", kind)
                self.store.db.execute("RELEASE job")
                done += 1
        return done

    def start_worker(self) -> None:
        """Start the worker thread, which runs jobs as they fall due; later calls do nothing."""
        if self._worker is None and not self.closing.is_set():
            with self._starting:
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work_on, name="bank", daemon=True)
                    self._worker.start()

    def wake(self) -> None:
        """Make the worker look for due jobs now."""
        self._wake.set()

    def _work_on(self) -> None:
        while not self.closing.is_set():
            self._wake.clear()
            pause = LONGEST_PAUSE_S
            try:
                pause = self._work_once()
            except sqlite3.ProgrammingError:
                return  # the database was closed under a waiting worker
            except Exception:
                LOG.exception("the worker failed and continues")
            self._wake.wait(pause)

    def _work_once(self) -> float:
        """Run due jobs and deliver due webhooks; return the seconds until the next one."""
        self.work_due()
        while not self.closing.is_set() and (due := self.store.take_due(webhooks=True)):
            JOBS["webhook"](self, due[1], due[2])
        next_due = self.store.next_due()
        if next_due is None:
            return LONGEST_PAUSE_S
        return min(max(0.02, next_due - self.store.clock.timestamp()), LONGEST_PAUSE_S)

    def later(self, kind: str, seconds: float, body: Json) -> None:
        """Schedule a job in `seconds` of the sandbox's clock, if the current transaction commits."""
        self.store.schedule(kind, self.store.clock.timestamp() + seconds, body)
        self.store.after_commit(self.wake)

    def forget_runtime(self) -> None:
        """Clear the state outside the database: counters, faults, log."""
        self.limiter.clear()
        self.faults.clear()
        self.calls.clear()
        self._request_ids.clear()
        self._switches = self._read_switches()

    def is_repeated_request(self, installation_id: int, request_id: str) -> bool:
        """Remember a X-Bunq-Client-Request-Id and tell whether this installation used it before."""
        seen = self._request_ids.setdefault(installation_id, OrderedDict())
        if request_id in seen:
            return True
        seen[request_id] = None
        if len(seen) > 10_000:
            seen.popitem(last=False)
        return False
