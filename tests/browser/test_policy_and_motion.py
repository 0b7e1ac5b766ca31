"""What no page does: step outside its security policy, or move for those who want stillness."""

from playwright.sync_api import Page

from tests.browser.journeys import ask
from tests.support.chromium import Profiles

SCRIPT = "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
STYLE = "document.body.setAttribute('style', 'color: red')"


def test_a_breach_of_the_security_policy_is_stopped_and_would_fail_a_test(page: Page, profiles: Profiles) -> None:
    page.goto("/login")
    for breach in (SCRIPT, STYLE):
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.evaluate(breach)
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
    assert len(profiles.complaints) == 2
    profiles.complaints.clear()


def test_nothing_moves_for_those_who_want_stillness(robin: Page) -> None:
    robin.emulate_media(reduced_motion="no-preference")
    ask(robin)
    assert robin.evaluate("document.getAnimations().length") > 0
    robin.emulate_media(reduced_motion="reduce")
    # What was on its way when the wish came may arrive first.
    robin.wait_for_function("() => document.getAnimations().length === 0")
