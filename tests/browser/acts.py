"""What a person does in front of the pages: finds things by what they say, presses, ticks, types."""

from datetime import datetime
from typing import Any

from playwright.sync_api import Locator, Page, expect

from bunqflask.extensions import db
from bunqflask.services import team
from tests.support import apps
from tests.support.apps import ThreadSite
from tests.support.chromium import Profiles, log_in

ROBIN = ("robin@example.org", "Robin de Vries")
SAM = ("sam@example.org", "Sam Okafor")
PHONE: dict[str, Any] = {
    "viewport": {"width": 375, "height": 812},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}

LONG_AGO = datetime.fromisoformat("2026-01-02T03:04:05+00:00")


def arrive(
    profiles: Profiles, site: ThreadSite, who: tuple[str, str] = ROBIN, *, on: Page | None = None, **options: Any
) -> Page:
    """Return a browser, a new one unless given, in which this team member is logged in."""
    page = on or profiles.new_page(site.url, **options)
    email, name = who
    with site.app.app_context():
        known = team.find(email) is not None
        db.session.remove()
    if not known:
        apps.add_member(site.app, email, name)
    log_in(page, email, apps.PASSWORD)
    return page


def heading(page: Page, words: str) -> Locator:
    """Find a page's title."""
    return page.get_by_role("heading", level=1, name=words)


def button(page: Page | Locator, words: str) -> Locator:
    """Find a button by all of what it says."""
    return page.get_by_role("button", name=words, exact=True)


def ask(page: Page) -> None:
    """Start an attempt: ends on the page that waits."""
    page.goto("/")
    button(page, "Connect bunq").click()
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
    """Connect the first connection again, from its page: ends where bunq sends the browser back to."""
    page.goto("/connections/1/accounts")
    open_details(page, "Sharing and connection")
    button(page, "Connect again").click()
    go_to_bunq(page)
    accept(page, person=person, without=without)


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
