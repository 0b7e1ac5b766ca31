"""Servers to measure, in processes of their own: the app under gunicorn, its worker, and banks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from bunqflask.config import ROOT
from tests.bench import installation, machine
from tests.support.apps import GunicornSite, child_environ, environ_for, reserve_port
from tests.support.bank import JODI, Bank


class NotReady(AssertionError):
    """A server ended, or stayed silent for too long."""


NO_BANK = Bank("http://127.0.0.1:9")
_START_S = 120.0


class App(GunicornSite):
    """The app under gunicorn, one process of it unless asked for more; set up at its bank if it has one.

    :param people: passwords of the team members of a new database, by their email addresses; without any, the app was
        set up before.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        bank: Bank = NO_BANK,
        *,
        people: Mapping[str, str] | None = None,
        workers: int = 1,
        **settings: str,
    ) -> None:
        environ = environ_for(bank, database_url, **{"PUBLIC_URL": free_url(), **settings})
        super().__init__(environ, folder / "gunicorn.log", python=installation.python())
        self._workers = workers
        if bank is not NO_BANK and people:
            self.flask("setup", "--new-sandbox-user", "company")
        for email, password in (people or {}).items():
            self.flask("team", "add", email, "--password-stdin", stdin=password)

    def __enter__(self) -> Self:
        self.start(workers=self._workers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.kill()

    def flask(
        self, *arguments: str, stdin: str = "", check: bool = True, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the app's commands as an operator does."""
        done = subprocess.run(
            flask_command(*arguments),
            env=child_environ(self.environ),
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if check and done.returncode:
            raise AssertionError(
                f"flask {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    @property
    def worker_pids(self) -> list[int]:
        """The processes that answer requests."""
        return machine.children(self.pid)


@contextmanager
def duties(site: App, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the app's worker, which imports payments, until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            flask_command("worker"), env=child_environ(site.environ), cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def stand_in(folder: Path, *, rate_limits: str = "off", database: str = "bank.sqlite3") -> Iterator[Bank]:
    """Serve the stand-in, its state in a file, until the block ends."""
    environ = {
        "SANDBOX_DATABASE": str(folder / database),
        "SANDBOX_HISTORY": "0",
        "SANDBOX_RATE_LIMITS": rate_limits,
    }
    with _bank(folder, "bunqflask.sandbox:create_app()", environ) as bank:
        yield bank


@contextmanager
def bank_with_history(folder: Path, size: int, people: int, newest: datetime) -> Iterator[tuple[Bank, list[int]]]:
    """Serve a bank with an invented history until the block ends; also returns its bunq users."""
    environ = {"BENCH_PAYMENTS": str(size), "BENCH_PEOPLE": str(people), "BENCH_NEWEST": newest.isoformat()}
    with _bank(folder, "tests.bench.history_bank:create_app()", environ) as bank:
        users = [user["id"] for user in bank.state()["users"]]
        invented = sorted(users)[-(people - 1) :] if people > 1 else []
        yield bank, [JODI, *invented]


@contextmanager
def _bank(folder: Path, application: str, environ: Mapping[str, str]) -> Iterator[Bank]:
    bank = Bank(free_url().replace("localhost", "127.0.0.1"))
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class", "gthread"]
    size = ["--workers", "1", "--threads", "16", "--timeout", "600", "--bind", bank.origin.removeprefix("http://")]
    with (folder / "bank.log").open("ab") as output:
        process = subprocess.Popen(
            [*gunicorn, *size, application],
            env=child_environ({**environ, "PYTHONPATH": str(ROOT)}),
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(f"{bank.control_url}/switches", process)
        yield bank
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], patience_s: float = _START_S) -> None:
    """Wait until a server answers.

    :raises NotReady: it ended, or stayed silent.
    """
    deadline = time.monotonic() + patience_s
    with requests.Session() as client:
        client.trust_env = False
        while True:
            try:
                if client.get(url, timeout=max(0.1, deadline - time.monotonic())).status_code < 500:
                    return
            except requests.RequestException:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"nothing answers at {url}")
            time.sleep(0.1)


def flask_command(*arguments: str) -> list[str]:
    """Return how one of the app's commands is started."""
    return [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]


def free_url() -> str:
    """Return an address on which nothing listens yet."""
    with reserve_port() as listener:
        return f"http://localhost:{listener.getsockname()[1]}"


def own_environ() -> dict[str, str]:
    """Return this process's environment without settings of the app."""
    return {name: os.environ[name] for name in os.environ if not name.startswith(("BUNQ_", "SANDBOX_"))}
