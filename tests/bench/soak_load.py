"""What happens during a soak: people look and download, money moves, bunq misbehaves, processes are killed.

Each kind of thing has a thread and a pace of its own, so the load is bounded in count as it is in time.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import requests

from bunqflask.exports.formats import FORMATS
from tests.bench import machine
from tests.bench.servers import App
from tests.support.bank import Bank
from tests.support.browser import Browser, read_page

_WORDS = ("albert", "coffee", "rent", "salary", "invoice", "zzz", "12.50", "bol")
_FORMATS = tuple(FORMATS)
# Faults that pass; what ends a connection for good, such as a withdrawn grant, is no part of steady load.
_FAULTS = (
    *("429", "409", "500", "491", "html-502", "html-503", "reset", "truncated", "slow-drip", "invalid-json"),
    *("empty", "bad-signature", "missing-signature", "wrong-content-type", "reordered", "unknown-fields"),
)
_FAULTY_CALLS = ("GET payment", "GET monetary-account", "POST session-server", "GET *", "*")


class Tally:
    """What was answered, by status; and what was cut off, as by a kill."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.statuses: Counter[int] = Counter()
        self.cut = 0
        self.failures: list[str] = []
        self.refusals: list[str] = []
        self.done: Counter[str] = Counter()

    def answered(self, path: str, status: int, text: str = "") -> None:
        with self._lock:
            self.statuses[status] += 1
            if status >= 400:
                kept = self.failures if status >= 500 else self.refusals
                kept.append(f"{status} {path} {text[:300]}")

    def was_cut(self) -> None:
        with self._lock:
            self.cut += 1

    def did(self, what: str) -> None:
        with self._lock:
            self.done[what] += 1


class Person:
    """A member who looks at pages, one after another, and now and then asks for a sync or a download."""

    def __init__(self, browser: Browser, connections: Sequence[int], tally: Tally, seed: int) -> None:
        self._browser, self._connections, self._tally = browser, connections, tally
        self._rng = random.Random(seed)

    def look(self) -> None:
        """Open one of the pages."""
        rng = self._rng
        connection = rng.choice(self._connections)
        paths = (
            "/",
            "/payments",
            f"/payments?q={rng.choice(_WORDS)}+{rng.randrange(100)}",
            f"/payments?q={rng.choice(_WORDS)}",
            f"/payments?min={rng.randrange(100)}&max={rng.randrange(100, 500)}",
            "/payments/months",
            f"/connections/{connection}/accounts",
            "/settings",
        )
        self._ask("GET", rng.choice(paths))

    def ask_for_sync(self) -> None:
        """Ask for a sync of one connection, as its page does."""
        self._ask_for_sync(self._rng.choice(self._connections))

    def ask_for_all(self) -> None:
        """Ask for a sync of every connection, which ends the wait after a failure."""
        for connection in self._connections:
            self._ask_for_sync(connection)

    def _ask_for_sync(self, connection: int) -> None:
        path = f"/connections/{connection}"
        with self._noting_cuts():
            found = self._browser.get(f"{path}/accounts")
            tokens = [pair for form in found.forms for pair in form.fields if pair[0] == "csrf_token"]
            headers = {"Origin": self._browser.home, "Referer": self._browser.home + path}
            self._ask("POST", f"{path}/sync", tokens[:1], headers)
            self._tally.did("syncs asked for")

    def download(self) -> None:
        """Download the last year in one to all formats."""
        count = self._rng.choice((1, 1, 2, len(_FORMATS)))
        chosen = self._rng.sample(_FORMATS, count)
        last = datetime.now(UTC).date() - timedelta(days=1)
        days = {"from": (last - timedelta(days=364)).isoformat(), "to": last.isoformat()}
        self._press("/payments/export", "/payments/export", days, chosen)
        self._tally.did("downloads")

    def _press(self, page: str, action: str, fields: dict[str, str] | None = None, formats: Sequence[str] = ()) -> None:
        with self._noting_cuts():
            found = self._browser.get(page)
            self._tally.answered(page, found.status, found.text if found.status >= 400 else "")
            try:
                form, _ = found.form(action=action)
            except AssertionError:
                return  # nothing to press just now
            data = [(name, value) for name, value in form.fields if name not in (fields or {}) and name != "format"]
            data += [*(fields or {}).items(), *(("format", each) for each in formats)]
            headers = {"Origin": self._browser.home, "Referer": self._browser.home + page}
            self._ask("POST", form.action.removeprefix(self._browser.home), data, headers)

    def _ask(
        self, method: str, path: str, data: Sequence[tuple[str, str]] = (), headers: dict[str, str] | None = None
    ) -> None:
        with self._noting_cuts():
            answer = self._browser.session.request(
                method, self._browser.home + path, data=list(data), headers=headers, timeout=120, allow_redirects=False
            )
            self._tally.answered(path, answer.status_code, read_page(answer).text if answer.status_code >= 400 else "")

    def _noting_cuts(self) -> _Cuts:
        return _Cuts(self._tally)


class _Cuts(suppress):
    """Counts connections that ended because the process at their other end was killed."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
        self._tally = tally

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> bool:
        is_cut = kind is not None and issubclass(kind, requests.RequestException)
        if is_cut:
            self._tally.was_cut()
        return bool(super().__exit__(kind, *more))  # type: ignore[arg-type]  # passes on whatever it is called with


class Trouble:
    """What is done to the servers from outside."""

    def __init__(self, bank: Bank, site: App, accounts: Sequence[int], tally: Tally, lasting: int) -> None:
        self._bank, self._site, self._accounts = bank, site, accounts
        self._tally, self._lasting = tally, lasting
        self._rng = random.Random(7)

    def money(self) -> None:
        """Let money come in somewhere; bunq calls us about it."""
        self._bank.receive(self._rng.choice(self._accounts), f"{self._rng.randrange(1, 50_000) / 100:.2f}")
        self._tally.did("payments made")

    def fault(self) -> None:
        """Let the next few answers of one kind go wrong."""
        fault, call = self._rng.choice(_FAULTS), self._rng.choice(_FAULTY_CALLS)
        when = self._rng.choice(("before", "after"))
        self._bank.fault(call=call, fault=fault, times=self._rng.randrange(1, 4), when=when)
        self._tally.did("faults")

    def kill_a_web_process(self) -> None:
        """Kill one that answers requests, never the one whose memory is watched; gunicorn starts another."""
        others = [pid for pid in machine.children(self._site.pid) if pid != self._lasting]
        for pid in others[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self._tally.did("web processes killed")


class Paces:
    """Threads that each do one thing again and again until they are stopped."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.errors: list[str] = []

    def every(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something every so many seconds."""
        thread = threading.Thread(target=self._repeat, args=(seconds, do), daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Let all of them end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(180)

    def _repeat(self, seconds: float, do: Callable[[], None]) -> None:
        while not self._stopping.wait(seconds):
            try:
                do()
            except Exception as error:  # noqa: BLE001 - the load goes on, and the report says what went wrong
                self.errors.append(f"{getattr(do, '__name__', do)}: {type(error).__name__}: {str(error)[:300]}")
