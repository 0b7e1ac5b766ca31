"""Requests, links and collections in a real browser: every page is usable by everybody, with keys alone too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import screenshots
from tests.browser.journeys import button, connect, heading
from tests.protocol.instructions.test_collections import pay, work
from tests.support import instructions
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles

pytestmark = pytest.mark.sqlite_only
# A folder for pictures of every page, to be looked at.
PICTURES = os.environ.get("BUNQFLASK_TEST_PICTURES")
PEOPLE = """Anna Visser; anna@example.org; 12,50
Bram de Wit; 06 12345678; 12,50
Cas van den Berg-Oosterhuis; NL91 ABNA 0417 1643 00; 25
<b>Dora</b>; dora@example.org;"""


def look(page: Page, name: str, findings: list[str]) -> None:
    """Look at a page, and leave pictures of it where that is asked for."""
    findings += screenshots.look(page, name)
    if not PICTURES:
        return
    for width in screenshots.WIDTHS:
        page.set_viewport_size({"width": width, "height": screenshots.HEIGHT})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.screenshot(path=Path(PICTURES) / f"{name} {width} {scheme}.png", full_page=True)
    page.emulate_media(color_scheme=None)


@pytest.fixture
def asker(robin: Page, site: ThreadSite, profiles: Profiles) -> Page:
    """Robin, who has connected Jodi, and may have everything written."""
    profiles.expected_statuses = {422}
    connect(robin)
    instructions.switch_on(site.app, "robin@example.org")
    return robin


def test_a_request_and_a_link(asker: Page, site: ThreadSite) -> None:
    findings: list[str] = []
    asker.goto("/pay/requests/new")
    look(asker, "request form", findings)
    asker.get_by_label("Amount", exact=True).fill("12,50")
    asker.get_by_label("Whom to ask").fill("anna")
    asker.get_by_label("Description").fill("Dinner")
    button(asker, "Send to bunq").click()
    expect(asker.get_by_text("Write an email address")).to_be_visible()
    look(asker, "request refused", findings)
    asker.get_by_label("Whom to ask").fill("anna@example.org")
    asker.get_by_label("Whom to ask").press("Enter")
    expect(heading(asker, "anna@example.org")).to_be_visible()
    look(asker, "request on its way", findings)
    work(site, times=2)
    expect(asker.get_by_role("heading", name="Address to share")).to_be_visible()
    look(asker, "request open", findings)
    asker.goto("/pay/links/new")
    look(asker, "link form", findings)
    asker.get_by_label("Amount", exact=True).fill("7")
    asker.get_by_label("Description").fill("Cake")
    button(asker, "Send to bunq").click()
    expect(heading(asker, "Cake")).to_be_visible()
    work(site, times=2)
    expect(asker.get_by_role("heading", name="Address to share")).to_be_visible()
    pay(site, asker.get_by_label("Payers open this address").input_value())
    work(site, times=3)
    asker.reload()
    expect(asker.get_by_role("heading", name="What came in")).to_be_visible()
    look(asker, "link paid", findings)
    for name in ("requests", "links"):
        asker.goto(f"/pay/{name}")
        look(asker, f"{name} list", findings)
    assert findings == []


def test_a_collection(asker: Page, site: ThreadSite) -> None:
    findings: list[str] = []
    asker.goto("/pay/collections")
    look(asker, "collections none", findings)
    asker.get_by_role("link", name="New collection").click()
    look(asker, "collection form", findings)
    asker.get_by_label("Name of the collection").fill("Contribution 2026")
    asker.get_by_label("Description").fill("Contribution")
    asker.get_by_label("People").fill(PEOPLE)
    button(asker, "Check the list").last.click()
    expect(asker.get_by_text("Line 4:")).to_be_visible()
    look(asker, "collection refused", findings)
    asker.get_by_label("Amount for lines without one").fill("10,00")
    asker.get_by_label("Amount for lines without one").press("Enter")
    expect(asker.get_by_role("heading", name="4 people will be asked")).to_be_visible()
    expect(asker.get_by_role("row").filter(has_text="<b>Dora</b>")).to_contain_text("€10.00")
    look(asker, "collection preview", findings)
    asker.get_by_label("Name of the collection").press("Enter")
    expect(asker.get_by_role("heading", name="4 people will be asked")).to_be_visible()
    button(asker, "Send to bunq").click()
    expect(heading(asker, "Contribution 2026")).to_be_visible()
    look(asker, "collection on its way", findings)
    work(site, times=2)
    asker.get_by_role("link", name="Anna Visser").click()
    expect(asker.get_by_role("heading", name="Reminder")).to_be_visible()
    expect(asker.get_by_label("Text to send")).to_have_value(
        "Hello Anna Visser,\n\n€12.50 for Contribution is still open.\nYou can pay here: "
        + asker.get_by_label("Payers open this address").input_value()
        + "\n\nKind regards,\nRobin de Vries"
    )
    look(asker, "collection person", findings)
    pay(site, asker.get_by_label("Payers open this address").input_value())
    work(site, times=3)
    asker.goto("/pay")
    expect(asker.get_by_text("1 of 4 paid")).to_be_visible()
    look(asker, "pay with collection", findings)
    asker.get_by_role("link", name="Contribution 2026").click()
    expect(asker.get_by_role("row").filter(has_text="Anna Visser")).to_contain_text("Paid")
    look(asker, "collection open", findings)
    asker.get_by_text("Take back what is not paid…").click()
    button(asker, "Take back what is not paid").click()
    work(site, times=2)
    asker.reload()
    expect(asker.get_by_text("Closed, 1 of 4 paid")).to_be_visible()
    look(asker, "collection closed", findings)
    asker.get_by_text("Download as CSV…").click()
    look(asker, "collection columns", findings)
    for each in ("Email, phone number or IBAN", "Currency", "Came in", "Reference", "Address to share"):
        asker.get_by_label(each).uncheck()
    asker.get_by_label("When it was seen as paid").uncheck()
    with asker.expect_download() as download:
        button(asker, "Download").click()
    file = download.value.path().read_text(encoding="utf-8-sig")
    assert file.splitlines()[:2] == ["name;amount;state", "Anna Visser;12,50;paid"]
    asker.get_by_role("link", name="Bram de Wit").click()
    expect(asker.get_by_text("bunq sends another request for the same amount.")).to_be_visible()
    look(asker, "collection person ended", findings)
    button(asker, "Ask again Bram de Wit").click()
    expect(asker.get_by_text("1 of 4 paid")).to_be_visible()
    expect(asker.get_by_role("row").filter(has_text="Bram de Wit")).to_contain_text("To be sent")
    expect(asker.get_by_role("button", name="Ask again")).to_have_count(2)
    look(asker, "collection asked again", findings)
    asker.goto("/pay/collections")
    look(asker, "collections list", findings)
    assert findings == []
