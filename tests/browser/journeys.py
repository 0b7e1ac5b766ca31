"""What a person does in front of the pages: finds things by what they say, presses, ticks, types."""

import hashlib
import secrets
from datetime import UTC, datetime
from functools import cache
from typing import Any

from playwright.sync_api import Locator, Page, expect

from bunqflask.extensions import db
from bunqflask.models import Login, TeamMember, TeamRole
from bunqflask.services.team import passwords
from tests.support import apps
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles

ROBIN = ("robin@example.org", "Robin de Vries")
SAM = ("sam@example.org", "Sam Okafor")
PHONE: dict[str, Any] = {
    "viewport": {"width": 375, "height": 812},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}

LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def arrive(
    profiles: Profiles, site: ThreadSite, who: tuple[str, str] = ROBIN, *, on: Page | None = None, **options: Any
) -> Page:
    """Return a browser, a new one unless given, in which this team member has logged in a moment ago.

    Done behind the pages: comparing passwords is made to be slow, and the tests of login do it for all.
    """
    page = on or profiles.new_page(site.url, **options)
    token = secrets.token_urlsafe(32)
    with site.app.app_context():
        member = db.session.query(TeamMember).filter_by(email=who[0]).one_or_none() or _new_member(*who)
        db.session.add(
            Login(
                token_hash=hashlib.sha256(token.encode()).hexdigest(),
                member_id=member.id,
                address="127.0.0.1",
                user_agent=page.evaluate("navigator.userAgent"),
                created_at=datetime.now(UTC),
                last_seen_at=datetime.now(UTC),
                confirmed_at=datetime.now(UTC),
            )
        )
        db.session.commit()
        db.session.remove()
    name: str = site.app.config["LOGIN_COOKIE_NAME"]
    page.context.add_cookies([{"name": name, "value": token, "url": site.url, "httpOnly": True, "sameSite": "Lax"}])
    page.goto("/")
    return page


@cache
def _password_hash() -> str:
    return passwords.hash_new(apps.PASSWORD, email="", name="")


def _new_member(email: str, name: str) -> TeamMember:
    role = TeamRole.MEMBER if db.session.scalar(db.select(TeamMember.id).limit(1)) else TeamRole.OWNER
    member = TeamMember(email=email, name=name, password_hash=_password_hash(), created_at=datetime.now(UTC), role=role)
    db.session.add(member)
    db.session.flush()
    return member


def log_in_again(page: Page) -> None:
    """Be asked for the login, and give it."""
    expect(heading(page, "Log in")).to_be_visible()
    page.get_by_label("Email").fill(ROBIN[0])
    page.get_by_label("Password").fill(apps.PASSWORD)
    button(page, "Log in").click()


def heading(page: Page, words: str) -> Locator:
    """Find a page's title."""
    return page.get_by_role("heading", level=1, name=words)


def button(page: Page | Locator, words: str) -> Locator:
    """Find a button by all of what it says."""
    return page.get_by_role("button", name=words, exact=True)


def ask(page: Page) -> None:
    """Start an attempt: ends on the page that waits."""
    page.goto("/")
    page.get_by_role("link", name="Connect bunq").click()
    button(page, "Connect your accounts").click()
    expect(heading(page, "Connect bunq")).to_be_visible()


def go_to_bunq(page: Page) -> None:
    """Press on from the page that waits, to bunq's page in the same browser."""
    button(page, "Continue to bunq").click()
    expect(heading(page, "You are at the simulated bank")).to_be_visible()


def accept(page: Page, *, person: str = "Jodi Walker (person)", without: tuple[str, ...] = ()) -> None:
    """Be the holder at bunq's page: say who, take ticks away, accept."""
    page.get_by_label("You are").select_option(label=person)
    for name in without:
        page.get_by_role("checkbox", name=name, checked=True).first.uncheck()
    button(page, "Accept").click()


def connect(page: Page, *, person: str = "Jodi Walker (person)", without: tuple[str, ...] = ()) -> None:
    """Walk the whole path in one browser: ends with the accounts on screen."""
    ask(page)
    go_to_bunq(page)
    accept(page, person=person, without=without)
    expect(heading(page, f"Connected: {person.partition(' (')[0]}")).to_be_visible()


def renew(page: Page, *, person: str = "Jodi Walker (person)", without: tuple[str, ...] = ()) -> None:
    "Renew the first connection, from its page: ends where bunq sends the browser back to."
    page.goto("/connections/1")
    button(page, "Renew now").click()
    go_to_bunq(page)
    accept(page, person=person, without=without)


def open_settings(page: Page, words: str = "Sharing and settings") -> None:
    """Follow a card's link to what its members can do with the connection."""
    page.get_by_role("link", name=words).first.click()
    expect(page.get_by_role("heading", name=words)).to_be_visible()


def open_details(page: Page, words: str) -> None:
    """Unfold a part of the page."""
    page.locator("summary").filter(has_text=words).first.click()


def change(site: ThreadSite, kind: type[Any], **values: Any) -> None:
    """Change every row of a kind behind the pages' back: for what would take a person hours to wait for."""
    with site.app.app_context():
        db.session.execute(db.update(kind).values(**values))
        db.session.commit()
        db.session.remove()


def count(site: ThreadSite, kind: type[Any], **values: Any) -> int:
    """Count the rows of a kind with these values."""
    with site.app.app_context():
        number: int = db.session.query(kind).filter_by(**values).count()
        db.session.remove()
    return number
