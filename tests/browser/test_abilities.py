"""An owner switches on what may be written at bunq, in a real browser: with no limit, with one, and off again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from bunqflask.models import Ability
from bunqflask.services.instructions import abilities
from tests.browser import screenshots
from tests.browser.journeys import connect
from tests.support import rows
from tests.support.apps import ThreadSite

pytestmark = pytest.mark.sqlite_only


def test_drafts_are_switched_on_limited_and_switched_off(robin: Page, site: ThreadSite) -> None:
    connect(robin)
    robin.goto("/connections/1/abilities")
    findings = screenshots.look(robin, "abilities off")
    drafts = robin.get_by_role("form", name="Prepare draft payments")
    drafts.get_by_role("button", name="Switch on").click()
    expect(robin.get_by_text("Saved.")).to_be_visible()
    limit = drafts.get_by_label("Largest sum approved in one day, in euros")
    limit.fill("2500,00")
    drafts.get_by_role("button", name="Save limits").click()
    expect(limit).to_have_value("2500.00")
    findings += screenshots.look(robin, "abilities on")
    with rows.behind(site.app):
        assert abilities.of_connection(1) == {Ability.DRAFTS}
    drafts.get_by_role("button", name="Switch off").click()
    expect(drafts.get_by_role("button", name="Switch on")).to_be_visible()
    with rows.behind(site.app):
        assert abilities.of_connection(1) == frozenset()
    assert findings == []
