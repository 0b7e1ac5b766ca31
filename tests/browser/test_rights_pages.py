"""Every page about people, rights and logins in one run, as those who meet it: usable by everybody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Login, PendingLogin, TeamMember
from tests.browser import screenshots
from tests.browser.journeys import button
from tests.support import rows
from tests.support import team_of_rights as team
from tests.support.apps import ThreadSite, bare_environ, let_go, reserve_port, served
from tests.support.chromium import Profiles
from tests.support.databases import Databases

# Where pictures of all pages are left for a person to look at, if anywhere.
FOLDER = os.environ.get("PICTURES_OF_PAGES", "")

AS_NOBODY = {
    "login": "/login",
    "idle": "/login?reason=idle",
    "invitation": f"/welcome/{team.INVITATION_TOKEN}",
    "link that is gone": "/welcome/none",
    "new password": f"/password/{team.RESET_TOKEN}",
}
AS_OWNER = {
    "team": "/team",
    "person": "/team/members/{kim}",
    "remove": "/team/members/{kim}/remove",
    "remove who holds alone": "/team/members/{robin}/remove",
    "sharing": f"/connections/{team.OWN}/sharing",
    "receipt": f"/connections/{team.OWN}/stored",
    "audit": "/audit",
    "audit filtered": "/audit?what=exported&days=30",
    "settings": "/settings",
    "factors": "/settings/factors",
    "passkey": "/settings/factors/passkey",
}
AS_GUEST = {"accounts": "/", "team": "/team", "not permitted": "/team/members/1", "audit": "/audit"}


@pytest.fixture
def rights_site(databases: Databases) -> Iterator[ThreadSite]:
    """The app over the team in which everybody has another right, on a thread."""
    url = databases.copy(team.fill)
    with reserve_port() as listener:
        home = f"http://localhost:{listener.getsockname()[1]}"
        environ = bare_environ(url) | {"BUNQ_ENVIRONMENT": "local", "PUBLIC_URL": home}
        app = create_app(Config.from_env(environ))
        with served(app, listener, environ) as site:
            yield site
        let_go(app)


@pytest.fixture
def enter(rights_site: ThreadSite, profiles: Profiles) -> Callable[[str], Page]:
    """How to get the page of somebody, or of nobody, by the token in their cookie."""

    def page_of(token: str) -> Page:
        page = profiles.new_page(rights_site.url)
        if token:
            name = rights_site.app.config["LOGIN_COOKIE_NAME"]
            page.context.add_cookies([{"name": name, "value": token, "url": rights_site.url}])
        return page

    return page_of


def visit(page: Page, name: str) -> list[str]:
    """Look at the page as it stands, and leave pictures of it where that is asked for."""
    findings = screenshots.look(page, name)
    if FOLDER:
        for width in screenshots.WIDTHS:
            page.set_viewport_size({"width": width, "height": screenshots.HEIGHT})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.screenshot(path=Path(FOLDER) / f"{name} {width} {scheme}.png", full_page=True)
    return findings


def test_pages_before_the_login(enter: Callable[[str], Page], rights_site: ThreadSite, profiles: Profiles) -> None:
    profiles.expected_statuses = {403, 404, 422}
    nobody, findings = enter(""), list[str]()
    for name, path in AS_NOBODY.items():
        nobody.goto(path)
        findings += visit(nobody, name)
    nobody.goto("/login")
    nobody.get_by_label("Email").fill("robin@example.org")
    nobody.get_by_label("Password").fill("not this one")
    nobody.get_by_role("button", name="Log in", exact=True).click()
    findings += visit(nobody, "wrong password")
    with rows.behind(rights_site.app):
        # It may have been made long ago in this run.
        db.session.execute(db.update(PendingLogin).values(created_at=clock.now()))
        db.session.commit()
    half = enter(team.PENDING_TOKEN)
    half.goto("/login/factor")
    findings += visit(half, "second factor")
    half.get_by_label("code").first.fill("000000")
    half.get_by_role("button", name="Log in", exact=True).click()
    findings += visit(half, "wrong code")
    assert findings == []


def test_pages_of_an_owner(enter: Callable[[str], Page], rights_site: ThreadSite) -> None:
    robin, findings = enter(team.token_of("robin")), list[str]()
    with rows.behind(rights_site.app):
        ids = {each.name.lower(): each.id for each in db.session.scalars(db.select(TeamMember))}
    for name, path in AS_OWNER.items():
        person = enter(team.token_of("olga")) if "robin" in path else robin
        person.goto(path.format(**ids))
        findings += visit(person, f"owner {name}")
    robin.goto("/settings/factors")
    button(robin, "Add an authenticator app").click()
    findings += visit(robin, "authenticator app")
    robin.goto("/settings/factors")
    button(robin, "Make new codes").click()
    findings += visit(robin, "recovery codes")
    robin.goto("/team")
    robin.get_by_label("Name or email").fill("Meral Demir")
    robin.locator("label", has_text="Guest").click()
    findings += visit(robin, "owner invites a guest")
    robin.locator("label", has_text="Member").click()
    button(robin, "Make the invitation").click()
    findings += visit(robin, "invited")
    with rows.behind(rights_site.app):
        db.session.execute(db.update(Login).values(confirmed_at=None))
        db.session.commit()
    robin.goto("/settings/factors")
    button(robin, "Add an authenticator app").click()
    findings += visit(robin, "confirm")
    assert findings == []


def test_pages_of_a_guest(enter: Callable[[str], Page], profiles: Profiles) -> None:
    profiles.expected_statuses = {403}
    guest, findings = enter(team.token_of("gus")), list[str]()
    for name, path in AS_GUEST.items():
        guest.goto(path)
        findings += visit(guest, f"guest {name}")
    assert findings == []


def test_a_choice_that_is_pressed_keeps_its_size(enter: Callable[[str], Page]) -> None:
    robin = enter(team.token_of("robin"))
    robin.goto("/team")
    choice = robin.locator("label", has_text="Guest")
    choice.scroll_into_view_if_needed()
    before = choice.bounding_box()
    choice.click()
    expect(choice.get_by_role("radio")).to_be_focused()
    after = choice.bounding_box()
    assert before is not None
    assert after is not None
    assert (after["width"], after["height"]) == (before["width"], before["height"])
    shown = choice.get_by_role("radio").bounding_box()
    assert shown is not None
    assert (shown["width"], shown["height"]) == (1, 1), "its label shows what is chosen"
