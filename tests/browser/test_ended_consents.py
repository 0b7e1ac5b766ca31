"""How a consent can end or be held up; each page has a way on, and the way works."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from bunqflask.models import Connection, ConsentAttempt
from bunqflask.services.connections import refusal
from tests.browser.journeys import accept, arrive, ask, button, change, connect, count, go_to_bunq, heading, renew
from tests.support import rows
from tests.support.apps import ThreadSite
from tests.support.bank import JODI, Bank
from tests.support.chromium import Profiles
from tests.support.rows import run_duties


def in_second_tab(page: Page) -> Page:
    """Open what a page shows a second time, beside it."""
    second = page.context.new_page()
    second.goto(page.url)
    expect(heading(second, "Connect bunq")).to_be_visible()
    return second


def start_again(page: Page, words: str) -> None:
    """Press the way on and see that it leads to a new attempt that works."""
    before = page.url
    button(page, words).click()
    expect(heading(page, "Connect bunq")).to_be_visible()
    assert page.url != before
    go_to_bunq(page)


def test_denied_at_bunq(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {403}
    ask(robin)
    waiting = in_second_tab(robin)
    go_to_bunq(robin)
    button(robin, "Deny").click()
    expect(heading(robin, "Not approved")).to_be_visible()
    expect(heading(waiting, "Not approved")).to_be_focused()
    for page in (robin, waiting):
        expect(page.get_by_text("The request was declined in the bunq app. Nothing was stored.")).to_be_visible()
    waiting.get_by_role("link", name="Back to accounts").click()
    expect(waiting.get_by_text("No accounts yet.")).to_be_visible()
    start_again(robin, "Start again")


@pytest.mark.bank(denial="stay")
def test_denied_where_bunq_keeps_the_person(robin: Page, site: ThreadSite) -> None:
    ask(robin)
    waiting = in_second_tab(robin)
    go_to_bunq(robin)
    button(robin, "Deny").click()
    expect(robin.get_by_text("Access was refused. You can close this page.")).to_be_visible()
    button(waiting, "Cancel").click()
    expect(heading(waiting, "Cancelled")).to_be_visible()
    start_again(waiting, "Start again")


def test_expired(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {410}
    ask(robin)
    link = robin.get_by_label("Or send this link").input_value()
    change(site, ConsentAttempt, expires_at=datetime.now(UTC))
    expect(heading(robin, "The code is no longer valid")).to_be_focused()
    phone = profiles.new_page(site.url)
    phone.goto(link)
    expect(heading(phone, "The code is no longer valid")).to_be_visible()
    start_again(robin, "Get a new code")


def test_cancelled(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {410}
    ask(robin)
    link = robin.get_by_label("Or send this link").input_value()
    button(robin, "Cancel").click()
    expect(heading(robin, "Cancelled")).to_be_visible()
    robin.goto(link)
    expect(robin.get_by_text("Nothing was stored.")).to_be_visible()
    start_again(robin, "Start again")


def test_an_approval_that_comes_back_twice_changes_nothing(robin: Page, site: ThreadSite) -> None:
    ask(robin)
    go_to_bunq(robin)
    came_back: list[str] = []
    robin.on("request", lambda request: came_back.append(request.url) if "/oauth/callback" in request.url else None)
    accept(robin)
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    attempt = robin.url
    robin.goto(came_back[0])
    expect(robin).to_have_url(attempt)
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    assert count(site, Connection) == 1


def test_code_refused(robin: Page, profiles: Profiles, site: ThreadSite, bank: Bank) -> None:
    profiles.expected_statuses = {400}
    ask(robin)
    waiting = in_second_tab(robin)
    go_to_bunq(robin)
    bank.fault(call="POST token", fault="400", times=None)
    accept(robin)
    expect(heading(robin, "Something went wrong after you approved")).to_be_visible()
    expect(heading(waiting, "Something went wrong after you approved")).to_be_focused()
    shown = {page.get_by_label("Reference").input_value() for page in (robin, waiting)}
    assert len(shown) == 1, "two references for one failure"
    assert shown.pop().startswith("BF-")
    bank.no_faults()
    start_again(robin, "Start again")
    accept(robin)
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()


def test_bunq_away_after_the_approval_finishes_by_itself(robin: Page, site: ThreadSite, bank: Bank) -> None:
    ask(robin)
    go_to_bunq(robin)
    bank.fault(call="POST session-server", fault="html-503", times=None)
    accept(robin)
    expect(heading(robin, "bunq isn’t responding")).to_be_visible()
    lead = robin.get_by_text("Your approval is saved, so you can close this page.")
    expect(lead).to_contain_text("Next attempt at")
    robin.goto("/")
    expect(robin.get_by_text("Approved – we’re still fetching the accounts.")).to_be_visible()
    robin.get_by_role("link", name="Continue").click()
    expect(lead).to_be_visible()
    bank.no_faults()
    change(site, ConsentAttempt, next_try_at=datetime.now(UTC))
    run_duties(site.app)
    expect(heading(robin, "Connected: Jodi Walker")).to_be_focused()
    assert len(bank.calls("POST", "token")) == 1, "the approval was asked for again"


def test_bunq_slow_to_let_us_on_is_waited_for(robin: Page, site: ThreadSite, bank: Bank) -> None:
    ask(robin)
    go_to_bunq(robin)
    bank.fault(call="GET monetary-account", fault="429", times=5)
    accept(robin)
    expect(heading(robin, "Approved. Fetching the accounts")).to_be_visible()
    bank.no_faults()
    change(site, ConsentAttempt, next_try_at=datetime.now(UTC))
    run_duties(site.app)
    expect(heading(robin, "Connected: Jodi Walker")).to_be_focused()


def test_a_lost_connection_is_connected_again(robin: Page, site: ThreadSite, bank: Bank) -> None:
    connect(robin, without=("Car",))
    bank.revoke(JODI)
    change(site, Connection, accounts_synced_at=None)
    robin.goto("/")
    expect(robin.get_by_role("status")).to_contain_text("No worker is running")
    run_duties(site.app)
    expect(robin.get_by_text("We ask again for two hours")).to_be_visible(timeout=10_000)
    rows.age_refusals(site.app, refusal.LOST_AFTER)
    run_duties(site.app)
    robin.goto("/")
    expect(robin.get_by_text("Jodi Walker needs to approve again.", exact=True)).to_have_count(2, timeout=10_000)
    expect(robin.get_by_role("row").filter(has_text="Medical")).to_be_visible()
    button(robin, "Reconnect").first.click()
    expect(heading(robin, "Reconnect Jodi Walker")).to_be_visible()
    go_to_bunq(robin)
    accept(robin, without=("Medical",))
    button(robin, "Renew with these changes").click()
    expect(heading(robin, "Reconnected: Jodi Walker")).to_be_visible()
    said = "2 accounts unchanged, 1 new, 1 not in this permission. Nothing was duplicated."
    expect(robin.get_by_text(said)).to_be_visible()
    expect(robin.get_by_role("row").filter(has_text="Medical")).to_contain_text("No longer updated")
    assert count(site, Connection) == 1


def test_a_renewal_by_somebody_else_is_asked_about(robin: Page, site: ThreadSite) -> None:
    connect(robin)
    renew(robin, person="Walker Studio B.V. (company)")
    expect(heading(robin, "Someone else approved")).to_be_visible()
    assert count(site, Connection) == 1
    button(robin, "Connect Walker Studio B.V. as well").click()
    expect(heading(robin, "Connected: Walker Studio B.V.")).to_be_visible()
    robin.get_by_role("link", name="Go to accounts").click()
    for name in ("Jodi Walker", "Walker Studio B.V."):
        expect(robin.get_by_role("heading", level=2, name=name)).to_be_visible()


def test_a_server_that_is_not_set_up_says_so(profiles: Profiles, live_app: ThreadSite) -> None:
    profiles.expected_statuses = {503}
    page = arrive(profiles, live_app)
    page.goto("/connect")
    button(page, "Connect your accounts").click()
    expect(heading(page, "This server is not set up with bunq yet")).to_be_visible()
    page.get_by_role("link", name="Back to accounts").click()
    expect(page.get_by_text("No accounts yet.")).to_be_visible()
