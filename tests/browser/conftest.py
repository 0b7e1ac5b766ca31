"""Chromium for the journeys; a test fails when its pages complained, whatever else it looked at."""

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.journeys import arrive
from tests.support import chromium
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles

PICTURES = Path("test-pictures")
# As patient as every press is: a busy machine takes its time, and a quick one does not wait longer for it.
expect.set_options(timeout=chromium.TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let it pass that the development server leaves a file open when a browser has lost interest in it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed file .*/static/.*:ResourceWarning"))


@pytest.fixture(autouse=True)
def left_behind() -> Iterator[None]:
    """Let such a file be found by the test that left it, not by some later one."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def quick_keys(pooled_keys: None) -> None:
    """Take key pairs that are made already."""


@pytest.fixture
def profiles(chromium_browser: Browser, request: pytest.FixtureRequest) -> Iterator[Profiles]:
    """New profiles on demand; `expected_statuses` names the error statuses that the test is after."""
    for name in ("live_app", "gunicorn_app"):
        # Made before the pages, so that it outlives them: they ask it for things until they are closed.
        if name in request.fixturenames:
            request.getfixturevalue(name)
    profiles = Profiles(chromium_browser)
    yield profiles
    report = request.node.stash.get(_REPORT, None)
    if report is not None and report.failed:
        for picture in profiles.take_pictures(PICTURES, request.node.name):
            request.node.add_report_section("call", "picture", str(picture))
    profiles.close()
    assert profiles.complaints == []


@pytest.fixture
def page(profiles: Profiles, site: ThreadSite) -> Page:
    """A person's desktop browser in front of the app."""
    return profiles.new_page(site.url)


@pytest.fixture
def robin(profiles: Profiles, site: ThreadSite) -> Page:
    """The desktop browser of Robin de Vries, a team member, who is logged in."""
    return arrive(profiles, site)


_REPORT = pytest.StashKey[pytest.TestReport]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the report of the test itself, for the fixtures that tidy up after it."""
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report
