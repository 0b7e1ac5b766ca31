"""Draft payments in a real browser: every page is usable by everybody, with keys alone too."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bunqflask.models import InstructionState
from tests.browser import screenshots
from tests.browser.journeys import SAM, arrive, button, connect, heading
from tests.protocol.sandbox.client import session_of
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import JODI, Bank
from tests.support.chromium import Profiles
from tests.support.draft_pages import decide
from tests.unit.payment_files.files import ING, RABO, csv_file

ON_A_DAY = re.compile(r"^on \d")
pytestmark = pytest.mark.sqlite_only
# A folder for pictures of every page, to be looked at.
PICTURES = os.environ.get("BUNQFLASK_TEST_PICTURES")


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
    page.set_viewport_size({"width": screenshots.WIDEST, "height": screenshots.HEIGHT})
    page.emulate_media(color_scheme=None)


@pytest.fixture
def owner(robin: Page, site: ThreadSite, profiles: Profiles) -> Page:
    """Robin, who has connected Jodi, and may have everything written."""
    profiles.expected_statuses = {409, 422}
    connect(robin)
    rows.run_duties(site.app)
    instructions.switch_on(site.app, "robin@example.org")
    return robin


@pytest.fixture
def sam(owner: Page, site: ThreadSite, profiles: Profiles) -> Page:
    """Sam, with whom all accounts are shared."""
    page = arrive(profiles, site, SAM)
    with rows.behind(site.app):
        rows.share_all(rows.owner().id)
    return page


def fill(page: Page, number: int, name: str, iban: str, amount: str) -> None:
    """Fill in one payment of the form."""
    payment = page.get_by_role("group", name=f"Payment {number}")
    payment.get_by_label("To", exact=True).fill(name)
    payment.get_by_label("IBAN").fill(iban)
    payment.get_by_label("Amount in euros").fill(amount)
    payment.get_by_label("Description (up to 140 characters)").fill("Salary November")


def test_four_eyes_on_a_draft_from_the_form_to_the_payment(
    owner: Page, sam: Page, site: ThreadSite, bank: Bank
) -> None:
    findings: list[str] = []
    sam.goto("/pay")
    sam.get_by_role("link", name="New payment").click()
    look(sam, "draft form", findings)
    sam.get_by_label("From").select_option(index=1)
    fill(sam, 1, "P. Jansen", "NL02 ABNA 0123 4567 88", "1.234")
    button(sam, "Prepare").click()
    expect(sam.get_by_role("alert")).to_contain_text("typing error")
    look(sam, "draft form refused", findings)
    fill(sam, 1, "P. Jansen", RABO, "980,00")
    button(sam, "Add another payment").click()
    fill(sam, 2, "Meral Demir", ING, "20,10")
    # Enter in a field presses the first button, which prepares.
    sam.get_by_role("group", name="Payment 2").get_by_label("Amount in euros").press("Enter")
    expect(heading(sam, "2 payments")).to_be_visible()
    look(sam, "draft waits", findings)
    owner.goto("/pay/drafts")
    look(owner, "drafts open", findings)
    owner.get_by_role("link", name="2 payments").click()
    expect(owner.get_by_text("Look at 2 payments before you approve.")).to_be_visible()
    look(owner, "draft to approve", findings)
    sam.get_by_role("link", name="Change").click()
    look(sam, "draft change", findings)
    sam.get_by_role("group", name="Payment 2").get_by_label("Amount in euros").fill("21,10")
    button(sam, "Save the changes").click()
    button(owner, "Approve and send to bunq").click()
    expect(owner.get_by_role("alert")).to_contain_text("This draft has changed")
    look(owner, "draft changed", findings)
    button(owner, "Approve and send to bunq").click()
    expect(owner.get_by_text("Approved. It is sent to bunq now.")).to_be_visible()
    instructions.work_until(site.app, 1, ["open"])
    expect(owner.locator("#draft")).to_contain_text("In the bunq app")
    look(owner, "draft at bunq", findings)
    decide(site, session_of(bank, JODI), 1, "ACCEPTED")
    owner.reload()
    expect(owner.get_by_role("link", name=ON_A_DAY).first).to_be_visible()
    look(owner, "draft paid", findings)
    owner.get_by_role("link", name=ON_A_DAY).first.click()
    expect(owner.get_by_role("link", name=re.compile("^BF"))).to_be_visible()
    owner.goto("/pay/drafts?tab=done")
    look(owner, "drafts done", findings)
    assert findings == []


def test_who_is_alone_sees_the_countdown_and_takes_it_back_with_keys(owner: Page, site: ThreadSite) -> None:
    findings: list[str] = []
    owner.goto("/pay/drafts/new")
    owner.get_by_label("From").select_option(index=1)
    fill(owner, 1, "P. Jansen", RABO, "5")
    button(owner, "Prepare").click()
    expect(owner.get_by_text("You are the only one here who can approve")).to_be_visible()
    look(owner, "draft alone", findings)
    button(owner, "Approve and send to bunq").press("Enter")
    expect(owner.get_by_role("timer")).to_contain_text("s")
    look(owner, "draft countdown", findings)
    button(owner, "Take back").press("Enter")
    expect(owner.get_by_text("Nothing was sent to bunq.")).to_be_visible()
    look(owner, "draft taken back", findings)
    assert instructions.row(site.app, 1).state is InstructionState.CANCELLED
    assert findings == []


def test_a_file_is_read_corrected_and_prepared(owner: Page) -> None:
    findings: list[str] = []

    def choose(content: bytes, name: str) -> None:
        owner.goto("/pay/drafts")
        owner.get_by_role("link", name="From a file").click()
        owner.get_by_label("From").select_option(index=1)
        file = {"name": name, "mimeType": "text/csv", "buffer": content}
        owner.locator("#file").set_input_files(file)  # type: ignore[arg-type]
        button(owner, "Read the file").click()

    owner.goto("/pay/drafts/file")
    look(owner, "file form", findings)
    choose(csv_file(f"Noord;{ING};12", f"Okafor;{RABO};1.850,00", heading="Wie;IBAN;Bedrag"), "facturen-wk47.csv")
    expect(owner.get_by_role("alert")).to_contain_text("No column is chosen for the names")
    look(owner, "file columns", findings)
    owner.get_by_label("Name of the receiver").select_option(label="Wie")
    button(owner, "Read it with these columns").click()
    expect(heading(owner, "facturen-wk47.csv")).to_be_visible()
    expect(owner.get_by_text("in the file: 1.850,00")).to_be_visible()
    look(owner, "file look", findings)
    button(owner, "Prepare 2 payments").click()
    expect(heading(owner, "facturen-wk47.csv")).to_be_visible()
    expect(owner.get_by_text("1 draft is prepared.")).to_be_visible()
    choose(csv_file(f"Noord;{ING};;a;1", f"Okafor;{RABO[:-1]}9;1,00;b;2"), "broken.csv")
    expect(owner.get_by_role("alert")).to_contain_text("Line 2: the amount is missing")
    look(owner, "file refused", findings)
    owner.goto("/pay")
    look(owner, "pay", findings)
    assert findings == []
