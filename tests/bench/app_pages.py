"""The app between a press and a page: calls to bunq, pages and polls, memory, start."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.bench import databases
from tests.bench.servers import compare, free_url, page, worker_sizes
from tests.bench.table import Row, exactly, median
from tests.support import bank as banks
from tests.support.apps import PASSWORD, GunicornSite, environ_for, sign_in
from tests.support.bank import JODI, Bank
from tests.support.browser import Browser
from tests.support.consents import ask, connect, start

EMAIL = "bench@example.org"
CONNECTIONS = 20
STARTS = 3


def measure(folder: Path) -> list[Row]:
    """Measure the app of a fresh clone, at a stand-in without limits."""
    with banks.running() as bank:
        database_url = databases.fresh(folder)
        environ = environ_for(bank, database_url, PUBLIC_URL=free_url())
        site = GunicornSite(environ, folder / "gunicorn.log", fresh=True)
        site.flask("setup", "--new-sandbox-user", "company")
        site.flask("team", "add", EMAIL, "--password-stdin", stdin=PASSWORD)
        try:
            return _measure(folder, bank, site)
        finally:
            site.close()
            site.kill()


def _measure(folder: Path, bank: Bank, site: GunicornSite) -> list[Row]:
    cold_starts = [_timed_start(site) for _ in range(STARTS)]
    browser = sign_in(site, EMAIL)
    asked = bank.approve(ask(browser), person=JODI)
    rows = [_calls(bank, "calls to bunq for one connect", 3, lambda: browser.get(asked))]
    [accounts] = _accounts_pages(browser)
    rows.append(_calls(bank, "calls to bunq for a warm accounts page", 0, lambda: browser.get(accounts)))

    for person in _new_people(bank, CONNECTIONS - 1):
        connect(browser, bank, person=person)
    pages = _accounts_pages(browser)
    site.stop()
    site.start()
    what = f"session-server calls after a restart, {len(pages)} connections"
    rows.append(_calls(bank, what, 0, lambda: [browser.get(each) for each in pages], path="/session-server"))

    rows.append(compare("accounts page against a bare view", page(site, browser, [accounts]), 0.5, folder))
    waiting = f"{urlsplit(start(browser).url).path}/status"
    rows.append(compare("poll against a bare view", page(site, browser, [waiting]), 0.6, folder))
    sizes = ", ".join(f"{size / 1024:.0f} MB" for size in worker_sizes(site))
    return [*rows, Row("memory per worker", sizes), Row("cold start to ready", f"{median(cold_starts):.1f} s")]


def _calls(bank: Bank, what: str, goal: int, work: Callable[[], object], *, path: str = "") -> Row:
    """Count the calls that reach the bank's API while `work` is done."""
    bank.forget_calls()
    work()
    return exactly(what, len(bank.calls(path=path)), goal)


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
