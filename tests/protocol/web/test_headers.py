"""What every answer carries, and the two addresses for whatever watches the server."""

from pathlib import Path

import pytest
import requests

from tests.support import rows
from tests.support.apps import ThreadSite, let_go, sign_in
from tests.support.bank import Bank
from tests.support.consents import connect, start
from tests.support.databases import Databases

BUNQ = "https://oauth.bunq.example"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'; "
    "report-to csp"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
SVG = "//www.w3.org/2000/svg"


@pytest.mark.sqlite_only
def test_every_answer_is_held_to_the_strict_policy(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    attempt = start(robin)
    robin.get("/")
    answers = [
        robin.get("/"),
        robin.get("/settings"),
        robin.get(attempt.url),
        robin.get(attempt.url + "/status?seen=x"),
        robin.get(f"/connections/{rows.connection(site.app).id}/accounts", {"HX-Request": "true"}),
        robin.get("/nowhere"),
        robin.get("/connect/" + "0" * 32),
        robin.get("/oauth/callback"),
        robin.get("/logout"),
        robin.post("/settings/look", {}),
        robin.post("/settings/look", {}, {"Origin": "https://evil.example"}),
        robin.post("/settings/look", {"x": "y" * 2_000_000}),
        site.browser().get("/c/unknown"),
        site.browser().get("/"),
    ]
    assert [each.status for each in answers] == [200, 200, 200, 200, 200, 404, 404, 400, 405, 400, 403, 413, 410, 200]
    for page in answers:
        assert page.headers["Content-Security-Policy"] == POLICY.format(bank.origin), page.url
        assert page.headers["Cache-Control"] == "no-store", page.url
        assert page.headers["Reporting-Endpoints"] == f'csp="{site.url}/reports"'
        assert {name: page.headers.get(name) for name in ALWAYS} == ALWAYS, page.url
        assert "geolocation=()" in page.headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in page.headers
        for forbidden in ("<style", "<script>", " style=", "onclick=", "onload=", "javascript:", "hx-on"):
            assert forbidden not in page.html, (forbidden, page.url)
        elsewhere = page.html.replace(SVG, "").replace(site.url, "").replace(bank.origin, "")
        assert "https://" not in elsewhere, "nothing is loaded from elsewhere"
    assert answers[0].headers.get("Vary")
    assert "HX-Request" in robin.get(f"/connections/{rows.connection(site.app).id}/accounts").headers["Vary"]


@pytest.mark.sqlite_only
def test_what_is_the_same_for_everybody_may_be_kept(live_app: ThreadSite) -> None:
    browser = live_app.browser()
    login = browser.get("/login")
    script = next(part for part in login.html.split('"') if part.startswith("/assets/htmx"))
    assert "?v=" in script
    answer = browser.get(script)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    for path in ("/static/ui.css", "/static/ui.js"):
        answer = browser.get(path)
        assert answer.status == 200
        assert "no-store" not in answer.headers["Cache-Control"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        again = browser.get(path, {"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.html) == (304, "")
    for path in ("/static/../config.py", "/static/%2e%2e/config.py", "/static/..%2f..%2f.env", "/static/nothing"):
        assert browser.get(path).status == 404 or "/login" in browser.page.url
    assert len(browser.session.cookies) == 1, "static files set no cookie; the login page does, for its form"


@pytest.mark.sqlite_only
def test_on_https_the_browser_is_told_to_stay_there(database_url: str) -> None:
    settings = {
        "BUNQ_ENVIRONMENT": "local",
        "PUBLIC_URL": "https://geld.example.org",
        "BUNQ_OAUTH_AUTHORIZE_URL": BUNQ + "/auth",
    }
    with rows.bare_site(database_url, **settings) as site:
        address = rows.inner_address(site)
        for path in ("/login", "/healthz", "/static/ui.css", "/nowhere"):
            answer = requests.get(address + path, allow_redirects=False, timeout=10)
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", path
            assert answer.headers["Content-Security-Policy"] == POLICY.format(BUNQ)


@pytest.mark.sqlite_only
def test_names_below_the_sites_are_left_alone_where_one_has_no_https(database_url: str) -> None:
    settings = {"PUBLIC_URL": "https://geld.example.org", "HSTS_SUBDOMAINS": "no"}
    with rows.bare_site(database_url, **settings) as site:
        answer = requests.get(rows.inner_address(site) + "/healthz", timeout=10)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.sqlite_only
def test_logging_out_clears_what_the_browser_has_kept(live_app: ThreadSite) -> None:
    robin = sign_in(live_app, "robin@example.com")
    assert "Clear-Site-Data" not in robin.get("/").headers
    token = robin.page.form(action="/logout")[0].fields
    answer = robin.session.post(live_app.url + "/logout", data=dict(token), allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Clear-Site-Data"]) == (302, '"cache"')
    assert "Clear-Site-Data" not in robin.get("/login").headers


def test_alive_needs_no_database_and_ready_says_when_it_is_gone(live_app: ThreadSite, databases: Databases) -> None:
    browser = live_app.browser()
    assert (browser.get("/healthz").status, browser.page.text) == (200, "")
    assert browser.page.html == "ok\n"
    assert (browser.get("/readyz").status, browser.page.html) == (200, "ready\n")
    url = live_app.environ["DATABASE_URL"]
    databases.drop(url)
    let_go(live_app.app)
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).mkdir()
    assert browser.get("/healthz").status == 200
    assert browser.get("/readyz").status == 503
    told = "cannot be opened" if url.startswith("sqlite") else "does not answer"
    assert browser.page.html == f"the database {told}\n"
    assert browser.get("/static/ui.css").status == 200
    browser.session.cookies.set("bunqflask_login", "x" * 43, domain="localhost.local", path="/")
    page = browser.get("/")
    assert page.status == 503
    assert "The database isn’t responding right now" in page.text
    assert "psycopg" not in page.html
    assert "sqlite" not in page.html.lower()
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).rmdir()


@pytest.fixture
def unmigrated(empty_database_url: str) -> str:
    return empty_database_url


def test_ready_says_when_the_database_is_not_migrated(unmigrated: str) -> None:
    with rows.bare_site(unmigrated) as site:
        browser = site.browser()
        assert (browser.get("/readyz").status, browser.page.html) == (
            503,
            "the database is not migrated: flask db upgrade\n",
        )
        assert browser.get("/healthz").status == 200
