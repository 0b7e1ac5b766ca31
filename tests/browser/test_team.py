"""What team members share, and what each of them sets for themselves."""

import pytest
from playwright.sync_api import Page, expect

from bunqflask.models import Login
from tests.browser.journeys import (
    LONG_AGO,
    SAM,
    arrive,
    button,
    change,
    connect,
    count,
    heading,
    log_in_again,
    open_settings,
)
from tests.support import apps
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles


def open_menu(page: Page) -> None:
    """Open the menu with theme, amounts, settings and logging out."""
    page.get_by_role("button", name="Menu: theme, amounts, settings, log out").click()


def theme(page: Page, words: str) -> None:
    """Choose a theme in the menu."""
    open_menu(page)
    menu = page.locator("#menu")
    menu.get_by_text(words, exact=True).click()
    button(menu, "Save").click()
    expect(menu).to_be_hidden()


def ground(page: Page) -> str:
    """Return the colour behind the page, whose stylesheet may still be on its way."""
    page.wait_for_load_state("load")
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def offered(page: Page) -> list[str]:
    """Return the texts of the buttons of a page."""
    return [each.strip() for each in page.get_by_role("main").locator("button:visible, .btn:visible").all_inner_texts()]


def test_sharing_lets_a_colleague_read_and_do_nothing_else(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    sam = arrive(profiles, site, SAM)
    connect(robin)
    expect(robin.get_by_text("Only you can see this")).to_be_visible()
    sam.reload()
    expect(sam.get_by_text("No accounts yet.")).to_be_visible()

    robin.get_by_role("link", name="Share accounts…").first.click()
    for name in ("Car", "Medical"):
        robin.get_by_role("checkbox", name=name).check()
    robin.get_by_label("Sam Okafor").check()
    button(robin, "Share").click()
    expect(robin.get_by_role("row").filter(has_text="Car")).to_contain_text("Without an end.")
    robin.goto("/")
    expect(robin.get_by_text("Others can see 2 of 4 accounts")).to_be_visible()
    sam.reload()
    expect(sam.get_by_text("Shared with you (read-only)")).to_be_visible()
    expect(sam.get_by_role("row").filter(has_text="Car")).to_contain_text("€954.00")
    assert offered(sam) == ["Connect bunq"], "a guest is offered what would be refused"
    open_settings(sam, "Who connected this")
    expect(sam.get_by_text("Robin de Vries", exact=True)).to_be_visible()
    assert offered(sam) == [], "a guest is offered what would be refused"
    sam.goto("/")

    robin.goto("/connections/1/sharing")
    for left in (1, 0):
        button(robin, "Stop sharing").first.click()
        expect(button(robin, "Stop sharing")).to_have_count(left)
    expect(robin.get_by_text("You share none of these accounts.")).to_be_visible()
    sam.reload()
    expect(sam.get_by_text("No accounts yet.")).to_be_visible()


def test_a_second_member_who_consents_joins_the_same_connection(
    robin: Page, profiles: Profiles, site: ThreadSite
) -> None:
    connect(robin)
    sam = arrive(profiles, site, SAM)
    sam.goto("/connect")
    button(sam, "Connect your accounts").click()
    button(sam, "Continue to bunq").click()
    button(sam, "Accept").click()
    expect(sam.get_by_text("Others can see 4 of 4 accounts")).to_be_visible()
    robin.goto("/")
    expect(robin.get_by_role("heading", level=2)).to_have_count(1)
    expect(robin.get_by_text("Others can see 4 of 4 accounts")).to_be_visible()


def test_hidden_amounts_are_not_in_the_page_at_all(robin: Page) -> None:
    connect(robin, person="Walker Studio B.V. (company)")
    open_menu(robin)
    robin.locator("#menu").get_by_label("Hide amounts").check()
    button(robin, "Save").click()
    for path in ("/", "/connections/1/accounts", "/connections/1/disconnect"):
        robin.goto(path)
        content = robin.content()
        shown = [euros for euros in ("12,480", "6,250", "10,000", "1,800", "3,412", "22,100") if euros in content]
        assert shown == [], f"{path} holds amounts that are hidden"
    robin.goto("/")
    expect(robin.get_by_text("€•••").first).to_be_visible()
    expect(robin.get_by_text("Has a savings goal")).to_be_visible()
    expect(robin.get_by_role("progressbar")).to_have_count(0)
    robin.keyboard.press("h")
    expect(robin.get_by_text("€6,250.00 of €10,000.00")).to_be_visible()


def test_a_theme_is_kept_and_comes_with_the_first_byte(robin: Page) -> None:
    robin.emulate_media(color_scheme="light")
    light = ground(robin)
    theme(robin, "Dark")
    expect(robin.locator("html")).to_have_attribute("data-theme", "dark")
    dark = ground(robin)
    assert dark != light
    answer = robin.goto("/settings")
    assert answer is not None
    assert b'data-theme="dark"' in answer.body()[:200], "the page is light until a script comes"
    assert ground(robin) == dark
    expect(robin.locator("#menu input[value=dark]")).to_be_checked()
    theme(robin, "Light")
    robin.emulate_media(color_scheme="dark")
    assert ground(robin) == light
    theme(robin, "System")
    assert ground(robin) == dark


def test_logging_out_elsewhere(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    phone = arrive(profiles, site, user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605.1")
    robin.goto("/settings")
    places = robin.get_by_role("region", name="Where you are logged in").get_by_role("listitem")
    expect(places).to_have_count(2)
    expect(places.filter(has_text="This browser")).to_contain_text("Chrome on Linux")
    button(robin, "Log out: Safari on iPhone").click()
    expect(places).to_have_count(1)
    phone.goto("/settings")
    expect(heading(phone, "Log in")).to_be_visible()
    open_menu(robin)
    button(robin, "Log out").click()
    expect(heading(robin, "Log in")).to_be_visible()
    robin.go_back()
    expect(heading(robin, "Log in")).to_be_visible()


def test_a_new_password_logs_out_the_others(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    other = arrive(profiles, site)
    robin.goto("/settings")
    robin.get_by_label("Current password").fill(apps.PASSWORD)
    robin.get_by_label("New password", exact=True).fill("another horse and battery")
    again = robin.get_by_label("New password again")
    if again.count():
        again.fill("another horse and battery")
    button(robin, "Change password").click()
    expect(robin.get_by_text("Password changed. You’ve been logged out everywhere else.")).to_be_visible()
    assert count(site, Login) == 1
    other.reload()
    expect(heading(other, "Log in")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "pressed", "title"),
    [
        ("/connections/1/accounts", "Sync Jodi Walker now", "Accounts of Jodi Walker"),
        ("/connections/1", "Disconnect…", "Jodi Walker Working"),
    ],
)
def test_a_lapsed_login_leads_to_login_and_back(
    robin: Page, site: ThreadSite, path: str, pressed: str, title: str
) -> None:
    connect(robin)
    robin.goto(path)
    change(site, Login, last_seen_at=LONG_AGO)
    robin.get_by_role("main").locator("button, a").filter(has_text=pressed.split()[0]).last.click()
    expect(robin.get_by_text("You were logged out after 30 minutes of inactivity.")).to_be_visible()
    log_in_again(robin)
    expect(heading(robin, title)).to_be_visible()


def test_a_page_that_waits_leads_to_login_when_the_login_lapses(robin: Page, site: ThreadSite) -> None:
    robin.goto("/connect")
    button(robin, "Connect your accounts").click()
    expect(heading(robin, "Connect bunq")).to_be_visible()
    address = robin.url
    change(site, Login, last_seen_at=LONG_AGO)
    log_in_again(robin)
    expect(heading(robin, "Connect bunq")).to_be_visible()
    assert robin.url == address
