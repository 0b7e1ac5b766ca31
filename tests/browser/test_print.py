"""Accounts on paper: what is known, from when, and nothing to press."""

from playwright.sync_api import Page, expect

from tests.browser.journeys import connect


def test_paper_shows_all_accounts_and_no_navigation_or_buttons(robin: Page) -> None:
    connect(robin, person="Walker Studio B.V. (company)")
    robin.goto("/")
    closed = robin.get_by_role("row").filter(has_text="Old project")
    expect(closed).to_be_hidden()
    robin.emulate_media(media="print", color_scheme="dark")
    assert [each for each in robin.get_by_role("button").all() if each.is_visible()] == []
    for what in ("header", "nav", "form", "dialog", ".skip"):
        assert [each for each in robin.locator(what).all() if each.is_visible()] == [], f"{what} is printed"
    expect(closed).to_be_visible()
    box = closed.bounding_box()
    assert box is not None
    assert box["height"] > 20
    expect(robin.get_by_text("Printed")).to_contain_text("by Robin de Vries, data of")
    expect(robin.get_by_text("SIMULATED BANK – local sandbox")).to_be_visible()
    assert robin.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert robin.evaluate("getComputedStyle(document.body).color") == "rgb(26, 28, 32)"
    assert robin.pdf().startswith(b"%PDF")
