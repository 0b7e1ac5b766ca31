"""Where many tests begin: what a site and its bank hold after the same steps, taken once and put back for the others.

The steps are real ones, over HTTP. Their results are used for half a minute only, so that to every test they are
news: what the app does later depends on how long ago it did the rest.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from requests.cookies import RequestsCookieJar

from tests.support.apps import ThreadSite, let_go
from tests.support.bank import Bank, Left, ThreadBank
from tests.support.browser import Browser, Page
from tests.support.databases import Databases

Steps = Callable[[ThreadSite, Bank], Browser]
Begin = Callable[[Steps], Browser]
_USED_FOR_S = 30


@dataclass(frozen=True)
class _Saved:
    """What the site and the bank hold, and what the browser has."""

    taken_at: float
    database: Any
    bank: Left
    cookies: RequestsCookieJar
    page: Page


class Beginnings:
    """What was taken in this process."""

    def __init__(self, folder: Path) -> None:
        self._bank_file = folder / "bank.sqlite3"
        self._saved: dict[object, _Saved] = {}

    def go(self, steps: Steps, site: ThreadSite, bank: ThreadBank, databases: Databases) -> Browser:
        """Bring a fresh site and a fresh bank to where these steps end; returns the browser that took them."""
        if bank.settings.rate_limits != "off":
            return steps(site, bank)  # a bank that counts calls does so in memory
        assert bank.is_as_started, "what has changed at the bank would be lost"
        environ = {name: value for name, value in site.environ.items() if name != "DATABASE_URL"}
        key = (steps, databases, bank.settings, frozenset(environ.items()))
        saved = self._saved.get(key)
        if saved is None or time.monotonic() > saved.taken_at + _USED_FOR_S:
            saved = self._saved[key] = _take(steps, site, bank, databases)
        let_go(site.app)
        databases.replace(site.environ["DATABASE_URL"], saved.database)
        bank.go_on(saved.bank, self._bank_file)
        browser = site.browser()
        browser.session.cookies.update(saved.cookies)
        browser.page = saved.page
        return browser


def _take(steps: Steps, site: ThreadSite, bank: ThreadBank, databases: Databases) -> _Saved:
    begun_at = time.monotonic()
    browser = steps(site, bank)
    let_go(site.app)
    content = databases.read(site.environ["DATABASE_URL"])
    return _Saved(begun_at, content, bank.read(), browser.session.cookies.copy(), browser.page)
