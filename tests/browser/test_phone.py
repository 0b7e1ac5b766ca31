"""The path over another device: a code on one screen, a phone that scans it."""

from typing import Any

import qrcode
from playwright.sync_api import Page, expect

from tests.browser.journeys import PHONE, arrive, ask, button, heading
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.chromium import Profiles
from tests.support.rows import run_duties

# What is dark where: asked of the drawing itself, at the middle of each module.
MODULES = """(svg) => {
  const size = svg.viewBox.baseVal.width, dark = svg.lastElementChild, point = svg.createSVGPoint();
  return Array.from({length: size}, (_, y) => Array.from({length: size}, (_, x) => {
    point.x = x + .5; point.y = y + .5;
    return dark.isPointInFill(point);
  }));
}"""


def modules(link: str) -> list[list[bool]]:
    """Return the code that says this link, with the quiet zone that phones need."""
    code = qrcode.QRCode(border=4)
    code.add_data(link)
    code.make(fit=True)
    return [[bool(each) for each in row] for row in code.get_matrix()]


def approve_on_phone(phone: Page, link: str) -> None:
    """Open a link as a phone does after scanning, press on, and accept at bunq's page."""
    phone.goto(link)
    expect(heading(phone, "Robin de Vries would like to see your bunq accounts")).to_be_visible()
    button(phone, "Continue to bunq").tap()
    button(phone, "Accept").tap()
    expect(heading(phone, "You can close this page")).to_be_visible()


def test_two_phones_the_holder_approves_and_the_member_confirms(profiles: Profiles, site: ThreadSite) -> None:
    robin = arrive(profiles, site, **PHONE)
    robin.get_by_role("link", name="Connect bunq").tap()
    button(robin, "Connect your accounts").tap()
    expect(heading(robin, "Connect bunq")).to_be_visible()
    link = robin.get_by_label("Or send this link").input_value()
    code = robin.get_by_role("img", name="QR code with the link of this attempt")
    assert code.evaluate(MODULES) == modules(link)
    box: dict[str, Any] = code.evaluate("each => each.getBoundingClientRect().toJSON()")
    assert box["width"] >= 200
    assert box["right"] <= 375

    holder = profiles.new_page(site.url, **PHONE)
    approve_on_phone(holder, link)
    expect(holder.get_by_text("Robin de Vries will confirm it was you before anything is shown.")).to_be_visible()
    assert "4,118" not in holder.content(), "the holder's browser has no login here"

    expect(heading(robin, "Is this the right person?")).to_be_focused()
    expect(robin.get_by_role("main")).to_contain_text("Jodi Walker approved on another device.")
    assert "4,118" not in robin.content(), "balances are shown before anybody has confirmed"
    robin.goto("/")
    robin.get_by_role("link", name="Check and answer").tap()
    button(robin, "Yes, connect Jodi Walker").tap()
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    expect(robin.get_by_role("row").filter(has_text="Medical")).to_contain_text("€1,643.00")


def test_what_is_not_the_right_person_is_discarded(
    robin: Page, profiles: Profiles, site: ThreadSite, bank: Bank
) -> None:
    ask(robin)
    approve_on_phone(profiles.new_page(site.url, **PHONE), robin.get_by_label("Or send this link").input_value())
    expect(heading(robin, "Is this the right person?")).to_be_visible()
    button(robin, "No, discard").click()
    expect(heading(robin, "Discarded")).to_be_visible()
    run_duties(site.app)
    assert bank.calls("DELETE", "session"), "bunq's session stays open"
    robin.get_by_role("link", name="Back to accounts").click()
    expect(robin.get_by_text("No accounts yet.")).to_be_visible()


def test_a_link_works_in_the_first_browser_only(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {410}
    ask(robin)
    link = robin.get_by_label("Or send this link").input_value()
    first, second = profiles.new_page(site.url, **PHONE), profiles.new_page(site.url, **PHONE)
    for phone in (first, second):
        phone.goto(link)
        expect(heading(phone, "Robin de Vries would like to see your bunq accounts")).to_be_visible()
    button(first, "Continue to bunq").tap()
    expect(heading(first, "You are at the simulated bank")).to_be_visible()
    button(second, "Continue to bunq").tap()
    expect(heading(second, "This link is already opened on another device")).to_be_visible()
    button(first, "Accept").tap()
    expect(heading(first, "You can close this page")).to_be_visible()
