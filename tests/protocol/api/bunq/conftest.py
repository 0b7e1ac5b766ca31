"""Jodi with one of everything, connected by Robin, and programs that may read bunq's API."""

from __future__ import annotations

import pytest

from bunqflask.models import TokenScope
from tests.protocol.api.bunq.furnished import Furnished, furnish
from tests.protocol.api.program import Program, program_of
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect


@pytest.fixture
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    marker = request.node.get_closest_marker("settings")
    return {"API_CALLS_PER_MINUTE": "9999", **(marker.kwargs if marker else {})}


@pytest.fixture
def furnished(site: ThreadSite, bank: Bank) -> Furnished:
    """Jodi with one of everything, at the bank of a site that is set up."""
    return furnish(bank)


@pytest.fixture
def robin(site: ThreadSite, bank: Bank) -> Browser:
    """Robin, who has connected all of Jodi's accounts."""
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    rows.run_duties(site.app)
    return browser


@pytest.fixture
def program(site: ThreadSite, robin: Browser) -> Program:
    """A program of Robin's that may read bunq's API."""
    return program_of(site, ROBIN, scopes=(TokenScope.BUNQ_READ,))
