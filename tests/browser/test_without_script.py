"""The path as plain pages: links, forms and "Check now", with scripts switched off or htmx out of reach."""

from playwright.sync_api import Page, Route, expect

from tests.browser.journeys import (
    accept,
    arrive,
    ask,
    button,
    connect,
    go_to_bunq,
    heading,
    open_settings,
)
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles
from tests.support.rows import run_duties


def walk_all_of_it(page: Page, site: ThreadSite) -> None:
    """Connect, refresh, hide amounts, disconnect: each by what the page itself offers."""
    connect(page)
    button(page, "Sync Jodi Walker now").click()
    expect(heading(page, "Accounts of Jodi Walker")).to_be_visible()
    run_duties(site.app)
    page.reload()
    expect(page.get_by_text("Updated just now")).to_be_visible()
    page.get_by_role("button", name="Menu: theme, amounts, settings, log out").click()
    page.get_by_label("Hide amounts").check()
    button(page, "Save").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("€•••")
    open_settings(page)
    page.get_by_role("link", name="Disconnect…").click()
    expect(heading(page, "Disconnect Jodi Walker?")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(heading(page, "Accounts")).to_be_visible()
    open_settings(page)
    page.get_by_role("link", name="Disconnect…").click()
    button(page, "Disconnect").click()
    expect(page.get_by_text("Jodi Walker is disconnected.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Car")).to_be_visible()


def test_the_whole_path_without_javascript(profiles: Profiles, site: ThreadSite) -> None:
    walk_all_of_it(arrive(profiles, site, java_script_enabled=False), site)


def test_another_device_without_javascript_on_either(profiles: Profiles, site: ThreadSite) -> None:
    robin = arrive(profiles, site, java_script_enabled=False)
    ask(robin)
    holder = profiles.new_page(site.url, java_script_enabled=False)
    holder.goto(robin.get_by_label("Or send this link").input_value())
    button(holder, "Continue to bunq").click()
    robin.get_by_role("link", name="Check now").click()
    expect(heading(robin, "Connect bunq")).to_be_visible()
    button(holder, "Accept").click()
    expect(heading(holder, "You can close this page")).to_be_visible()
    robin.get_by_role("link", name="Check now").click()
    expect(heading(robin, "Is this the right person?")).to_be_visible()
    button(robin, "Yes, connect Jodi Walker").click()
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()


def test_the_simulated_phone_on_a_page_of_its_own_without_javascript(profiles: Profiles, site: ThreadSite) -> None:
    robin = arrive(profiles, site, java_script_enabled=False)
    ask(robin)
    go_to_bunq(robin)
    with robin.expect_popup() as opened:
        robin.get_by_role("link", name="/phone").click()
    accept(opened.value)
    expect(opened.value.get_by_text("You gave access.")).to_be_visible()
    robin.get_by_role("link", name="Check now").click()
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()


def test_the_whole_path_without_htmx(profiles: Profiles, site: ThreadSite) -> None:
    page = profiles.new_page(site.url)
    lacking: list[str] = []

    def nothing(route: Route) -> None:
        lacking.append(route.request.url)
        route.fulfill(body="", content_type="text/javascript")

    page.context.route("**/assets/htmx*", nothing)
    walk_all_of_it(arrive(profiles, site, on=page), site)
    assert lacking
