"""bunq's own API through ours: each resource as bunq answers it, with paging, files and an audit trail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bunqflask.bunq import readable
from bunqflask.models import TokenScope
from tests.protocol.api.furnished import Furnished, furnish
from tests.protocol.api.program import Program, program_of
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, connect

BUNQ = "/connections/1/bunq/"
# What Jodi has none of, and lists that stay empty as long as all callbacks arrive.
LACKING = [
    *(f"notification-filter-{kind}" for kind in ("push", "email", "failure")),
    *(f"monetary-account-{kind}" for kind in ("joint", "savings", "external", "external-savings", "card")),
]


@pytest.fixture
def overrides() -> dict[str, str]:
    return {"API_CALLS_PER_MINUTE": "9999"}


@pytest.fixture
def furnished(bank: Bank) -> Furnished:
    """Jodi with one of everything."""
    return furnish(bank)


@pytest.fixture
def robin(site: ThreadSite, bank: Bank, furnished: Furnished) -> Browser:
    """Robin, who has connected all of Jodi's accounts."""
    browser = sign_in(site, ROBIN)
    connect(browser, bank)
    rows.run_duties(site.app)
    return browser


@pytest.fixture
def program(site: ThreadSite, robin: Browser) -> Program:
    """A program of Robin's that may read bunq's API."""
    return program_of(site, ROBIN, scopes=(TokenScope.BUNQ_READ,))


def is_foreign(item: Any) -> bool:
    """Tell whether an item is not one of this server's own callbacks, whose addresses hold a secret."""
    return "/bunq/hook/" not in json.dumps(item)


def test_each_resource_is_answered_as_bunq_answers_it(program: Program, furnished: Furnished) -> None:
    empty = []
    for resource in readable.RESOURCES:
        path = furnished.path(resource)
        ours, theirs = program.call(BUNQ + path), furnished.owner.call("GET", f"/{path}")
        if path.startswith(("user-company", "user/1864430/monetary-account-")) and theirs.status_code == 404:
            assert ours.status_code == 404, path  # Jodi is a person, and has accounts of one type
            continue
        assert (ours.status_code, theirs.status_code) == (200, 200), (path, ours.text, theirs.text)
        if resource.is_content:
            assert ours.content == theirs.content, path
            assert ours.headers["Content-Type"] == "application/octet-stream"
            assert ours.headers["Content-Disposition"].startswith("attachment")
            assert ours.headers["X-Content-Type-Options"] == "nosniff"
            continue
        if path == "user":
            assert list(ours.json()["Response"][0]) == ["UserApiKey"]
        else:
            assert ours.json()["Response"] == [each for each in theirs.json()["Response"] if is_foreign(each)], path
        if "Pagination" not in theirs.json() and path != "user":
            assert ours.content == theirs.content, path
        if not ours.json()["Response"]:
            empty.append(resource.path.rpartition("/")[2])

    assert empty == LACKING
