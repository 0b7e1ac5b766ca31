"""A member's own settings: looks, logins, password."""

import pytest

from bunqflask.models import Login
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.consents import connect

pytestmark = pytest.mark.sqlite_only

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"


def test_hidden_amounts_are_left_out_and_not_only_covered(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank, person=1864512)
    robin.get("/settings")
    page = robin.submit(action="/settings/look", theme="dark", hide_amounts="1")
    assert 'data-theme="dark"' in page.html
    for path in ("/", "/connections/1/accounts", "/connections/1/disconnect", "/connect/" + attempt_id(site)):
        for headers in ({}, {"HX-Request": "true"}):
            page = robin.get(path, headers)
            assert page.status == 200
            for amount in ("12,480", "12480", "6,250", "6250", "10,000", "22,100", "3,412", "1,800", "€1"):
                assert amount not in page.html, (amount, path)
            assert "<progress" not in page.html, "how far a goal is reached would tell the amount"
    assert "€•••" in robin.get("/").html
    assert "amount hidden" in robin.page.text
    robin.get("/settings")
    robin.submit(action="/settings/look", theme="light", hide_amounts=[])
    assert "€12,480.37" in robin.get("/").text
    assert 'data-theme="light"' in robin.page.html


def attempt_id(site: ThreadSite) -> str:
    return rows.attempts(site.app)[0].id


def test_looks_take_no_other_value_and_lead_nowhere_else(site: ThreadSite) -> None:
    robin = sign_in(site, "robin@example.com")
    robin.get("/settings")
    page = robin.submit(action="/settings/look", theme='"><script>', next="//evil.example")
    assert page.url == site.url + "/"
    assert 'data-theme="system"' in page.html
    for value in ('"><script>alert(1)</script>', "dark x=y", "x" * 3000):
        robin.session.cookies.set("bunqflask_theme", value, domain="localhost.local", path="/")
        robin.session.cookies.set("bunqflask_hide_amounts", value, domain="localhost.local", path="/")
        page = robin.get("/settings")
        assert 'data-theme="system"' in page.html
        assert "alert(1)" not in page.html


def test_a_member_sees_where_they_are_logged_in_and_ends_what_they_do_not_know(site: ThreadSite) -> None:
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    phone = site.browser(IPHONE)
    phone.get("/login")
    phone.submit(action="/login", email="robin@example.com", password=PASSWORD)
    strange = site.browser("<script>alert(1)</script>\u00e9" + "x" * 2000)
    strange.get("/login")
    strange.submit(action="/login", email="robin@example.com", password=PASSWORD)
    page = robin.get("/settings")
    assert "Safari on iPhone" in page.text
    assert "Unknown browser" in page.text
    assert "127.0.0.1" in page.text
    assert "alert(1)" not in page.html
    assert sum(form.action.endswith("/end") for form in page.forms) == 2
    assert page.text.count("This browser") == 1
    with rows.behind(site.app):
        sams = next(each.id for each in rows.logins() if each.member_id == 2)
    form = next(form for form in page.forms if form.action.endswith("/end"))
    fields = dict(form.fields)
    robin.post(f"/settings/logins/{sams}/end", fields, {"Origin": site.url})
    assert sam.get("/").url == site.url + "/", "nobody ends another member's login"
    for _ in range(2):
        robin.get("/settings")
        robin.submit(action="/end")
    assert not any(form.action.endswith("/end") for form in robin.get("/settings").forms)
    assert phone.get("/").url != site.url + "/"
    assert rows.count(site.app, Login) == 2


def test_a_password_that_will_not_do_is_told_at_its_field(site: ThreadSite) -> None:
    robin = sign_in(site, "robin@example.com")
    robin.get("/settings")
    for current, new, words in (
        ("not it", "long enough to take", "That’s not your current password."),
        (PASSWORD, "short", "A password needs 12 to 200 characters."),
        (PASSWORD, "x" * 201, "A password needs 12 to 200 characters."),
        ("", "", "That’s not your current password."),
        (PASSWORD, PASSWORD, "That is your current password."),
        (PASSWORD, "1Q2W3E4R5T6Y", "one of the first that somebody would try"),
        (PASSWORD, "robin@example.com", "more than your email, your name or the name of this site"),
    ):
        page = robin.submit(action="/settings/password", current=current, new=new)
        assert page.status == 422
        assert words in page.text
        assert 'aria-invalid="true"' in page.html
        assert PASSWORD not in page.html
    long_word = "ünïcode pässphrase 漢字 with blanks "
    assert robin.submit(action="/settings/password", current=PASSWORD, new=long_word).status == 200
    assert sign_in(site, "robin@example.com", long_word).get("/").status == 200
