"""Notes and attachments in front of a person: they follow the page of a payment, and a file is kept, not opened."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import screenshots
from tests.browser.journeys import button, connect
from tests.protocol.payments.test_notes import Paid
from tests.protocol.sandbox.client import JODI, session_of
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.support.apps import ThreadSite
from tests.support.bank import Bank


def test_notes_follow_the_page_by_themselves_and_files_are_kept(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    paid = Paid(session_of(bank, JODI), site)
    paid.write("a line\nand another " + "x" * 200)
    robin.goto(paid.page)
    expect(robin.get_by_text("and another")).to_be_visible()
    expect(robin.locator("#say")).to_contain_text("Checked with bunq just now")
    paid.attach(paid.file_id, "the receipt")
    button(robin, "Check again").click()
    expect(robin.get_by_text("the receipt")).to_be_visible()
    expect(button(robin, "Check again")).to_be_focused()
    assert screenshots.look(robin, "notes") == []
    with robin.expect_download() as download:
        robin.get_by_role("link", name=f"File {paid.file_id}").first.click()
    assert download.value.suggested_filename == f"payment-{paid.id}-file-{paid.file_id}.png"
    assert Path(download.value.path()).read_bytes() == PICTURE
    expect(robin.get_by_text("the receipt")).to_be_visible()
