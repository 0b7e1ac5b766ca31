"""Notices: on every page of one member until dismissed, and of what is alike one."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from bunqflask.database.transactions import transaction
from bunqflask.models import MemberNotice, NoticeKind
from bunqflask.services.team import members, notices
from tests.support import rows
from tests.support.apps import ThreadSite, sign_in

WORDS = "Sam Okafor connected Jodi Walker too."


def joined(site: ThreadSite, email: str, **more: Any) -> None:
    """Inform a member, as a consent of a second member does."""
    facts: dict[str, Any] = {"member": "Sam Okafor", "connection": "Jodi Walker"} | more
    with rows.behind(site.app):
        member_id = members.require(email).id
        with transaction():
            notices.add_within(member_id, NoticeKind.CONNECTION_JOINED, **facts)


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
    assert page.text.count(" too.") == notices.MOST_SHOWN
    assert "<script>alert" not in page.html
    assert "x" * 141 not in page.html
