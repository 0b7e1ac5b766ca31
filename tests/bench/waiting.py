"""The first page with many connections, pages that wait, and the memory that many searches leave behind."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import requests
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.services import workers
from tests.bench import databases, machine, pages
from tests.bench.client import Page, Target, cookie_of, middle
from tests.bench.servers import App, stand_in
from tests.bench.table import Row, at_most
from tests.support.apps import PASSWORD, let_go, sign_in
from tests.support.browser import Browser
from tests.support.consents import start

CONNECTIONS, PAYMENTS_EACH = 20, 1_000
HOME_MS, HOME_STATEMENTS = 15.0, 12
# The page says more of connections that stopped, as they are without a worker an hour later.
STILL_WORKS = timedelta(minutes=30)
# A member can have few attempts open at a time, so several members wait.
WAITING_MEMBERS, PAGES_OF_EACH, EVERY_S, FOR_S = 5, 20, 2.0, 20.0
MOST_PERCENT = 10.0
SEARCHES, COUNTED_FROM = 1_000, 300
MOST_MB, FLAT_MB = 110.0, 3.0


@dataclass(frozen=True)
class WaitingPage:
    """A page that waits for bunq: the address that it asks, with its member's cookie."""

    address: str
    cookie: str


def home(folder: Path) -> list[Row]:
    """Open the pages of a member with twenty connections of four accounts each; count their statements."""
    filled = databases.filled(CONNECTIONS * PAYMENTS_EACH, CONNECTIONS, longest_kept=STILL_WORKS)
    with App(folder, filled.url) as site:
        _let_a_worker_live(site)
        browser = sign_in(site, databases.EMAIL)
        cookie = cookie_of(browser)
        target = Target("ours", site.url, lambda: [*site.worker_pids, *databases.server_pids()], {"Cookie": cookie})
        first = Page(("/",), filled.history.accounts[0].name)
        cost = middle([target.open(first) for _ in range(26)][1:])
        target.close()
        paths = ["/", "/payments", "/payments/months", "/payments/export"]
        counts = {path: len(_statements(site.environ, path, cookie)) for path in paths}
    what = f"with {CONNECTIONS} connections of 4 accounts"
    more = f"  ({cost.wall_ms:.1f} ms in all, {cost.size / 1024:.0f} kB)"
    rows = [at_most(f"{path} {what}, statements", counts[path], HOME_STATEMENTS, digits=0) for path in paths]
    return [at_most(f"/ {what}, CPU", cost.cpu_ms, HOME_MS, " ms", more), *rows]


def _let_a_worker_live(site: App) -> None:
    """Write a worker's sign of life: without one, the page says of every connection that it has stopped."""
    app = create_app(Config.from_env(site.environ))
    with app.app_context():
        workers.beat("bench")
    let_go(app)


def _statements(environ: dict[str, str] | object, path: str, cookie: str) -> list[str]:
    """Return the statements of one page, by an app in this process."""
    assert isinstance(environ, dict)
    app = create_app(Config.from_env(environ))
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        found.append(statement)

    client = app.test_client(use_cookies=False)
    client.get(path, headers={"Cookie": cookie})  # what is done once in a process
    event.listen(Engine, "before_cursor_execute", note)
    try:
        answer = client.get(path, headers={"Cookie": cookie})
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        let_go(app)
    if answer.status_code != 200:
        raise AssertionError(f"{path} was answered with {answer.status_code}")
    return [each for each in found if not each.startswith("PRAGMA") and not each.startswith("BEGIN")]


def polls(folder: Path) -> list[Row]:
    """Let a hundred waiting pages ask as they do, and see what that costs the server."""
    people = {f"member{number}@example.org": PASSWORD for number in range(WAITING_MEMBERS)}
    with (
        stand_in(folder) as bank,
        App(folder, databases.fresh(folder), bank, people=people) as site,
    ):
        waiting = [page for email in people for page in _waiting_pages(sign_in(site, email))]
        pids = [*site.worker_pids, *databases.server_pids()]
        percent, statuses = _cost(site.url, waiting, pids)
        least, _statuses = _cost(site.url, [WaitingPage("/healthz", "")] * len(waiting), pids)
    if statuses != {204}:
        raise AssertionError(f"pages that wait were answered with {statuses}")
    what = f"{len(waiting)} waiting pages that ask every {EVERY_S:g} s, of one core"
    return [at_most(what, percent, MOST_PERCENT, " %", f"  (/healthz instead: {least:.1f} %)")]


def _cost(url: str, waiting: Sequence[WaitingPage], pids: list[int]) -> tuple[float, set[int]]:
    """Return the percentage of one core that the polls of some pages take, and how they were answered."""
    _poll(url, waiting, rounds=1)
    before, started = machine.whole_cpu_s(pids), time.monotonic()
    statuses = _poll(url, waiting, rounds=round(FOR_S / EVERY_S))
    return (machine.whole_cpu_s(pids) - before) / (time.monotonic() - started) * 100, set(statuses)


def _waiting_pages(browser: Browser) -> list[WaitingPage]:
    """Begin the attempts of one member."""
    cookie = cookie_of(browser)
    return [WaitingPage(_poll_of(start(browser).html), cookie) for _ in range(PAGES_OF_EACH)]


def _poll_of(page: str) -> str:
    found = re.search(r'hx-get="([^"]+/status[^"]*)"', page)
    if not found:
        raise AssertionError(f"the waiting page does not poll: {page[:2000]}")
    return html.unescape(found[1])


def _poll(url: str, waiting: Sequence[WaitingPage], *, rounds: int) -> list[int]:
    """Let every page ask each two seconds, evenly spread; by a few threads, as a round of all takes little time."""
    statuses: list[int] = []
    begin = time.monotonic()

    def ask(places: range) -> None:
        with requests.Session() as client:
            client.trust_env = False
            for number in range(rounds):
                for place in places:
                    page, due = waiting[place], begin + (number + place / len(waiting)) * EVERY_S
                    time.sleep(max(0.0, due - time.monotonic()))
                    sent = {"Cookie": page.cookie, "HX-Request": "true"}
                    statuses.append(client.get(url + page.address, headers=sent, timeout=30).status_code)

    with _threads([threading.Thread(target=ask, args=(range(each, len(waiting), 4),)) for each in range(4)]):
        pass
    return statuses


@contextmanager
def _threads(threads: list[threading.Thread]) -> Iterator[None]:
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def memory(folder: Path) -> list[Row]:
    """Let one member search a long history for a thousand different things; see how large the worker grows."""
    size = max(pages.sizes())
    with App(folder, databases.filled(size).url) as site:
        target = Target(
            "ours", site.url, lambda: site.worker_pids, {"Cookie": cookie_of(sign_in(site, databases.EMAIL))}
        )
        [pid] = site.worker_pids
        sizes = [machine.memory_mb(pid)]
        for number in range(SEARCHES):
            target.open(Page((f"/payments?{_search(number)}",)))
            if number + 1 in (COUNTED_FROM, SEARCHES):
                sizes.append(machine.memory_mb(pid))
        target.close()
    idle, some, all_of_them = sizes
    what = f"memory of a worker after {SEARCHES:,} different searches of {size:,}"
    return [
        at_most(what, all_of_them, MOST_MB, " MB", f"  ({idle:.0f} MB before)", digits=0),
        at_most(f"  and how much it grew since the first {COUNTED_FROM}", all_of_them - some, FLAT_MB, " MB"),
    ]


def _search(number: int) -> str:
    """Return one of many different searches: words, sizes, days, directions and types in turn."""
    words = ("rent", "coffee", "garage", "zürich", "refund", "müller", "bak", "xylophone", "order", "leiden")
    year, month, day = 2021 + number % 6, 1 + number % 12, 1 + number % 28
    asked = (
        f"q={words[number % 10]}+{number}",
        f"min={number % 90 + 10}&max={number % 90 + 11 + number // 90}",
        f"from={year}-{month:02}-{day:02}&to={year}-{month:02}-28&direction={'in' if number % 2 else 'out'}",
        f"q={words[number % 10]}&from={year}-{month:02}-{day:02}",
        f"type={('MASTERCARD', 'IDEAL', 'EBA_SCT')[number % 3]}&max={number + 1}",
    )
    return asked[number % len(asked)]
