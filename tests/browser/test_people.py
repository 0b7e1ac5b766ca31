"""The team's pages in a browser: usable by everybody, and an invitation from the press to the first login."""

from datetime import timedelta

from playwright.sync_api import Page, expect

from bunqflask import clock
from bunqflask.models import TeamRole
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import invitations, members, resets, roles
from tests.browser import screenshots
from tests.browser.journeys import SAM, arrive, button, connect, heading, open_details
from tests.support import apps, rows
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles

LONG = "Kantoor voor administratie en belastingadvies Cijfer & Zonen"


def fill_team(site: ThreadSite) -> int:
    """Add an admin, a locked member and a guest; returns the id of the one who is locked."""
    guest_until = clock.now().date() + timedelta(days=60)
    with rows.behind(site.app):
        terms = roles.terms_of(TeamRole.GUEST, last_day=guest_until, may_export=True)
        members.add("boeken@kantoor-cijfer-en-zonen.example", LONG, apps.PASSWORD, terms)
        members.add("sanne@example.org", "Sanne Bakker", apps.PASSWORD, roles.terms_of(TeamRole.ADMIN))
        bo = members.add("board@zwaluw.example", "Bo Ardsma", apps.PASSWORD, roles.terms_of(TeamRole.MEMBER))
        roles.lock(OPERATOR, bo.id)
        invitations.invite(OPERATOR, LONG, roles.terms_of(TeamRole.GUEST, last_day=guest_until))
    return bo.id


def test_every_page_of_the_team_can_be_used_by_everybody(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    profiles.expected_statuses = {404, 422}
    findings: list[str] = []
    robin.goto("/team")
    findings += screenshots.look(robin, "team of one")
    sam = arrive(profiles, site, SAM)
    connect(sam)
    bo_id = fill_team(site)
    robin.reload()
    open_details(robin, "What the roles may do")
    robin.get_by_text("Guest", exact=True).last.click()
    findings += screenshots.look(robin, "team")
    sam.goto("/team")
    findings += screenshots.look(sam, "team of a member")
    robin.goto(f"/team/members/{bo_id}")
    findings += screenshots.look(robin, "a locked person")
    robin.goto("/team/members/1")
    findings += screenshots.look(robin, "the last owner")
    robin.goto("/team/members/2")
    robin.get_by_text("Guest", exact=True).click()
    robin.get_by_label("Last day").fill("2999-01-01")
    robin.locator("form").evaluate_all("forms => forms.forEach(form => { form.noValidate = true })")
    button(robin, "Change the role").click()
    expect(robin.get_by_role("alert")).to_contain_text("Nothing was changed.")
    findings += screenshots.look(robin, "a role refused")
    robin.goto("/team/members/2/remove")
    findings += screenshots.look(robin, "remove")
    with rows.behind(site.app):
        reset = resets.make(SAM[0]).url
    sam.goto(reset)
    findings += screenshots.look(sam, "new password")
    sam.goto("/welcome/nothing")
    findings += screenshots.look(sam, "link gone")
    assert findings == [], "\n".join(findings)


def test_an_invitation_from_the_press_to_the_first_login(robin: Page, profiles: Profiles, site: ThreadSite) -> None:
    robin.goto("/")
    robin.get_by_role("link", name="Team").click()
    expect(heading(robin, "Team")).to_be_visible()
    robin.get_by_label("Name or email").fill("Meral Demir")
    expect(robin.get_by_label("Last day")).to_be_hidden()
    robin.get_by_text("Guest", exact=True).last.click()
    robin.get_by_label("Last day").fill(str(clock.now().date() + timedelta(days=30)))
    button(robin, "Make the invitation").click()
    expect(heading(robin, "Invitation for Meral Demir")).to_be_visible()
    expect(robin.get_by_role("img", name="QR code of this invitation’s link")).to_be_visible()
    findings = screenshots.look(robin, "invited")
    button(robin, "Copy").click()
    expect(robin.get_by_role("status").filter(has_text="Copied")).to_have_count(1)

    meral = profiles.new_page(site.url)
    meral.goto(robin.get_by_role("textbox", name="Link").input_value())
    expect(heading(meral, "Robin de Vries invites you")).to_be_visible()
    findings += screenshots.look(meral, "welcome")
    meral.get_by_label("Email").fill("meral@example.org")
    meral.get_by_label("Name").fill("Meral Demir")
    meral.get_by_label("Password", exact=True).fill(apps.PASSWORD)
    button(meral, "Join the team").click()
    expect(meral.get_by_text("Welcome, Meral Demir. You can log in now.")).to_be_visible()
    meral.get_by_label("Email").fill("meral@example.org")
    meral.get_by_label("Password", exact=True).fill(apps.PASSWORD)
    button(meral, "Log in").click()
    expect(meral.get_by_text("No accounts yet. They appear here once somebody shares one with you.")).to_be_visible()
    robin.goto("/team")
    expect(robin.get_by_role("row").filter(has_text="Meral Demir")).to_contain_text("Guest until")
    assert findings == [], "\n".join(findings)
