"""A newcomer makes a token, and gets JSON from the interactive documentation, which keeps nothing."""

from playwright.sync_api import Page, expect

from tests.browser import screenshots
from tests.browser.journeys import button, connect


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
