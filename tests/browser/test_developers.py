"""A newcomer makes a token, and gets JSON from the interactive documentation, which keeps nothing."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from bunqflask.models import Ability, Instruction, TokenScope
from tests.browser import screenshots
from tests.browser.journeys import button, connect
from tests.protocol.api.program import make_token
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.consents import ROBIN


def test_from_the_menu_to_a_json_answer(robin: Page) -> None:
    connect(robin)
    robin.get_by_role("link", name="Developers").click()
    robin.get_by_label("What is it for?").fill("my dashboard")
    button(robin, "Make the token").click()
    token = robin.locator("#token").input_value()
    refused: list[str] = []
    robin.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)

    robin.goto("/api/docs")
    # The description is long, and other tests run beside this one.
    robin.get_by_role("button", name="Authorize").click(timeout=60_000)
    dialog = robin.locator(".dialog-ux")
    dialog.get_by_role("textbox").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").first.click()
    robin.locator("#operations-tag-Accounts").click()
    robin.locator("#operations-Accounts-accounts").get_by_role("button").first.click()
    robin.get_by_role("button", name="Execute").click()

    answer = robin.locator(".live-responses-table")
    expect(answer).to_contain_text('"iban"')
    expect(answer).to_contain_text("200")
    assert refused == []
    kept = robin.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert token not in kept


def test_the_pages_of_tokens_can_be_used_by_everybody(robin: Page) -> None:
    connect(robin)
    robin.goto("/developers")
    findings = screenshots.look(robin, "/developers")
    robin.get_by_label("What is it for?").fill("my dashboard")
    button(robin, "Make the token").click()
    findings += screenshots.look(robin, "a new token")
    robin.goto("/developers")
    findings += screenshots.look(robin, "/developers with a token")
    assert findings == []


def test_a_link_for_a_spreadsheet_is_made_where_accounts_are_ticked(robin: Page) -> None:
    connect(robin)
    robin.goto("/developers")
    robin.get_by_label("Which spreadsheet?").fill("household")
    card = robin.get_by_role("region", name="Link for a spreadsheet")
    card.get_by_role("checkbox").first.check()
    button(robin, "Make the link").click()
    expect(robin.get_by_role("heading", level=1)).to_have_text("Link “household”")
    address = robin.get_by_label("Balances").input_value()
    findings = screenshots.look(robin, "a new link")
    answer = robin.request.get(address)
    robin.goto("/developers")
    findings += screenshots.look(robin, "/developers with a link")

    assert answer.text().count("\n") == 2
    expect(robin.get_by_text("Spreadsheet link")).to_be_visible()
    assert findings == []


def test_a_call_that_writes_at_bunq_is_marked_and_asked_about_before_it_is_sent(robin: Page, site: ThreadSite) -> None:
    connect(robin)
    instructions.switch_on(site.app, ROBIN, Ability.LINKS)
    token = make_token(site, ROBIN, scopes=(TokenScope.LINKS_WRITE,))
    robin.goto("/api/docs")
    robin.get_by_role("button", name="Authorize").click(timeout=60_000)
    form = robin.locator(".dialog-ux")
    form.get_by_role("textbox").fill(token)
    form.get_by_role("button", name="Apply credentials").click()
    form.get_by_role("button", name="Close").first.click()
    robin.locator("#operations-tag-Payment_links").click()
    reading = robin.locator("#operations-Payment_links-payment_links")
    writing = robin.locator("#operations-Payment_links-make_payment_link")
    expect(writing.get_by_text("writes at bunq")).to_be_visible()
    expect(reading.get_by_text("writes at bunq")).to_have_count(0)
    writing.get_by_role("button").first.click()
    writing.get_by_role("button", name="Execute").click()
    asked = robin.get_by_role("dialog", name="Change something at bunq?")
    expect(asked).to_contain_text("POST /api/v1/payment-links")
    expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
    robin.evaluate(Axe().axe_script)
    assert robin.evaluate("axe.run('#writes').then(({violations}) => violations.map(({id}) => id))") == []
    robin.keyboard.press("Escape")
    expect(asked).to_be_hidden()
    expect(writing.locator(".responses-wrapper").first).to_contain_text("Not sent: you chose Cancel.")
    assert rows.count(site.app, Instruction) == 0

    writing.get_by_role("button", name="Execute").click()
    asked.get_by_role("button", name="Send the call").click()
    expect(writing.locator(".live-responses-table")).to_contain_text("202")
    assert rows.count(site.app, Instruction) == 1
    reading.get_by_role("button").first.click()
    reading.get_by_role("button", name="Execute").click()
    expect(reading.locator(".live-responses-table")).to_contain_text("200")
    expect(asked).to_be_hidden()
