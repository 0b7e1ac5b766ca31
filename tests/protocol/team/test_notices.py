"""Notices: on every page of one member until dismissed, and of what is alike one."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from bunqflask.database.transactions import transaction
from bunqflask.models import MemberNotice, NoticeKind
from bunqflask.services.notices import inbox
from bunqflask.services.team import members
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.browser import Browser
from tests.support.second_factor import set_up

WORDS = "Sam Okafor connected Jodi Walker too, with these accounts of yours: Car."


def joined(site: ThreadSite, email: str, **more: Any) -> None:
    """Inform a member, as a consent of a second member does."""
    facts: dict[str, Any] = {"member": "Sam Okafor", "connection": "Jodi Walker", "accounts": "Car"} | more
    with rows.behind(site.app):
        member_id = members.require(email).id
        with transaction():
            inbox.add_within(member_id, NoticeKind.CONNECTION_JOINED, **facts)


def test_a_notice_stays_on_every_page_until_its_member_dismisses_it(live_app: ThreadSite) -> None:
    robin, sam = sign_in(live_app, "robin@example.com"), sign_in(live_app, "sam@example.com")
    for _ in range(2):
        joined(live_app, "robin@example.com")
    for path in ("/", "/settings?a=b", "/payments", "/nowhere"):
        assert robin.get(path).text.count(WORDS) == 1, path
        assert WORDS not in sam.get(path).text
    assert WORDS not in robin.get("/payments", {"HX-Request": "true"}).text
    page = robin.get("/settings?a=b")
    fields = dict(page.form(action="/dismiss")[0].fields)
    theirs = dict(sam.get("/settings").form(action="/look")[0].fields)
    latest = int(urlsplit(page.form(action="/dismiss")[0].action).path.split("/")[2])
    sam.post(f"/notices/{latest}/dismiss", theirs, {"Origin": live_app.url})
    assert WORDS in robin.get("/").text, "nobody dismisses the notice of another member"
    robin.get("/settings?a=b")
    page = robin.submit(action="/dismiss")
    assert page.url == live_app.url + "/settings?a=b"
    assert WORDS not in page.text
    assert rows.count(live_app.app, MemberNotice, dismissed_at=None) == 0, "nor does the one before it that is alike"
    assert robin.post(f"/notices/{latest}/dismiss", fields, {"Origin": live_app.url}).status == 200
    assert robin.post("/notices/999/dismiss", fields, {"Origin": live_app.url}).status == 200


@pytest.mark.sqlite_only
def test_a_flood_of_notices_hides_no_page_and_names_are_escaped(live_app: ThreadSite) -> None:
    robin = sign_in(live_app, "robin@example.com")
    for number in range(30):
        joined(live_app, "robin@example.com", member=f"<script>alert({number})</script>" + "x" * 300)
    page = robin.get("/")
    assert page.text.count(" too, with") == inbox.MOST_SHOWN
    assert "<script>alert" not in page.html
    assert "x" * 141 not in page.html


NEW = "Somebody logged in as you in a new browser: Safari on iPhone, from 127.0.0.1."
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"


def log_in(browser: Browser) -> None:
    browser.get("/login")
    browser.submit(action="/login", email="robin@example.com", password=PASSWORD)


def is_in(browser: Browser) -> bool:
    return urlsplit(browser.get("/").url).path == "/"


def test_a_login_in_a_new_browser_is_told_in_the_others_and_at_the_next_login(live_app: ThreadSite) -> None:
    robin, phone = sign_in(live_app, "robin@example.com"), live_app.browser(IPHONE)
    assert "new browser" not in robin.get("/").text, "the first one is no news to anybody"
    log_in(phone)
    assert "new browser" not in phone.get("/payments").text, "where it was"
    assert NEW in robin.get("/payments").text
    robin.submit(button="Log out")
    log_in(robin)
    assert NEW in robin.get("/").text
    phone.get("/")
    phone.submit(button="Log out")
    log_in(phone)
    page = robin.get("/settings")
    assert page.text.count(NEW) == 1, "a browser that is known by now"
    fields = dict(page.form(action="/dismiss")[0].fields)
    notice_id = urlsplit(page.form(action="/dismiss")[0].action).path.split("/")[2]
    page = phone.get("/settings")
    theirs = dict(page.form(action="/look")[0].fields)
    phone.post(f"/notices/{notice_id}/dismiss", theirs, {"Origin": live_app.url})
    assert NEW in robin.get("/").text, "the new browser cannot hide itself"
    robin.post(f"/notices/{notice_id}/dismiss", fields, {"Origin": live_app.url})
    assert NEW not in robin.get("/").text
    assert is_in(phone), "That was me"


def test_not_me_ends_every_other_login_and_leads_to_a_new_password(live_app: ThreadSite) -> None:
    robin, thief = sign_in(live_app, "robin@example.com"), live_app.browser(IPHONE)
    sam = sign_in(live_app, "sam@example.com")
    log_in(thief)
    robin.get("/payments")
    page = robin.submit(button="Not me")
    assert urlsplit(page.url).path == "/settings"
    assert "logged out everywhere else. Choose a new password now" in page.text
    assert NEW not in page.text
    assert not is_in(thief)
    assert is_in(sam)
    page = robin.submit(action="/settings/password", current=PASSWORD, new="another long password")
    assert page.status == 200
    log_in(thief)
    assert not is_in(thief)
    assert is_in(robin)


@pytest.mark.sqlite_only
def test_a_changed_password_and_a_changed_factor_are_told_elsewhere(live_app: ThreadSite) -> None:
    robin, phone = sign_in(live_app, "robin@example.com"), live_app.browser(IPHONE)
    log_in(phone)
    set_up(phone, live_app.app)
    assert "A second factor was added: Pixel." in robin.get("/").text
    assert "A second factor was added" not in phone.get("/").text
    phone.get("/settings")
    phone.submit(action="/settings/password", current=PASSWORD, new="another long password")
    assert not is_in(robin)
    robin.get("/login")
    robin.submit(action="/login", email="robin@example.com", password="another long password")
    assert urlsplit(robin.page.url).path == "/login/factor"
    phone.get("/settings/factors")
    phone.submit(action="/remove")
    log_out_and_in = live_app.browser()
    log_out_and_in.get("/login")
    log_out_and_in.submit(action="/login", email="robin@example.com", password="another long password")
    text = log_out_and_in.get("/payments").text
    assert "Your password was changed: Safari on iPhone, from 127.0.0.1." in text
    assert "A second factor was removed: Pixel." in text
    assert "Your password was changed" not in phone.get("/").text
