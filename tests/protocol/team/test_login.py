"""Logging in and out, and what somebody tries who should not get in."""

import statistics
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

import pytest
import requests
from argon2 import PasswordHasher

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import csrf, db
from bunqflask.models import Login, LoginThrottle, TeamMember
from bunqflask.services.team import passwords
from tests.support import rows
from tests.support.apps import PASSWORD, GunicornSite, ThreadSite, add_member, let_go, sign_in
from tests.support.browser import Browser, Page
from tests.support.databases import SqliteDatabases

REFUSED = "That email and password do not match."
OTHER_SITE = "https://evil.example"
# Too long for a password, so that refusing it takes no time.
LONG = "x" * 201


@pytest.fixture
def robin(live_app: ThreadSite) -> str:
    """The email of a team member."""
    add_member(live_app.app, "robin@example.com")
    return "robin@example.com"


def try_in(browser: Browser, email: str, password: str, next_path: str = "") -> Page:
    browser.get("/login" + ("?" + urlencode({"next": next_path}) if next_path else ""))
    return browser.submit(action="/login", email=email, password=password)


def is_in(browser: Browser) -> bool:
    return urlsplit(browser.get("/").url).path == "/"


@pytest.mark.sqlite_only
def test_a_wrong_email_and_a_wrong_password_are_refused_alike_in_words_and_in_time(
    real_passwords: None, live_app: ThreadSite, robin: str
) -> None:
    browser = live_app.browser()
    pages, took = [], dict[str, list[float]]()
    for email in (robin, "nobody@example.com") * 3:
        began = time.perf_counter()
        page = try_in(browser, email, "not the password")
        took.setdefault(email, []).append(time.perf_counter() - began)
        pages.append((page.status, page.text.count(REFUSED), page.html.count(email)))
    assert set(pages) == {(403, 1, 1)}
    known, unknown = (statistics.median(each) for each in took.values())
    assert 0.4 < known / unknown < 2.5
    assert not is_in(browser)
    assert is_in_after(browser, robin.upper() + "  "), "capitals and blanks of an email do not matter"


def is_in_after(browser: Browser, email: str, password: str = PASSWORD) -> bool:
    try_in(browser, email, password)
    return is_in(browser)


@pytest.mark.sqlite_only
def test_a_login_begins_with_fresh_cookies_and_its_token_is_nowhere_in_the_database(
    live_app: ThreadSite, robin: str
) -> None:
    browser = live_app.browser()
    browser.get("/login")
    planted = {"bunqflask_login": "planted-by-somebody-else-0123456789abcdef", "bunqflask_browser": "planted"}
    before = {each.name: each.value for each in browser.session.cookies}
    browser.session.cookies.set("bunqflask_login", planted["bunqflask_login"], domain="localhost.local", path="/")
    assert try_in(browser, robin, PASSWORD).status == 200
    after = {each.name: each.value or "" for each in browser.session.cookies}
    assert after["bunqflask_login"] != planted["bunqflask_login"]
    assert after["bunqflask_browser"] != before["bunqflask_browser"]
    with rows.behind(live_app.app):
        (login,) = rows.logins()
    assert after["bunqflask_login"] not in (login.token_hash, login.address, login.user_agent)
    browser.get("/login")
    assert urlsplit(browser.page.url).path == "/", "who is logged in is sent on"


@pytest.mark.sqlite_only
def test_logging_in_again_ends_the_login_before(live_app: ThreadSite, robin: str) -> None:
    browser, other = sign_in(live_app, robin), live_app.browser()
    other.get("/login")
    form, _button = other.page.form(action="/login")
    old = {each.name: each.value or "" for each in browser.session.cookies}
    token = dict(form.fields)["csrf_token"]
    cookies = {
        **{each.name: each.value or "" for each in other.session.cookies},
        "bunqflask_login": old["bunqflask_login"],
    }
    requests.post(
        form.action, data={"email": robin, "password": PASSWORD, "csrf_token": token}, cookies=cookies, timeout=10
    )
    assert not is_in(browser)
    assert rows.count(live_app.app, Login) == 1


def test_a_login_ends_when_unused_for_half_an_hour_or_after_twelve_hours(live_app: ThreadSite, robin: str) -> None:
    browser = sign_in(live_app, robin)
    rows.age_logins(live_app.app, unused_for=timedelta(minutes=29))
    assert is_in(browser), "and this was a use"
    rows.age_logins(live_app.app, unused_for=timedelta(minutes=29))
    assert is_in(browser)
    rows.age_logins(live_app.app, unused_for=timedelta(minutes=31))
    page = browser.get("/settings")
    assert "You were logged out after 30 minutes of inactivity." in page.text
    browser.submit(action="/login", email=robin, password=PASSWORD)
    assert urlsplit(browser.page.url).path == "/settings", "where the person was"
    rows.age_logins(live_app.app, made_ago=timedelta(hours=12, minutes=1))
    assert not is_in(browser)
    assert "of inactivity" not in browser.page.text, "which would not be true"


def sign_in_again(browser: Browser, email: str) -> None:
    browser.get("/login")
    browser.submit(action="/login", email=email, password=PASSWORD)


@pytest.mark.sqlite_only
def test_a_page_that_asks_by_itself_is_no_use_of_the_login(live_app: ThreadSite, robin: str) -> None:
    browser = sign_in(live_app, robin)
    for path in ("/connections/1/accounts", "/connect/none/status", "/connections/1/accounts/1/payments/state"):
        rows.age_logins(live_app.app, unused_for=timedelta(minutes=11))
        last = browser.get(path, headers={"HX-Request": "true"})
    assert last.headers.get("HX-Redirect"), path
    sign_in_again(browser, robin)
    for _ in range(3):
        rows.age_logins(live_app.app, unused_for=timedelta(minutes=16))
        browser.get("/", headers={"HX-Request": "true"})
    assert is_in(browser), "a part of a page that somebody asked for is a use"
    rows.age_logins(live_app.app, unused_for=timedelta(minutes=31))
    answer = browser.get("/", headers={"HX-Request": "true", "HX-Current-URL": live_app.url + "/settings?x=1"})
    assert answer.status == 204
    assert answer.headers["HX-Redirect"].startswith("/login?next=/settings")


def test_logging_out_ends_the_login_on_the_server(live_app: ThreadSite, robin: str) -> None:
    browser = sign_in(live_app, robin)
    kept = browser.session.cookies.copy()
    browser.get("/")
    page = browser.submit(button="Log out")
    assert urlsplit(page.url).path == "/login"
    assert rows.count(live_app.app, Login) == 0
    browser.session.cookies = kept
    assert not is_in(browser)
    assert "of inactivity" not in browser.page.text
    for nonsense in ("http://[", "//evil.example/x", "\\evil", "javascript:alert(1)"):
        answer = browser.get("/settings", headers={"HX-Request": "true", "HX-Current-URL": nonsense})
        assert answer.headers["HX-Redirect"].startswith("/login"), nonsense
        assert "evil.example" not in urlsplit(answer.headers["HX-Redirect"]).netloc


@pytest.mark.sqlite_only
def test_a_new_password_ends_the_other_logins_and_leaves_this_one(live_app: ThreadSite, robin: str) -> None:
    here, there = sign_in(live_app, robin), sign_in(live_app, robin)
    here.get("/settings")
    page = here.submit(action="/settings/password", current=PASSWORD, new="another long password")
    assert page.status == 200
    assert is_in(here)
    assert not is_in(there)
    assert not is_in_after(there, robin, PASSWORD)
    assert is_in_after(there, robin, "another long password")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/%0a/evil.example",
        "/%2F/evil.example",
        "/%5Cevil.example",
        "%2F%2Fevil.example",
        "https:evil.example",
        "https://evil.example/",
        "http:///evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/login?next=//evil.example",
        "/logout",
        "/nowhere",
        "/settings\r\nSet-Cookie: a=b",
        "/settings@evil.example",
        "/static/ui.css",
        "",
    ],
)
@pytest.mark.sqlite_only
def test_the_page_after_the_login_is_always_one_of_ours(no_waiting: Browser, live_app_url: str, target: str) -> None:
    page = no_waiting.get("/login?next=" + quote(target, safe=""))
    assert page.url.startswith(live_app_url + "/"), target
    assert page.leaves_for is None
    assert urlsplit(page.url).path in ("/", "/login"), target
    assert "evil" not in urlsplit(page.url).netloc
    assert "Set-Cookie: a" not in str(page.headers)


@pytest.fixture(scope="module")
def live_app_url(no_waiting: Browser) -> str:
    return no_waiting.home


@pytest.fixture(scope="module")
def no_waiting(sqlite_databases: SqliteDatabases) -> Iterator[Browser]:
    """A browser that is logged in, to which the login page therefore answers with where it would lead."""
    with rows.bare_site(sqlite_databases.migrated()) as site:
        yield sign_in(site, "robin@example.com")


@pytest.mark.sqlite_only
def test_who_comes_for_a_page_gets_there_after_the_login(live_app: ThreadSite, robin: str) -> None:
    browser = live_app.browser()
    asked = browser.get("/settings?a=b%26c")
    assert urlsplit(asked.url).path == "/login"
    assert browser.submit(action="/login", email=robin, password=PASSWORD).url == live_app.url + "/settings?a=b%26c"


@pytest.mark.sqlite_only
def test_a_form_without_its_token_or_from_another_site_is_refused(live_app: ThreadSite, robin: str) -> None:
    browser = sign_in(live_app, robin)
    adapter = live_app.app.url_map.bind("localhost")
    posts = [rule for rule in live_app.app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(posts) >= 14
    ours = {"Origin": live_app.url}
    # bunq's own calls and browsers' reports carry no token of ours, and change nothing but when we look.
    # Programs send a token in a header, which no form can send.
    exempted = {"webhooks", "reports", "api", "mcp", "assistant_programs"}
    assert ({each.name for each in csrf._exempt_blueprints}, csrf._exempt_views) == (exempted, set())
    for rule in posts:
        if rule.endpoint.split(".")[0] in exempted:
            continue
        path = adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, 1), method="POST")
        page = browser.post(path, {"data": "erase"}, ours)
        assert page.status == 400, path
        assert "Nothing was changed." in page.text
    assert is_in(browser)
    form = browser.get("/settings").form(action="/settings/look")[0]
    fields = dict(form.fields)
    for headers in (
        {"Origin": OTHER_SITE},
        {"Origin": "null"},
        {"Origin": live_app.url + "0"},
        {"Origin": live_app.url.replace("http:", "https:")},
        {"Origin": live_app.url, "Sec-Fetch-Site": "cross-site"},
        {"Origin": live_app.url, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        page = browser.post("/settings/look", fields, headers)
        assert page.status == 403, headers
        assert "You opened this site at a different address" in page.text
        assert live_app.url in page.text, "it says which address is right"
    for headers in (ours, {**ours, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
        assert browser.post("/settings/look", fields, headers).status == 200
    somebody = sign_in(live_app, "sam@example.com")
    somebody.get("/settings")
    foreign = dict(somebody.page.form(action="/settings/look")[0].fields)["csrf_token"]
    assert browser.post("/settings/look", {**fields, "csrf_token": foreign}, ours).status == 400


@pytest.mark.sqlite_only
def test_a_login_form_of_another_site_cannot_log_anybody_in(live_app: ThreadSite, robin: str) -> None:
    browser = live_app.browser()
    assert browser.post("/login", {"email": robin, "password": PASSWORD}, {"Origin": OTHER_SITE}).status == 403
    assert browser.post("/login", {"email": robin, "password": PASSWORD}, {"Origin": live_app.url}).status == 400
    assert rows.count(live_app.app, Login) == 0


def test_ten_tries_for_one_account_and_no_more_whatever_the_address_says(live_app: ThreadSite, robin: str) -> None:
    browser = live_app.browser()
    for _ in range(10):
        assert try_in(browser, robin, LONG).status == 403
    for number in range(2):
        browser.session.headers["X-Forwarded-For"] = f"203.0.113.{number}"
        page = try_in(browser, robin, PASSWORD)
        assert page.status == 429
        assert "Too many attempts. Try again after" in page.text
    assert is_in_after(live_app.browser(), add_sam(live_app)), "others still get in"
    rows.age_throttles(live_app.app, timedelta(minutes=16))
    assert is_in_after(browser, robin)
    assert rows.count(live_app.app, LoginThrottle) == 0, "nothing is left of tries long ago"


def test_who_keeps_guessing_holds_a_member_back_in_no_browser_where_they_were_before(
    live_app: ThreadSite, robin: str
) -> None:
    known, stranger = sign_in(live_app, robin), live_app.browser()
    known.get("/")
    known.submit(button="Log out")
    for number in range(31):
        try_in(stranger, robin if number < 10 else f"guess{number}@example.com", LONG)
    assert try_in(stranger, robin, PASSWORD).status == 429, "neither the account nor the address has tries left"
    for _ in range(3):
        assert try_in(known, robin, LONG).status == 403
    assert is_in_after(known, robin)
    assert try_in(stranger, robin, PASSWORD).status == 429, "which gives the stranger no tries back"
    sam = live_app.browser()
    add_sam(live_app)
    sam.session.cookies = known.session.cookies.copy()
    for name in ("bunqflask_login", "bunqflask_browser"):
        sam.session.cookies.pop(name, None)
    assert try_in(sam, "sam@example.com", PASSWORD).status == 429, "it is known as one member's browser, not another's"
    known.submit(button="Log out")
    for _ in range(10):
        assert try_in(known, robin, LONG).status == 403
    assert try_in(known, robin, PASSWORD).status == 429, "a stolen browser cannot guess for ever either"


@pytest.mark.sqlite_only
@pytest.mark.settings(TRUSTED_PROXY_HOPS="1")
def test_another_address_of_the_same_network_gets_no_more_tries(live_app: ThreadSite, robin: str) -> None:
    browser = live_app.browser()

    def tried_from(address: str) -> int:
        browser.session.headers["X-Forwarded-For"] = address
        return try_in(browser, f"guess{address}@example.com", LONG).status

    assert {tried_from(f"2001:db8:1:2:{number:x}::1") for number in range(30)} == {403}
    assert tried_from("2001:db8:1:2:ffff::1") == 429
    assert tried_from("2001:db8:1:3::1") == 403
    assert tried_from("::ffff:192.0.2.7") == 403
    with rows.behind(live_app.app):
        assert {key for key in rows.throttled() if key.startswith("address:")} == {
            "address:2001:db8:1:2::/64",
            "address:2001:db8:1:3::/64",
            "address:192.0.2.7",
        }


def test_a_password_reset_while_the_old_one_is_compared_leaves_no_login(
    live_app: ThreadSite, robin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = passwords.matches

    def reset_meanwhile(password_hash: str | None, password: str) -> bool:
        matches = compare(password_hash, password)
        with rows.behind(live_app.app):
            rows.reset_password(robin, "another long password")
        return matches

    browser = live_app.browser()
    with monkeypatch.context() as slow:
        slow.setattr(passwords, "matches", reset_meanwhile)
        assert try_in(browser, robin, PASSWORD).status == 403
    assert rows.count(live_app.app, Login) == 0
    assert is_in_after(browser, robin, "another long password")


def test_signs_that_no_column_takes_are_a_wrong_email(live_app: ThreadSite, robin: str) -> None:
    browser = live_app.browser()
    for email, password in (
        ("", ""),
        (robin, ""),
        (robin, "x" * 100_000),
        ("a\x00b@example.com", "x"),
        ("'--", PASSWORD),
        ("x" * 5000 + "@example.com", PASSWORD),
    ):
        page = try_in(browser, email, password)
        assert (page.status, REFUSED in page.text) == (403, True), email
    for email in ("a\x00b@example.com", "\x00", "x" * 5000 + "@example.com", "\u202e@example.com"):
        assert try_in(browser, email, LONG).status == 403


def add_sam(site: ThreadSite) -> str:
    add_member(site.app, "sam@example.com")
    return "sam@example.com"


@pytest.mark.sqlite_only
def test_an_address_that_tries_many_accounts_is_held_back_and_locks_nobody_out(
    live_app: ThreadSite, robin: str
) -> None:
    browser = live_app.browser()
    for number in range(30):
        assert try_in(browser, f"guess{number}@example.com", LONG).status == 403
    for _ in range(12):
        assert try_in(browser, robin, LONG).status == 429
    assert rows.count(live_app.app, LoginThrottle) == 31, "a refused address writes nothing more"
    with rows.behind(live_app.app):
        rows.forget_throttle("address:127.0.0.1")
    assert is_in_after(browser, robin)


@pytest.mark.sqlite_only
def test_a_borrowed_browser_cannot_guess_the_password(live_app: ThreadSite, robin: str) -> None:
    browser = sign_in(live_app, robin)
    browser.get("/settings")
    for _ in range(10):
        page = browser.submit(action="/settings/password", current=LONG, new="long enough to take")
        assert page.status == 422
        assert "That’s not your current password." in page.text
    page = browser.submit(action="/settings/password", current=PASSWORD, new="long enough to take")
    assert page.status == 429
    assert not is_in_after(live_app.browser(), robin, "long enough to take")


def test_tries_are_counted_together_by_all_workers(gunicorn_app: GunicornSite) -> None:
    behind = create_app(Config.from_env(gunicorn_app.environ))
    add_member(behind, "robin@example.com")
    gunicorn_app.start()
    browser = gunicorn_app.browser()
    browser.get("/login")
    form, _button = browser.page.form(action="/login")
    data = {**dict(form.fields), "email": "robin@example.com", "password": LONG}
    cookies = {each.name: each.value or "" for each in browser.session.cookies}
    together, statuses = threading.Barrier(16), list[int]()

    def press() -> None:
        together.wait()
        statuses.append(requests.post(form.action, data=data, cookies=cookies, timeout=60).status_code)

    threads = [threading.Thread(target=press) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [403] * 10 + [429] * 6
    let_go(behind)


@pytest.mark.sqlite_only
def test_a_password_hashed_at_another_cost_is_hashed_again_at_the_next_login(live_app: ThreadSite, robin: str) -> None:
    with rows.behind(live_app.app):
        made_long_ago = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash(PASSWORD)
        db.session.execute(db.update(TeamMember).values(password_hash=made_long_ago))
        db.session.commit()
    browser = sign_in(live_app, robin)
    with rows.behind(live_app.app):
        stored = db.session.scalar(db.select(TeamMember.password_hash))
    assert stored is not None
    assert "t=1," in stored
    assert is_in(browser)
    assert is_in_after(live_app.browser(), robin)
