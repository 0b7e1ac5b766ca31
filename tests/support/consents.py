"""The path from a press on "Connect" to a connection, walked without JavaScript."""

from collections.abc import Sequence

from tests.support.bank import JODI, Bank
from tests.support.browser import Browser, Page


def start(browser: Browser) -> Page:
    """Start an attempt; returns the page on which it waits."""
    browser.get("/")
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
    return browser.get(bank.approve(ask(browser), person=person, accounts=accounts))
