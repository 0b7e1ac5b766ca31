"""Every page in every state can be used by everybody, in both themes and on every screen."""

from datetime import UTC, datetime
from decimal import Decimal

from playwright.sync_api import Page, expect

from bunqflask.models import Connection, ConsentAttempt, Login, MonetaryAccount
from tests.browser import screenshots
from tests.browser.journeys import (
    LONG_AGO,
    SAM,
    accept,
    arrive,
    ask,
    button,
    change,
    connect,
    go_to_bunq,
    heading,
    log_in_again,
    open_details,
    open_settings,
    renew,
)
from tests.support.apps import PASSWORD, ThreadSite
from tests.support.bank import JODI, Bank
from tests.support.chromium import Profiles
from tests.support.rows import run_duties
from tests.support.second_factor import AuthenticatorApp


class Looking:
    """Looks at pages one after another and keeps what it finds."""

    def __init__(self) -> None:
        self.findings: list[str] = []

    def __call__(self, page: Page, name: str) -> None:
        self.findings += screenshots.look(page, name)

    def found_nothing(self) -> None:
        """Fail with all that was found."""
        assert self.findings == [], "\n".join(self.findings)


def test_login_settings_and_errors(page: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {403, 404, 410, 422}
    look = Looking()
    page.goto("/login")
    look(page, "login")
    page.get_by_label("Email").fill("robin@example.org")
    page.get_by_label("Password").fill("wrong")
    button(page, "Log in").click()
    expect(page.get_by_role("alert")).to_have_text("That email and password do not match.")
    look(page, "login refused")
    page.goto("/login?reason=idle")
    look(page, "login after a pause")
    page.goto("/c/nothing")
    look(page, "link unknown")

    arrive(profiles, site, on=page)
    look(page, "no accounts")
    page.goto("/connections/7/accounts")
    look(page, "not found")
    page.goto("/settings")
    look(page, "settings")
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password", exact=True).fill("short")
    button(page, "Change password").click()
    expect(page.get_by_text("That’s not your current password.")).to_be_visible()
    look(page, "settings refused")
    page.get_by_role("button", name="Menu: theme, amounts, settings, log out").click()
    look(page, "menu")
    page.keyboard.press("Escape")
    page.get_by_role("main").get_by_role("button", name="Keyboard shortcuts").click()
    look(page, "keyboard shortcuts")
    look.found_nothing()


def test_consent_from_start_to_end(robin: Page, profiles: Profiles, site: ThreadSite, bank: Bank) -> None:
    profiles.expected_statuses = {403, 400, 410}
    look = Looking()
    ask(robin)
    look(robin, "waiting")
    phone = profiles.new_page(site.url)
    phone.goto(robin.get_by_label("Or send this link").input_value())
    look(phone, "link")
    button(phone, "Continue to bunq").click()
    look(phone, "simulated bank")
    accept(phone)
    look(phone, "approved on another device")
    expect(heading(robin, "Is this the right person?")).to_be_visible()
    look(robin, "confirm")
    robin.goto("/")
    look(robin, "accounts with one to confirm")
    robin.get_by_role("link", name="Check and answer").click()
    button(robin, "Yes, connect Jodi Walker").click()
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    look(robin, "connected")

    ask(robin)
    phone.goto(robin.get_by_label("Or send this link").input_value())
    button(phone, "Continue to bunq").click()
    accept(phone, without=("Car",))
    expect(heading(robin, "Is this the right person?")).to_be_visible()
    look(robin, "confirm a renewal")
    button(robin, "Yes, connect Jodi Walker").click()
    expect(heading(robin, "Reconnected: Jodi Walker")).to_be_visible()
    look(robin, "connected again")
    renew(robin, person="Walker Studio B.V. (company)")
    expect(heading(robin, "Someone else approved")).to_be_visible()
    look(robin, "another person")
    button(robin, "Discard").click()
    expect(heading(robin, "Discarded")).to_be_visible()
    look(robin, "discarded")
    look.found_nothing()


def test_consent_that_ends_otherwise(robin: Page, profiles: Profiles, site: ThreadSite, bank: Bank) -> None:
    profiles.expected_statuses = {403, 400, 410}
    look = Looking()
    ask(robin)
    waiting = robin.url
    go_to_bunq(robin)
    button(robin, "Deny").click()
    look(robin, "denied")
    robin.goto(waiting)
    look(robin, "denied, on the page that waited")
    ask(robin)
    change(site, ConsentAttempt, expires_at=datetime.now(UTC))
    expect(heading(robin, "The code is no longer valid")).to_be_visible()
    look(robin, "expired")
    ask(robin)
    button(robin, "Cancel").click()
    expect(heading(robin, "Cancelled")).to_be_visible()
    look(robin, "cancelled")

    ask(robin)
    waiting = robin.url
    go_to_bunq(robin)
    bank.fault(call="POST token", fault="400")
    accept(robin)
    look(robin, "code refused")
    robin.goto(waiting)
    open_details(robin, "Technical details")
    look(robin, "code refused, on the page that waited")
    ask(robin)
    go_to_bunq(robin)
    bank.fault(call="POST session-server", fault="html-503", times=None)
    accept(robin)
    expect(heading(robin, "bunq isn’t responding")).to_be_visible()
    open_details(robin, "Technical details")
    look(robin, "connecting, bunq away")
    robin.goto("/")
    look(robin, "accounts with one to be fetched")
    look.found_nothing()


def test_accounts_in_every_state(robin: Page, profiles: Profiles, site: ThreadSite, bank: Bank) -> None:
    look = Looking()
    connect(robin)
    connect(robin, person="Walker Studio B.V. (company)")
    robin.goto("/")
    look(robin, "accounts")
    open_details(robin, "1 closed account")
    look(robin, "accounts, unfolded")
    open_settings(robin)
    look(robin, "one connection")
    robin.get_by_role("link", name="Disconnect…").first.click()
    expect(robin.get_by_role("dialog")).to_be_visible()
    look(robin, "disconnect, in a dialog")
    robin.goto("/connections/1/disconnect")
    look(robin, "disconnect")
    robin.goto("/connections/2")
    robin.get_by_role("link", name="Share accounts…").first.click()
    look(robin, "sharing")
    robin.get_by_role("checkbox").first.check()
    robin.get_by_label("The whole team, also people who join later").check()
    button(robin, "Share").click()
    expect(button(robin, "Stop sharing").first).to_be_visible()
    look(robin, "shared")
    sam = arrive(profiles, site, SAM)
    open_settings(sam, "Who connected this")
    look(sam, "guest")

    bank.fault(call="GET monetary-account", fault="500", times=None)
    bank.revoke(JODI)
    change(site, Connection, accounts_synced_at=LONG_AGO)
    run_duties(site.app)
    robin.goto("/")
    expect(robin.get_by_text("bunq isn’t responding")).to_have_count(2)
    look(robin, "accounts, in error_kind")
    robin.goto("/connections/1/disconnect")
    button(robin, "Disconnect").click()
    expect(robin.get_by_text("Jodi Walker is disconnected.")).to_be_visible()
    look(robin, "accounts, disconnected")
    robin.goto("/connections/1/disconnect")
    look(robin, "erase")

    long = "Stichting Derdengelden " + "Onvoorstelbaarlangenaamzonderspaties" * 3
    change(site, Connection, display_name=long, accounts_synced_at=datetime.now(UTC))
    change(site, MonetaryAccount, description=long, balance=Decimal("-1234567.89"), savings_goal=Decimal("9999999.99"))
    robin.goto("/")
    open_details(robin, "1 closed account")
    look(robin, "accounts, long names and amounts")
    robin.goto("/connections/2/disconnect")
    look(robin, "disconnect, long name")
    look.found_nothing()


def test_the_pages_around_the_login(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {403, 422}
    look = Looking()
    robin.goto("/settings/factors")
    look(robin, "second factor, none yet")
    button(robin, "Add an authenticator app").click()
    look(robin, "authenticator app")
    robin.get_by_label("Code", exact=True).fill("000000")
    robin.get_by_label("Your password").fill(PASSWORD)
    button(robin, "Turn on").click()
    expect(robin.get_by_text("That code doesn’t match.")).to_be_visible()
    look(robin, "authenticator app, wrong code")
    phone = AuthenticatorApp(site.app, robin.locator("#secret").input_value())
    robin.get_by_label("Code", exact=True).fill(phone.code())
    robin.get_by_label("Your password").fill(PASSWORD)
    button(robin, "Turn on").click()
    expect(heading(robin, "Recovery codes")).to_be_visible()
    look(robin, "recovery codes")
    robin.goto("/settings/factors/passkey")
    look(robin, "passkey")
    robin.goto("/settings/factors")
    look(robin, "second factor")
    guest = profiles.new_page(site.url)
    guest.goto("/login")
    look(guest, "login, with a passkey")
    log_in_again(guest)
    expect(heading(guest, "Enter your code")).to_be_visible()
    look(guest, "code")
    guest.get_by_label("Code", exact=True).fill("000000")
    button(guest, "Log in").click()
    expect(guest.get_by_text("That code doesn’t work")).to_be_visible()
    look(guest, "code, refused")
    guest.get_by_label("Code", exact=True).fill(phone.unused_code())
    guest.get_by_label("Trust this browser for 30 days").check()
    button(guest, "Log in").click()
    expect(heading(guest, "Accounts")).to_be_visible()
    robin.goto("/settings")
    expect(robin.get_by_text("Somebody logged in as you in a new browser")).to_be_visible()
    expect(button(robin, "Not me").first).to_be_visible()
    look(robin, "settings, with notices and trusted browsers")
    change(site, Login, confirmed_at=LONG_AGO)
    robin.goto("/settings/factors")
    button(robin, "Make new codes").click()
    expect(heading(robin, "Confirm that it’s you")).to_be_visible()
    look(robin, "confirm")
    look.found_nothing()


def test_the_pages_of_the_simulated_bank(profiles: Profiles, site: ThreadSite, bank: Bank) -> None:
    profiles.expected_statuses = {400, 403, 422}
    look = Looking()
    robin = arrive(profiles, site)
    ask(robin)
    go_to_bunq(robin)
    with robin.expect_popup() as opened:
        robin.get_by_role("link", name="/phone").click()
    phone = opened.value
    look(phone, "simulated phone")
    ticked = phone.get_by_role("checkbox", checked=True)
    while ticked.count():
        ticked.first.uncheck()
    button(phone, "Accept").click()
    look(phone, "simulated phone, nothing ticked")
    button(phone, "Deny").click()
    look(phone, "simulated phone, denied")
    phone.goto(f"{bank.origin}/auth?client_id=nobody")
    look(phone, "simulated bank, unknown app")
    look.found_nothing()
