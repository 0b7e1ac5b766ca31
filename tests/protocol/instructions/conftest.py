"""Robin, who has connected Jodi, runs the team alone, and may write everything; Jodi's own session at the bank."""

import pytest

from tests.protocol.sandbox.client import Client, session_of
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin's browser."""
    return begin(_connect)


def _connect(site: ThreadSite, bank: Bank) -> Browser:
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    rows.run_duties(site.app)
    instructions.switch_on(site.app, ROBIN)
    return browser


@pytest.fixture
def holder(bank: Bank) -> Client:
    """What Jodi sees with her own key: what really is at the bank."""
    return session_of(bank, JODI)
