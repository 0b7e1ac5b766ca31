"""Notes and attachments in front of a person: they follow the page of a payment, and a file is kept, not opened."""

from pathlib import Path

from playwright.sync_api import Page, expect

from bunqflask.models import Ability
from tests.browser import screenshots
from tests.browser.journeys import button, connect
from tests.protocol.payments.test_notes import Paid
from tests.protocol.sandbox.client import JODI, session_of
from tests.protocol.sandbox.test_attachment import PICTURE
from tests.support import instructions
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.consents import ROBIN


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
        robin.get_by_role("link", name="the receipt").click()
    assert download.value.suggested_filename == f"payment-{paid.id}-file-{paid.file_id}.png"
    assert Path(download.value.path()).read_bytes() == PICTURE
    expect(robin.get_by_text("the receipt")).to_be_visible()


def test_a_note_is_written_and_a_receipt_attached_by_keyboard(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    paid = Paid(session_of(bank, JODI), site)
    instructions.switch_on(site.app, ROBIN, Ability.NOTES)
    robin.goto(paid.page)
    expect(robin.locator("#say")).to_contain_text("Checked with bunq just now")
    robin.get_by_label("Text").press_sequentially("for the books")
    robin.keyboard.press("Tab")
    robin.keyboard.press("Enter")
    expect(robin.locator("main").get_by_text("To be sent")).to_be_visible()
    findings = screenshots.look(robin, "a note on its way")
    # What somebody types stays while the state of the note is brought up to date.
    robin.get_by_label("Text").fill("and one more")
    instructions.work_until(site.app, 1, ["done"])
    expect(robin.locator("main").get_by_text("To be sent")).to_be_hidden(timeout=20_000)
    expect(robin.locator("#notes")).to_contain_text("for the books")
    expect(robin.get_by_label("Text")).to_have_value("and one more")
    robin.get_by_label("File", exact=True).set_input_files(
        {"name": "taxi.png", "mimeType": "image/png", "buffer": PICTURE}
    )
    robin.get_by_role("form", name="Attach a receipt").get_by_role("button", name="Send to bunq").click()
    instructions.work_until(site.app, 2, ["done"])
    expect(robin.locator("#notes")).to_contain_text("taxi.png (BF", timeout=20_000)
    findings += screenshots.look(robin, "a note and a receipt")
    robin.get_by_role("link", name="Change or delete “for the books”").click()
    findings += screenshots.look(robin, "a note to be changed")
    robin.get_by_role("button", name="Delete at bunq").click()
    instructions.work_until(site.app, 3, ["done"])
    expect(robin.locator("#notes")).not_to_contain_text("for the books", timeout=20_000)
    assert findings == []


def test_the_pages_of_transfers_can_be_used_by_everybody(robin: Page, site: ThreadSite) -> None:
    connect(robin)
    instructions.switch_on(site.app, ROBIN, Ability.TRANSFERS)
    robin.goto("/pay")
    findings = screenshots.look(robin, "/pay")
    robin.get_by_role("link", name="Transfer between own accounts").click()
    findings += screenshots.look(robin, "/pay/transfers")
    robin.get_by_label("From").select_option(index=1)
    robin.get_by_label("To", exact=True).select_option(index=2)
    robin.get_by_role("textbox", name="Amount").fill("182,40")
    robin.get_by_label("Description").fill("To the savings")
    robin.get_by_role("button", name="Check it").click()
    expect(robin.get_by_text("€182.40")).to_be_visible()
    findings += screenshots.look(robin, "a transfer to be checked")
    robin.get_by_role("button", name="Send to bunq").click()
    expect(robin.locator("main").get_by_text("To be sent")).to_be_visible()
    findings += screenshots.look(robin, "a transfer")
    button(robin, "Take back").focus()
    with robin.expect_response(lambda answer: "seen=" in answer.url):
        pass
    expect(button(robin, "Take back")).to_be_focused()
    instructions.work_until(site.app, 1, ["done"])
    expect(robin.locator("#transfer")).to_contain_text("Done")
    robin.goto("/pay/transfers")
    findings += screenshots.look(robin, "a list of transfers")
    assert findings == []
