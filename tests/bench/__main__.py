"""`make bench`: what a connect, a page and a restart cost; one table, measured side by side in one run."""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.bench import load
from tests.support import bank as banks
from tests.support.apps import PASSWORD, GunicornSite, environ_for, migrate, reserve_port, sign_in
from tests.support.bank import JODI, Bank
from tests.support.browser import Browser
from tests.support.consents import ask, connect, start

EMAIL = "bench@example.org"
CONNECTIONS = 20
STARTS = 3
ROUNDS = 5
ROUND_S = 3.0
CLIENTS = 8


@dataclass(frozen=True)
class Row:
    """One line of the table; `goal` is what issue and README promise."""

    what: str
    measured: str
    goal: str = ""
    is_met: bool | None = None


class Bench:
    """One run: a bank, an app under gunicorn, a person who is logged in, and the rows so far."""

    def __init__(self, folder: Path, bank: Bank, site: GunicornSite, browser: Browser) -> None:
        self.folder = folder
        self.bank = bank
        self.site = site
        self.browser = browser
        self.rows: list[Row] = []

    def count(self, what: str, goal: int, work: Callable[[], object], *, path: str = "") -> None:
        """Count the calls that reach the bank's API while `work` is done."""
        self.bank.forget_calls()
        work()
        calls = [call for call in self.bank.calls() if path in call["path"]]
        self.rows.append(Row(what, str(len(calls)), str(goal), len(calls) == goal))

    def compare(self, what: str, path: str, goal: float) -> None:
        """Measure a page against a bare Flask view that returns the same bytes, in alternating rounds."""
        page = self.browser.get(path)
        port = urlsplit(self.site.url).port or 80
        cookie = "; ".join(f"{each.name}={each.value}" for each in self.browser.session.cookies)
        with _bare_view(self.folder, page.html.encode(), page.status) as bare_port:
            ours, bare = [], []
            for _ in range(ROUNDS):
                ours.append(_rate(port, path, page.status, cookie))
                bare.append(_rate(bare_port, "/", page.status))
        ratio = statistics.median(mine / yardstick for mine, yardstick in zip(ours, bare, strict=True))
        measured = f"{ratio:.2f}  ({statistics.median(ours):.0f}/s of {statistics.median(bare):.0f}/s)"
        self.rows.append(Row(f"{what}, {len(page.html.encode())} bytes", measured, f"≥ {goal}", ratio >= goal))


def main() -> int:
    """Measure everything and print the table; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="bunqflask-bench-") as name, banks.running() as bank:
        folder = Path(name)
        database_url = f"sqlite:///{folder / 'bench.sqlite3'}"
        migrate(database_url)
        site = GunicornSite(environ_for(bank, database_url, PUBLIC_URL=_free_url()), folder / "gunicorn.log")
        site.flask("setup", "--new-sandbox-user", "company")
        site.flask("team", "add", EMAIL, "--password-stdin", stdin=PASSWORD)
        try:
            rows = _measure(folder, bank, site)
        finally:
            site.close()
            site.kill()
    _print(rows)
    return 0


def _measure(folder: Path, bank: Bank, site: GunicornSite) -> list[Row]:
    cold_starts = [_timed_start(site) for _ in range(STARTS)]
    browser = sign_in(site, EMAIL)
    bench = Bench(folder, bank, site, browser)

    asked = bank.approve(ask(browser), person=JODI)
    bench.count("calls to bunq for one connect", 3, lambda: browser.get(asked))
    [accounts] = _accounts_pages(browser)
    bench.count("calls to bunq for a warm accounts page", 0, lambda: browser.get(accounts))

    for person in _new_people(bank, CONNECTIONS - 1):
        connect(browser, bank, person=person)
    pages = _accounts_pages(browser)
    site.stop()
    site.start()
    bench.count(
        f"session-server calls after a restart, {len(pages)} connections",
        0,
        lambda: [browser.get(page) for page in pages],
        path="/session-server",
    )

    bench.compare("accounts page against a bare view", accounts, 0.5)
    waiting = urlsplit(start(browser).url).path
    bench.compare("poll against a bare view", f"{waiting}/status", 0.6)

    sizes = _worker_sizes(site)
    bench.rows.append(Row("memory per worker", ", ".join(f"{size / 1024:.0f} MB" for size in sizes)))
    bench.rows.append(Row("cold start to ready", f"{statistics.median(cold_starts):.1f} s"))
    return bench.rows


def _accounts_pages(browser: Browser) -> list[str]:
    """Return the path of every connection's page."""
    numbers = set(re.findall(r"/connections/(\d+)/", browser.get("/").html))
    return [f"/connections/{number}/accounts" for number in sorted(numbers, key=int)]


def _timed_start(site: GunicornSite) -> float:
    site.stop()
    started = time.monotonic()
    site.start()
    return time.monotonic() - started


def _new_people(bank: Bank, count: int) -> list[int]:
    """Invent bunq users by the API call that bunq's own sandbox has for it."""
    known = {user["id"] for user in bank.state()["users"]}
    for _ in range(count):
        requests.post(f"{bank.api_url}sandbox-user-person", json={}, timeout=30).raise_for_status()
    return [user["id"] for user in bank.state()["users"] if user["id"] not in known]


def _rate(port: int, path: str, status: int, cookie: str = "") -> float:
    return load.rate(port, path, seconds=ROUND_S, connections=CLIENTS, status=status, cookie=cookie)


@contextmanager
def _bare_view(folder: Path, body: bytes, status: int) -> Iterator[int]:
    """Serve the yardstick under the same gunicorn settings; yields its port."""
    body_file = folder / "body"
    body_file.write_bytes(body)
    url = _free_url()
    environ = {"PUBLIC_URL": url, "BENCH_BODY": str(body_file), "BENCH_STATUS": str(status)}
    bare = GunicornSite(environ, folder / "bare.log", application="tests.bench.bare:app")
    bare.start()
    try:
        yield urlsplit(url).port or 80
    finally:
        bare.kill()


def _worker_sizes(site: GunicornSite) -> list[int]:
    """Return the resident memory of each worker in kB."""
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,rss="], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in listed.stdout.splitlines()]
    return [int(size) for parent, size in pairs if int(parent) == site.pid]


def _free_url() -> str:
    with reserve_port() as listener:
        return f"http://localhost:{listener.getsockname()[1]}"


def _print(rows: list[Row]) -> None:
    width = max(len(row.what) for row in rows)
    middle = max(len(row.measured) for row in rows)
    print(f"\n{'':{width}}  {'measured':{middle}}  goal")
    for row in rows:
        verdict = {None: "", True: "  met", False: "  MISSED"}[row.is_met]
        print(f"{row.what:{width}}  {row.measured:{middle}}  {row.goal}{verdict}")


if __name__ == "__main__":
    sys.exit(main())
