"""Servers to measure, each under gunicorn in processes of its own: the app, the stand-in, and the yardstick."""

import os
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
    pid: int
    wire: Sequence[bytes]
    body: bytes
    status: int


@dataclass(frozen=True)
class Round:
    """What one round of load found; `cpu_ms` is what the server spent on each answer, where that can be known."""

    load: Load
    cpu_ms: float


class StandIn(GunicornSite):
    """The stand-in as a server of its own: one process with many threads, its state in a file."""

    def __init__(self, folder: Path, database: Path) -> None:
        url = free_url()
        environ = {"PUBLIC_URL": url, "SANDBOX_DATABASE": str(database), "SANDBOX_HISTORY": "0"}
        super().__init__(environ, folder / "stand-in.log", application="bunqflask.sandbox:create_app()", fresh=True)
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
def bare_view(folder: Path, asked: Asked, size: Size) -> Iterator[Asked]:
    """Serve the yardstick under the same gunicorn settings."""
    body_file = folder / "body"
    body_file.write_bytes(asked.body)
    url = free_url()
    environ = {"PUBLIC_URL": url, "BENCH_BODY": str(body_file), "BENCH_STATUS": str(asked.status)}
    bare = GunicornSite(environ, folder / "bare.log", application="tests.bench.bare:app", fresh=True)
    bare.start(workers=size.workers, threads=size.threads)
    try:
        yield Asked(port_of(url), bare.pid, [load.request("/")], asked.body, asked.status)
    finally:
        bare.kill()


def page(site: GunicornSite, browser: Browser, paths: Sequence[str], headers: Mapping[str, str] | None = None) -> Asked:
    """Ask for pages as somebody who is logged in; what the first of them answers stands for all."""
    shown = browser.session.get(site.url + paths[0], headers=dict(headers or {}), timeout=60)
    cookie = "; ".join(f"{each.name}={each.value}" for each in browser.session.cookies)
    wire = [load.request(path, headers={"Cookie": cookie, **(headers or {})}) for path in paths]
    return Asked(port_of(site.url), site.pid, wire, shown.content, shown.status_code)


def compare(what: str, asked: Asked, goal: float | None, folder: Path, size: Size | None = None) -> Row:
    """Measure requests per second against a bare view that returns the same bytes, in alternating rounds.

    Beside it stands the ratio of the servers' CPU time per answer, which a busy machine disturbs less.
    """
    ours: list[Round] = []
    bare: list[Round] = []
    with bare_view(folder, asked, size or Size()) as yardstick:
        for _ in range(ROUNDS):
            ours.append(_round(asked))
            bare.append(_round(yardstick))
    pairs = list(zip(ours, bare, strict=True))
    ratio = median([mine.load.per_second / other.load.per_second for mine, other in pairs])
    rates = [f"{median([each.load.per_second for each in rounds]):.0f}/s" for rounds in (ours, bare)]
    more = f"  ({' of '.join(rates)}, p99 {median([each.load.p99_ms for each in ours]):.0f} ms"
    if all(each.cpu_ms for each in ours):
        more += f"; by CPU {median([other.cpu_ms / mine.cpu_ms for mine, other in pairs]):.2f}"
    what, more = f"{what}, {len(asked.body)} bytes", more + ")"
    return Row(what, f"{ratio:.2f}{more}") if goal is None else at_least(what, ratio, goal, more)


def _round(asked: Asked) -> Round:
    before = _cpu_ms(asked.pid)
    found = load.run(asked.port, asked.wire, seconds=ROUND_S, connections=CLIENTS, status=asked.status)
    return Round(found, (_cpu_ms(asked.pid) - before) / max(1.0, found.per_second * ROUND_S))


def _cpu_ms(parent: int) -> float:
    """Return the CPU time that a server's workers have spent; 0 where the system does not tell."""
    ticks = 0
    for found in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = found.read_text(encoding="latin-1").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[1]) == parent:
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


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
