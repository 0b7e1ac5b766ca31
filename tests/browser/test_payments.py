"""Payments in front of a person: found by keys, searched, gone on with, and usable by everybody."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from bunqflask import clock
from bunqflask.extensions import db
from tests.browser import screenshots
from tests.browser.journeys import arrive, button, connect, heading
from tests.support import history
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles
from tests.support.history import Paid

MAIN = 2083712
ACCOUNT = f"/connections/1/accounts/{MAIN}/payments"


@pytest.fixture
def payer(robin: Page, site: ThreadSite) -> Page:
    """Robin with 120 payments, one of them missing, the last names as hostile as names can be."""
    connect(robin)
    start = clock.now() - timedelta(days=40)
    paid = [Paid(at=start + timedelta(hours=8 * n), amount="1", name=f"Shop {n}") for n in range(120)]
    paid[60] = Paid(at=paid[60].at, amount="-3.50", name="Café Zürich", type="MASTERCARD", balance="12.50")
    paid[119] = Paid(at=paid[119].at, amount="-9.25", name="\u202e<b>" + "W" * 300, text="x" * 300)
    with site.app.app_context():
        history.store(history.account(MAIN), paid)
        db.session.remove()
    return robin


def rows(page: Page) -> list[str]:
    """Return the address of every payment on the page."""
    found: list[str] = page.locator(".pay .go").evaluate_all("links => links.map(link => link.href)")
    return found


def test_payments_by_keyboard(payer: Page, profiles: Profiles) -> None:
    profiles.expected_statuses, profiles.replaces_requests = {422}, True
    payer.goto("/")
    payer.keyboard.press("g")
    payer.keyboard.press("p")
    expect(heading(payer, "Payments")).to_be_visible()
    older = payer.get_by_role("link", name="Load older payments")
    older.focus()
    payer.keyboard.press("Enter")
    fifty_first = payer.locator(".pay .go").nth(50)
    expect(fifty_first).to_be_focused()
    older.click()
    expect(payer.get_by_text("That’s everything.")).to_be_visible()
    assert len(rows(payer)) == len(set(rows(payer))) == 120

    payer.keyboard.press("/")
    payer.keyboard.type("cafe")
    expect(payer.locator("#say")).to_have_text("1 of 120 payments shown")
    assert payer.url.endswith("/payments?q=cafe")
    expect(payer.get_by_label("Search by name, description, IBAN or amount")).to_be_focused()

    payer.get_by_role("link", name="Filters (1)").press("Enter")
    sheet = payer.get_by_role("dialog", name="Filter payments")
    expect(sheet.get_by_label("Search by name, description, IBAN or amount")).to_have_value("cafe")
    sheet.get_by_label("At least").fill("1.234")
    payer.keyboard.press("Enter")
    expect(payer.get_by_text("This could mean two things. Type 1234 or 1.2340.")).to_be_visible()
    expect(payer.get_by_label("At least")).to_have_value("1.234")
    payer.get_by_role("link", name="Clear all").click()
    expect(payer.get_by_text("120 payments", exact=True)).to_be_visible()


def test_much_that_is_found_is_added_up_by_itself(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.replaces_requests = True
    connect(robin)
    with site.app.app_context():
        history.store(history.account(MAIN), [Paid(at="2026-10-02T10:00Z", amount="-1", name="Koffie")] * 5_001)
        db.session.remove()
    robin.goto("/payments")
    robin.get_by_label("Search by name, description, IBAN or amount").fill("koffie")
    robin.keyboard.press("Enter")
    expect(robin.locator("#say")).to_have_text("5,001 of 5,001 payments shown")
    expect(robin.locator("#result")).to_contain_text("Out −€5,001.00")
    expect(robin.get_by_role("link", name="Show totals")).to_have_count(0)
    assert robin.url.endswith("/payments?q=koffie")


def test_enter_replaces_the_search_that_typing_has_begun(payer: Page, profiles: Profiles) -> None:
    profiles.replaces_requests = True
    payer.goto("/payments")
    begun: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if begun:
            route.continue_()
        begun.append(route)

    payer.route("**/payments?q=*", hold_the_first)
    with payer.expect_request("**/payments?q=*"):
        payer.get_by_label("Search by name, description, IBAN or amount").fill("cafe")
    payer.keyboard.press("Enter")
    expect(payer.locator("#say")).to_have_text("1 of 120 payments shown")
    assert len(begun) == 2
    assert payer.url.endswith("/payments?q=cafe")


def test_payments_without_scripts(payer: Page, profiles: Profiles, site: ThreadSite) -> None:
    page = arrive(profiles, site, java_script_enabled=False)
    page.goto(ACCOUNT)
    newest = page.locator(".pay").count()
    page.get_by_role("link", name="Load older payments").click()
    expect(page.locator(".pay")).to_have_count(100)
    assert newest == 50
    expect(page.locator(".pay").nth(49)).to_be_in_viewport()
    page.get_by_label("Out", exact=True).check(force=True)
    button(page, "Search").click()
    expect(page.get_by_text("2 of 120 payments shown")).to_be_visible()
    page.get_by_role("link", name="Filters (1)").click()
    expect(heading(page, "Filter payments")).to_be_attached()
    page.get_by_label("At least").fill("5")
    button(page, "Apply").click()
    expect(page.get_by_text("1 of 120 payments shown")).to_be_visible()
    assert page.url.endswith("/payments?direction=out&min=5") or page.url.endswith("/payments?min=5&direction=out")


def test_payments_are_usable_by_everybody(payer: Page, profiles: Profiles) -> None:
    profiles.expected_statuses = {422}
    findings: list[str] = []
    for name, address in {
        "payments": "/payments",
        "account": f"{ACCOUNT}?range=365",
        "months": "/payments/months",
        "refused": "/payments?q=cafe&min=1.234&account=9",
        "filter": "/payments/filter?q=cafe",
        "filtered": "/payments?q=cafe&from=2026-10-01&to=2026-10-31&account=1",
        "nothing": "/payments?q=nothing",
    }.items():
        payer.goto(address)
        findings += screenshots.look(payer, name)
    payer.goto("/payments")
    payer.locator("#drop-account summary").click()
    findings += screenshots.look(payer, "accounts to tick")
    payer.keyboard.press("Escape")
    payer.locator("#f-all").click()
    expect(payer.get_by_role("dialog", name="Filter payments")).to_be_visible()
    findings += screenshots.look(payer, "sheet")
    payer.goto("/payments")
    payer.goto(rows(payer)[0])
    expect(payer.locator("#notes")).to_contain_text("bunq doesn’t show us the notes of this payment.")
    findings += screenshots.look(payer, "payment")
    assert findings == [], "\n".join(findings)
