"""Invitations to connect in real browsers: everybody can use each state, and phones that can share offer to."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, expect

from bunqflask.models import EventKind
from tests.browser import screenshots
from tests.browser.journeys import button, connect, heading
from tests.protocol.consent.test_invitations import events
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles

# A folder for pictures of every state, to be looked at.
PICTURES = os.environ.get("BUNQFLASK_TEST_PICTURES")


class Looking:
    """Looks at pages one after another and keeps what it finds."""

    def __init__(self) -> None:
        self.findings: list[str] = []

    def __call__(self, page: Page, name: str) -> None:
        self.findings += screenshots.look(page, name)
        if PICTURES:
            _take(page, name)


def _take(page: Page, name: str) -> None:
    size = page.viewport_size
    assert size is not None
    for width in (1280, 375):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=Path(str(PICTURES)) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme=None)
    page.set_viewport_size(size)


def invite(page: Page, label: str, language: str = "") -> str:
    """Make an invitation; ends on its page, and returns its link."""
    page.goto("/connect")
    page.get_by_label("Name or email").fill(label)
    page.get_by_label("Language of their page").select_option(language)
    button(page, "Make the link").click()
    expect(heading(page, f"Invitation for {label}")).to_be_visible()
    return page.get_by_label("Link", exact=True).input_value()


def test_every_state_of_an_invitation(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {403, 410, 422}
    look = Looking()
    robin.goto("/connect")
    look(robin, "connect-first")
    link = invite(robin, "Jodi (bakery)", "nl")
    look(robin, "invitation-not-opened")
    phone, second = profiles.new_page(site.url, locale="nl-NL"), profiles.new_page(site.url, locale="nl-NL")
    phone.goto(link)
    expect(heading(phone, "Robin de Vries wil uw bunq-rekeningen kunnen inzien")).to_be_visible()
    look(phone, "holder-link")
    assert len(events(site.app, EventKind.INVITATION_OPENED)) == 1, "a browser shows it to a person"
    expect(robin.locator("#attempt").get_by_text("Opened")).to_be_visible()
    button(phone, "Verder naar bunq").click()
    expect(robin.locator("#attempt").get_by_text("At bunq")).to_be_visible()
    look(robin, "invitation-at-bunq")
    second.goto(link)
    expect(heading(second, "Deze link is al op een ander apparaat geopend")).to_be_visible()
    look(second, "holder-second-browser")
    button(phone, "Accept").click()
    expect(heading(phone, "U kunt deze pagina sluiten")).to_be_visible()
    look(phone, "holder-keep")
    expect(heading(robin, "Is this the right person?")).to_be_visible()
    look(robin, "invitation-approved")
    other = invite(robin, "Cas")
    second.goto(other)
    button(second, "Verder naar bunq").click()
    button(second, "Deny").click()
    expect(heading(second, "Niet goedgekeurd")).to_be_visible()
    look(second, "holder-declined")
    invite(robin, "Bo")
    button(robin, "Withdraw").click()
    expect(heading(robin, "Withdrawn")).to_be_visible()
    look(robin, "invitation-withdrawn")
    robin.goto("/connect")
    look(robin, "connect-list")
    robin.get_by_role("link", name="Check and answer: Jodi (bakery)").click()
    button(robin, "Yes, connect Jodi Walker").click()
    expect(heading(robin, "Connected: Jodi Walker")).to_be_visible()
    phone.reload()
    expect(phone.get_by_text("heeft bevestigd dat u het was")).to_be_visible()
    assert look.findings == [], "\n".join(look.findings)


def test_sharing_a_link_on_a_phone_that_has_a_way_to(profiles: Profiles, site: ThreadSite, robin: Page) -> None:
    link = invite(robin, "Jodi")
    expect(button(robin, "Share…")).to_be_hidden()
    robin.add_init_script("navigator.share = (what) => { document.title = what.url; return Promise.resolve(); }")
    robin.reload()
    button(robin, "Share…").click()
    expect(robin).to_have_title(link)


def test_changes_are_asked_about_in_the_members_own_browser(robin: Page) -> None:
    look = Looking()
    connect(robin, without=("Car",))
    robin.goto("/connections/1")
    button(robin, "Renew now").click()
    button(robin, "Continue to bunq").click()
    robin.get_by_label("You are").select_option(label="Jodi Walker (person)")
    button(robin, "Accept").click()
    expect(heading(robin, "Renew Jodi Walker with these changes?")).to_be_visible()
    expect(robin.get_by_role("row").filter(has_text="Car")).to_contain_text("New")
    expect(robin.get_by_text("New accounts are private")).to_be_visible()
    look(robin, "renewal-changes")
    button(robin, "Renew with these changes").click()
    expect(heading(robin, "Reconnected: Jodi Walker")).to_be_visible()
    assert look.findings == [], "\n".join(look.findings)
