"""Who saw or did what, as people read it: filters, older events in place, the receipt of a connection."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import screenshots
from tests.browser.journeys import SAM, arrive, button, connect
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.audit import many_events
from tests.support.chromium import Profiles


@pytest.fixture
def watched(robin: Page, profiles: Profiles, site: ThreadSite) -> Page:
    """Robin, who has connected Jodi and shared it, and Sam, who has looked at all payments."""
    connect(robin)
    with rows.behind(site.app):
        rows.share_all(1)
    rows.run_duties(site.app)
    arrive(profiles, site, SAM).goto("/payments")
    return robin


def test_the_trail_is_read_filtered_and_loaded_in_place(watched: Page, site: ThreadSite) -> None:
    with rows.behind(site.app):
        many_events(120, actor_id=1)
    watched.goto("/audit")
    events = watched.locator("main .lines > li")
    expect(events).to_have_count(50)
    watched.get_by_role("link", name="Load older events").click()
    expect(events).to_have_count(100)
    ids = watched.locator("main [id]").evaluate_all("each => each.map(one => one.id)")
    assert len(ids) == len(set(ids)), "a day has its heading once"
    watched.get_by_label("What").select_option("Looked at")
    button(watched, "Show").click()
    expect(watched.get_by_text("Sam Okafor looked at payments of Jodi Walker")).to_be_visible()
    expect(watched).to_have_url(re.compile("what=looked"))
    with watched.expect_download() as download:
        button(watched, "Export as JSON lines").click()
    assert download.value.suggested_filename.endswith(".jsonl")


def test_pages_of_the_trail_can_be_used_by_everybody(watched: Page) -> None:
    findings: list[str] = []
    for address in ("/audit", "/audit?what=exported&days=7", "/connections/1/stored"):
        watched.goto(address)
        findings += screenshots.look(watched, address)
    assert findings == []


def test_the_receipt_says_what_is_stored_and_who_has_seen_it(watched: Page) -> None:
    watched.goto("/connections/1")
    watched.get_by_role("link", name="What is stored, and who has seen it").click()
    expect(watched.get_by_role("heading", name="What is stored about Jodi Walker")).to_be_visible()
    expect(watched.get_by_role("listitem").filter(has_text="NL65")).to_contain_text("Main")
    expect(watched.get_by_text("Asked by Robin de Vries")).to_be_visible()
    expect(watched.get_by_text("Sam Okafor looked at payments of Jodi Walker")).to_be_visible()
    with watched.expect_download() as download:
        button(watched, "Download as JSON").click()
    assert download.value.suggested_filename.endswith(".json")
