"""What cannot be undone asks once more who is there, and then goes on with what was asked."""

from datetime import timedelta

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AccountShare, Connection, ConnectionState, Factor, Login
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.beginnings import Begin
from tests.support.browser import Browser
from tests.support.consents import connect, share

ASKED = "Confirm that it’s you"


def confirmed(site: ThreadSite, ago: timedelta) -> None:
    """Move the last proof of every login into the past."""
    with rows.behind(site.app):
        db.session.execute(db.update(Login).values(confirmed_at=clock.now() - ago))
        db.session.commit()


@pytest.fixture
def robin(site: ThreadSite, begin: Begin) -> Browser:
    """Robin, who connected Jodi and was away for eleven minutes."""
    return begin(_away)


def _away(site: ThreadSite, bank: Bank) -> Browser:
    browser = sign_in(site, "robin@example.com")
    connect(browser, bank)
    rows.run_duties(site.app)
    confirmed(site, timedelta(minutes=11))
    return browser


def test_an_erasure_asks_for_the_password_and_keeps_what_was_chosen(site: ThreadSite, robin: Browser) -> None:
    robin.get("/connections/1/disconnect")
    page = robin.submit(button="Disconnect", data="erase")
    assert ASKED in page.text
    assert rows.connection(site.app).state == ConnectionState.ACTIVE
    page = robin.submit(button="Confirm", confirm_password="not it")
    assert (page.status, "That’s not your password." in page.text) == (403, True)
    assert rows.connection(site.app).state == ConnectionState.ACTIVE
    page = robin.submit(button="Confirm", confirm_password=PASSWORD)
    assert "Jodi Walker is disconnected." in page.text
    assert rows.count(site.app, Connection) == 0, "erased, as was chosen before"
    robin.get("/settings/factors")
    robin.submit(button="Add an authenticator app")
    assert ASKED not in robin.page.text, "for ten minutes nothing asks again"


@pytest.mark.sqlite_only
@pytest.mark.parametrize("minutes", [9, 11])
def test_ten_minutes_are_recent(site: ThreadSite, robin: Browser, minutes: int) -> None:
    confirmed(site, timedelta(minutes=minutes))
    page = share(robin)
    assert (ASKED in page.text) is (minutes > 10)
    confirmed(site, -timedelta(hours=3))
    robin.get("/settings/factors")
    assert ASKED in robin.submit(button="Add an authenticator app").text, "a clock that was wrong proves nothing"


@pytest.mark.sqlite_only
def test_every_act_that_needs_it_asks(site: ThreadSite, robin: Browser) -> None:
    fields = dict(robin.get("/settings").form(action="/settings/look")[0].fields)
    with rows.behind(site.app):
        login_id = db.session.scalar(db.select(Login.id))
    asking = (
        "/connections/1/sharing",
        "/connections/1/disconnect",
        f"/settings/logins/{login_id}/end",
        "/settings/browsers/1/forget",
        "/settings/factors/totp",
        "/settings/factors/codes",
        "/settings/factors/1/remove",
    )
    for path in asking:
        page = robin.post(path, fields, {"Origin": site.url})
        assert (page.status, ASKED in page.text) == (200, True), path
        assert robin.post(path, fields, {"Origin": site.url, "HX-Request": "true"}).status == 403, path
        wrong = {**fields, "confirm_password": "x" * 300}
        assert robin.post(path, wrong, {"Origin": site.url}).status in (403, 429), path
    assert rows.count(site.app, Login) == 1
    assert rows.count(site.app, Factor) == 0


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("accounts", "first_day", "asks"),
    [(1, "2026-01-01", False), (1, "2025-11-28", False), (1, "2025-11-27", True), (2, "2026-11-01", True)],
)
def test_an_export_asks_for_more_than_one_account_or_one_year(
    site: ThreadSite, robin: Browser, accounts: int, first_day: str, asks: bool
) -> None:
    page = robin.get("/payments/export")
    offered = [value for name, value in page.form(action="/export")[0].fields if name == "account"]
    dates = {"from": first_day, "to": "2026-11-28"}
    page = robin.submit(action="/export", account=offered[:accounts], format="csv", **dates)
    assert (ASKED in page.text) is asks
    if asks:
        page = robin.submit(button="Confirm", confirm_password=PASSWORD)
        assert ASKED not in page.text
    assert page.headers["Content-Disposition"].startswith("attachment"), page.text


@pytest.mark.sqlite_only
def test_a_borrowed_browser_gets_ten_tries(site: ThreadSite, robin: Browser) -> None:
    share(robin)
    statuses = [robin.submit(button="Confirm", confirm_password="x" * 201).status for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    assert robin.submit(button="Confirm", confirm_password=PASSWORD).status == 429
    assert rows.count(site.app, AccountShare) == 0


@pytest.mark.sqlite_only
def test_names_and_values_of_any_form_are_kept_as_text(site: ThreadSite, robin: Browser) -> None:
    fields = dict(robin.get("/settings").form(action="/settings/look")[0].fields)
    odd = {**fields, '"><script>alert(1)</script>': "</form>\u202e\x00", "a": "é" * 1000}
    page = robin.post("/connections/1/sharing?next=//evil.example", odd, {"Origin": site.url})
    assert ASKED in page.text
    assert "<script>alert" not in page.html
    assert page.form(button="Confirm")[0].action.startswith(site.url + "/connections/1/sharing")
