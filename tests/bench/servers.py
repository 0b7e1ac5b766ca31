"""Servers to measure, each under gunicorn in processes of its own: the app, the stand-in, and the yardstick."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.bench import load
from tests.bench.load import Load
from tests.bench.table import Row, at_least, median
from tests.support.apps import GunicornSite, reserve_port
from tests.support.bank import Bank
from tests.support.browser import Browser

# Where databases that take long to make are kept from run to run; not part of the repository.
KEPT = Path(__file__).parents[2] / ".venv" / "bench"
ROUNDS = 5
ROUND_S = 1.5
CLIENTS = 8


@dataclass(frozen=True)
class Size:
    """How many processes and threads a server has."""

    workers: int = 2
    threads: int = 8


@dataclass(frozen=True)
class Asked:
    """What is asked of a server, and what it answers."""

    port: int
    wire: Sequence[bytes]
    body: bytes
    status: int


class StandIn(GunicornSite):
    """The stand-in as a server of its own: one process with many threads, its state in a file."""

    def __init__(self, folder: Path, database: Path) -> None:
        url = free_url()
        environ = {"PUBLIC_URL": url, "SANDBOX_DATABASE": str(database), "SANDBOX_HISTORY": "0"}
        super().__init__(environ, folder / "stand-in.log", application="bunqflask.sandbox:create_app()")
        self.bank = Bank(url.replace("localhost", "127.0.0.1"))

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.bank.origin}/__sandbox/switches", timeout=30).ok
        except (requests.ConnectionError, requests.Timeout):
            return False


@contextmanager
def stand_in(folder: Path, database: Path, *, rate_limits: str = "off") -> Iterator[Bank]:
    """Serve a stand-in until the block ends."""
    server = StandIn(folder, database)
    server.start(workers=1)
    try:
        server.bank.switch(rate_limits=rate_limits)
        yield server.bank
    finally:
        server.stop()


@contextmanager
def bare_view(folder: Path, body: bytes, status: int, size: Size) -> Iterator[int]:
    """Serve the yardstick under the same gunicorn settings; yields its port."""
    body_file = folder / "body"
    body_file.write_bytes(body)
    url = free_url()
    environ = {"PUBLIC_URL": url, "BENCH_BODY": str(body_file), "BENCH_STATUS": str(status)}
    bare = GunicornSite(environ, folder / "bare.log", application="tests.bench.bare:app")
    bare.start(workers=size.workers, threads=size.threads)
    try:
        yield port_of(url)
    finally:
        bare.kill()


def page(site: GunicornSite, browser: Browser, paths: Sequence[str], headers: Mapping[str, str] | None = None) -> Asked:
    """Ask for pages as somebody who is logged in; what the first of them answers stands for all."""
    shown = browser.session.get(site.url + paths[0], headers=dict(headers or {}), timeout=60)
    cookie = "; ".join(f"{each.name}={each.value}" for each in browser.session.cookies)
    wire = [load.request(path, headers={"Cookie": cookie, **(headers or {})}) for path in paths]
    return Asked(port_of(site.url), wire, shown.content, shown.status_code)


def compare(what: str, asked: Asked, goal: float | None, folder: Path, size: Size | None = None) -> Row:
    """Measure requests per second against a bare view that returns the same bytes, in alternating rounds."""
    size = size or Size()
    ours: list[Load] = []
    bare: list[Load] = []
    with bare_view(folder, asked.body, asked.status, size) as bare_port:
        for _ in range(ROUNDS):
            ours.append(_round(asked.port, asked.wire, asked.status))
            bare.append(_round(bare_port, [load.request("/")], asked.status))
    ratio = median([mine.per_second / other.per_second for mine, other in zip(ours, bare, strict=True)])
    rates = f"{median([each.per_second for each in ours]):.0f}/s of {median([each.per_second for each in bare]):.0f}/s"
    more = f"  ({rates}, p99 {median([each.p99_ms for each in ours]):.0f} ms)"
    what = f"{what}, {len(asked.body)} bytes"
    return Row(what, f"{ratio:.2f}{more}") if goal is None else at_least(what, ratio, goal, more)


def _round(port: int, wire: Sequence[bytes], status: int) -> Load:
    return load.run(port, wire, seconds=ROUND_S, connections=CLIENTS, status=status)


def worker_sizes(site: GunicornSite) -> list[int]:
    """Return the resident memory of each worker in kB."""
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,rss="], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in listed.stdout.splitlines()]
    return [int(size) for parent, size in pairs if int(parent) == site.pid]


def port_of(url: str) -> int:
    """Return the port of an address."""
    return urlsplit(url).port or 80


def free_url() -> str:
    """Return an address on which nothing listens yet."""
    with reserve_port() as listener:
        return f"http://localhost:{listener.getsockname()[1]}"
