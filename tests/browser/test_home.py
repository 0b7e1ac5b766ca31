"""The first page: what there is, what moved this month, and what needs somebody."""

from datetime import timedelta

from playwright.sync_api import Page, expect

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import Connection, Consent, ConsentGrantState
from bunqflask.services.connections import lifecycle
from tests.browser.journeys import PHONE, arrive, ask, button, connect, heading
from tests.browser.screenshots import SIDEWAYS, look
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.bank import JODI, Bank
from tests.support.chromium import Profiles
from tests.support.rows import run_duties

PLACES = ("Accounts", "Payments")


def test_this_month_and_the_newest_payments(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin)
    bank.receive(bank.account_ids(JODI)[0], "77.05")
    run_duties(site.app)
    robin.goto("/")
    month = robin.get_by_role("table", name="Money in and out")
    expect(month.get_by_role("columnheader")).to_have_count(3)
    expect(month.get_by_role("row").nth(1)).to_contain_text("+€")
    newest = robin.get_by_role("region", name="Newest payments").get_by_role("listitem")
    expect(newest).to_have_count(5)
    expect(newest.first).to_contain_text("+€77.05")
    assert look(robin, "accounts") == []
    robin.keyboard.press("h")
    expect(newest.first).to_contain_text("€•••")
    main = robin.get_by_role("main").inner_text()
    assert "77.05" not in main
    assert "€•••" in main
    robin.wait_for_load_state()  # before that nobody listens to keys
    robin.keyboard.press("h")
    expect(newest.first).to_contain_text("+€77.05")
    robin.evaluate("document.documentElement.style.fontSize = '200%'")
    assert robin.evaluate(SIDEWAYS) == []
    newest.first.get_by_role("link").click()
    expect(heading(robin, "Somebody")).to_be_visible()
    bank.receive(bank.account_ids(JODI)[0], "1234567.89")
    rows.age_accounts(site.app, timedelta(hours=2))
    run_duties(site.app)
    robin.set_viewport_size({"width": 320, "height": 700})
    robin.goto("/")
    expect(newest.first).to_contain_text("+€1,234,567.89")
    assert robin.evaluate(SIDEWAYS) == []


def test_a_waiting_attempt_is_found_again_copied_and_cancelled(
    robin: Page, profiles: Profiles, site: ThreadSite
) -> None:
    ask(robin)
    waiting = robin.url
    expect(robin.get_by_text("Open bunq", exact=True)).to_have_attribute("aria-current", "step")
    link = robin.get_by_label("Or send this link").input_value()
    robin.get_by_role("link", name="Accounts").first.click()
    expect(robin.get_by_text("Waiting for somebody to approve in the bunq app.")).to_be_visible()
    expect(robin.get_by_role("textbox", name="Link to approve")).to_have_value(link)
    assert look(robin, "a waiting attempt") == []
    robin.get_by_role("link", name="Continue").click()
    expect(robin).to_have_url(waiting)

    phone = profiles.new_page(site.url, **PHONE, user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Safari/605")
    phone.goto(link)
    name = phone.get_by_text("bunq will show the name").locator("b").inner_text()
    button(phone, "Continue to bunq").tap()
    expect(phone.get_by_text(f"{name} asks for access").first).to_be_visible()
    expect(robin.locator("#attempt").get_by_text("Opened in Safari on iPhone at")).to_be_visible()
    expect(robin.get_by_text("Approve in app", exact=True)).to_have_attribute("aria-current", "step")
    assert look(robin, "an opened attempt") == []

    robin.goto("/")
    expect(robin.get_by_text("Opened in Safari on iPhone at")).to_be_visible()
    button(robin, "Cancel").click()
    expect(heading(robin, "Cancelled")).to_be_visible()
    robin.goto("/")
    expect(robin.get_by_text("No accounts yet.")).to_be_visible()


def test_a_dead_connection_is_named_first_and_renewed_from_there(profiles: Profiles, site: ThreadSite) -> None:
    robin = arrive(profiles, site, java_script_enabled=False)
    connect(robin)
    with rows.behind(site.app), transaction():
        consent = db.session.scalars(db.select(Consent)).one()
        lifecycle.end(consent, ConsentGrantState.LOST)
        lifecycle.settle(db.session.get_one(Connection, consent.connection_id))
    robin.goto("/")
    expect(robin.get_by_text("Not in the total: Jodi Walker, last updated")).to_be_visible()
    expect(robin.get_by_text("Total in euro")).to_have_count(0)
    notes = robin.locator(".note").filter(has_text="Jodi Walker needs to approve again")
    expect(notes).to_have_count(2)
    expect(notes.nth(1)).to_contain_text("bunq refuses the permission")
    notes.nth(1).get_by_role("button", name="Reconnect").click()
    expect(heading(robin, "Reconnect Jodi Walker")).to_be_visible()
    expect(robin.get_by_text("This page updates automatically.")).to_be_hidden()
    robin.goto("/")
    expect(robin.get_by_text("Waiting for Jodi Walker to approve again in the bunq app.")).to_be_visible()
    expect(robin.locator(".note").filter(has_text="needs to approve again")).to_have_count(1)


def test_where_am_i(robin: Page) -> None:
    connect(robin)
    robin.goto("/")
    expect(heading(robin, "Accounts")).to_be_visible()
    accounts, payments = (robin.get_by_role("navigation").get_by_role("link", name=each) for each in PLACES)
    expect(accounts).to_have_attribute("aria-current", "page")
    robin.get_by_role("link", name="Car", exact=True).click()
    expect(accounts).to_have_attribute("aria-current", "true")
    expect(payments).not_to_have_attribute("aria-current", "true")
    robin.goto("/settings")
    expect(robin.get_by_role("button", name="Menu: theme")).to_have_attribute("aria-current", "true")
