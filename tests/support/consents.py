"""The path from a press on "Connect" to a connection, walked without JavaScript."""

import re
from collections.abc import Sequence

from bunqflask import create_app
from bunqflask.config import Config
from tests.support.apps import environ_for, let_go, migrate, reserve_port, served, set_up, sign_in
from tests.support.bank import JODI, Bank, running
from tests.support.browser import Browser, Page

ROBIN = "robin@example.org"


def start(browser: Browser) -> Page:
    """Start an attempt; returns the page on which it waits."""
    browser.get("/connect")
    return browser.submit(action="/connect")


def ask(browser: Browser) -> str:
    """Start an attempt and go on to bunq in this browser; returns the address of bunq's consent page."""
    start(browser)
    page = browser.submit(action="/go")
    if page.leaves_for is None:
        raise AssertionError(f"the browser was not sent to bunq: {page.status} {page.text}")
    return page.leaves_for


def connect(browser: Browser, bank: Bank, *, person: int = JODI, accounts: Sequence[int] | None = None) -> Page:
    """Connect a bunq user's accounts, all in one browser; returns the page at the end."""
    return take_up(browser, browser.get(bank.approve(ask(browser), person=person, accounts=accounts)))


def take_up(browser: Browser, page: Page) -> Page:
    """Say yes where the page asks whether a renewal may change which accounts there are."""
    return browser.submit(button="Renew with these changes") if "Renew with these changes" in page.text else page


def share(browser: Browser, *, connection_id: int = 1, accounts: Sequence[int] = (), **chosen: str | list[str]) -> Page:
    """Share accounts by their rows, all unless named; by default with the whole team, also with who joins later."""
    page = browser.get(f"/connections/{connection_id}/sharing")
    if page.status != 200:
        raise AssertionError(f"nothing to share: {page.status} {page.text}")
    every = re.findall(r'name="account" value="(\d+)"', page.html)
    fields = {**(chosen or {"later": "1"}), "account": [str(each) for each in accounts] or every}
    return browser.submit(action="/sharing", button=None, **fields)


def fill_connected(database_url: str) -> None:
    """Fill a database with all that is there once Robin has connected Jodi; no payment is read yet.

    For tests of pages, which need no bank: the one that this is done with is gone afterwards.
    """
    migrate(database_url)
    with running() as bank, reserve_port() as listener:
        environ = environ_for(bank, database_url, PUBLIC_URL=f"http://localhost:{listener.getsockname()[1]}")
        app = create_app(Config.from_env(environ))
        set_up(app)
        with served(app, listener, environ) as site:
            connect(sign_in(site, ROBIN), bank)
        let_go(app)
