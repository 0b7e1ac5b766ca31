"""Passkeys in Chromium, whose virtual authenticator stands for a phone or a security key."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from bunqflask.models import Factor, Login, PasskeyChallenge
from tests.browser.journeys import LONG_AGO, ROBIN, arrive, button, change, count, heading
from tests.support import apps
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Device:
    """A device with an authenticator, at which a page is open."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        self._id = self._send("addVirtualAuthenticator", options=AUTHENTICATOR)["authenticatorId"]

    def verify(self, is_verified: bool) -> None:
        """Let the person unlock it from here on, or not."""
        self._send("setUserVerified", authenticatorId=self._id, isUserVerified=is_verified)

    def count_back(self) -> None:
        """Set the counter of the passkey back, as in a copy of the key."""
        [credential] = self._send("getCredentials", authenticatorId=self._id)["credentials"]
        self._send("removeCredential", authenticatorId=self._id, credentialId=credential["credentialId"])
        self._send("addCredential", authenticatorId=self._id, credential={**credential, "signCount": 0})

    def _send(self, command: str, **values: Any) -> dict[str, Any]:
        return dict(self._session.send(f"WebAuthn.{command}", values))


@pytest.fixture
def device(robin: Page) -> Device:
    """Robin's device, with a passkey made in Settings."""
    device = Device(robin)
    robin.goto("/settings/factors")
    robin.get_by_role("link", name="Add a passkey").click()
    robin.get_by_label("Name of the device (optional)").fill("Laptop")
    button(robin, "Create passkey").click()
    expect(heading(robin, "Recovery codes")).to_be_visible()
    expect(robin.get_by_text("Passkey added.")).to_be_visible()
    expect(robin.locator("#recovery-codes li")).to_have_count(10)
    robin.get_by_role("link", name="I’ve saved them").click()
    expect(robin.get_by_text("Laptop", exact=True)).to_be_visible()
    return device


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Menu: theme, amounts, settings, log out").click()
    button(page, "Log out").click()
    expect(heading(page, "Log in")).to_be_visible()


def test_a_passkey_is_a_login_without_email_or_password(robin: Page, site: ThreadSite, device: Device) -> None:
    log_out(robin)
    robin.goto("/settings")
    button(robin, "Log in with a passkey").click()
    expect(heading(robin, "Settings")).to_be_visible()
    assert count(site, PasskeyChallenge) == 0, "each is used up"
    assert count(site, Login) == 1


def test_a_passkey_completes_a_login_by_password(robin: Page, device: Device) -> None:
    log_out(robin)
    robin.get_by_label("Email").fill(ROBIN[0])
    robin.get_by_label("Password").fill(apps.PASSWORD)
    button(robin, "Log in").click()
    expect(heading(robin, "Enter your code")).to_be_visible()
    button(robin, "Log in with a passkey").click()
    expect(heading(robin, "Accounts")).to_be_visible()
    expect(robin.get_by_text("Somebody entered your password")).to_have_count(0)


def test_a_passkey_proves_who_is_there(robin: Page, site: ThreadSite, device: Device) -> None:
    change(site, Login, confirmed_at=LONG_AGO)
    robin.goto("/settings/factors")
    button(robin, "Make new codes").click()
    expect(heading(robin, "Confirm that it’s you")).to_be_visible()
    button(robin, "Use a passkey instead").click()
    expect(heading(robin, "Recovery codes")).to_be_visible()


def test_a_device_that_nobody_unlocked_is_refused(robin: Page, site: ThreadSite, device: Device) -> None:
    device.verify(False)
    log_out(robin)
    button(robin, "Log in with a passkey").click()
    expect(robin.get_by_text("That didn’t work. Try again, or choose another way.")).to_be_visible()
    assert count(site, Login) == 0
    device.verify(True)
    button(robin, "Log in with a passkey").click()
    expect(heading(robin, "Accounts")).to_be_visible()


def test_a_copy_of_the_key_is_refused(robin: Page, site: ThreadSite, profiles: Profiles, device: Device) -> None:
    log_out(robin)
    button(robin, "Log in with a passkey").click()
    expect(heading(robin, "Accounts")).to_be_visible()
    log_out(robin)
    device.count_back()
    profiles.expected_statuses.add(403)
    button(robin, "Log in with a passkey").click()
    expect(robin.get_by_text("That passkey doesn’t work here.")).to_be_visible()
    assert count(site, Login) == 0


def test_an_answer_counts_once_and_for_what_it_was_asked(
    robin: Page, site: ThreadSite, profiles: Profiles, device: Device
) -> None:
    log_out(robin)
    sent: list[str] = []
    robin.on("request", lambda request: sent.append(request.post_data or "") if "passkey" in request.url else None)
    button(robin, "Log in with a passkey").click()
    expect(heading(robin, "Accounts")).to_be_visible()
    answer = next(each for each in sent if "clientDataJSON" in each)
    thief = profiles.new_page(site.url)
    thief.goto("/login")
    profiles.expected_statuses.add(403)
    thief.evaluate(
        """([answer]) => {
            const form = document.querySelector("[action='/login/passkey']");
            form.passkey.value = new URLSearchParams(answer).get("passkey");
            form.submit();
        }""",
        [answer],
    )
    expect(thief.get_by_text("That passkey doesn’t work here.")).to_be_visible()
    assert count(site, Login) == 1


def test_a_removed_passkey_logs_nobody_in(robin: Page, site: ThreadSite, profiles: Profiles, device: Device) -> None:
    button(robin, "Remove: Laptop").click()
    expect(robin.get_by_text("Second factor removed.")).to_be_visible()
    assert count(site, Factor) == 0
    log_out(robin)
    profiles.expected_statuses.add(403)
    button(robin, "Log in with a passkey").click()
    expect(robin.get_by_text("That passkey doesn’t work here.")).to_be_visible()


def test_without_a_device_the_page_says_so_and_the_password_works(profiles: Profiles, site: ThreadSite) -> None:
    page = arrive(profiles, site)
    log_out(page)
    Device(page)
    button(page, "Log in with a passkey").click()
    expect(page.get_by_text("That didn’t work. Try again, or choose another way.")).to_be_visible()
    button(page, "Show password").click()
    page.get_by_label("Email").fill(ROBIN[0])
    page.get_by_label("Password").fill(apps.PASSWORD)
    expect(page.get_by_label("Password")).to_have_attribute("type", "text")
    button(page, "Log in").click()
    expect(heading(page, "Accounts")).to_be_visible()
