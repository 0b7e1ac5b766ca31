"""A program of Robin's, who has connected Jodi and has imported her payments."""

import pytest
from flask import Flask

from tests.protocol.api.program import Program, program_of
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin's browser; Jodi is connected and her payments are imported."""
    return begin(_import_payments)


def _import_payments(site: ThreadSite, bank: Bank) -> Browser:
    bank.seed(240, account=2083712)
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    rows.run_duties(site.app)
    return browser


@pytest.fixture
def program(site: ThreadSite, robin: Browser) -> Program:
    """A program with a token of Robin's that may read everything."""
    return program_of(site, ROBIN)


@pytest.fixture
def app(site: ThreadSite) -> Flask:
    """The app that the program calls."""
    return site.app
