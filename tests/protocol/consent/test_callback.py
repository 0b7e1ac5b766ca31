"""The way back from bunq, with everything that can arrive there; and the one call that uses the approval."""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

import pytest
import requests
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy.exc import OperationalError

from bunqflask import create_app
from bunqflask.bunq import transport
from bunqflask.config import Config
from bunqflask.models import Connection, ConsentState
from bunqflask.services.team import logins
from tests.support import rows
from tests.support.apps import GunicornSite, ThreadSite, add_member, let_go, set_up, sign_in
from tests.support.bank import JODI, Bank
from tests.support.browser import Browser, Page, read_page
from tests.support.consents import ask

USED = "This link has already been used, or was started in another browser"
SPENT = "Something went wrong after you approved"
TOKEN = {"access_token": "f" * 64, "token_type": "bearer"}


class TokenEndpoint:
    """A token endpoint that answers whatever a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.content_type, self.body = 200, "application/json", b""
        self.headers: dict[str, str] = {}
        self.wait_s = self.drip_s = 0.0
        self.closing = threading.Event()

    def answers(self, body: Any, status: int = 200, content_type: str = "application/json", **headers: str) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status, self.content_type, self.headers = status, content_type, headers


@pytest.fixture
def endpoint() -> Iterator[tuple[TokenEndpoint, str]]:
    told = TokenEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            told.asked.append((parts.path, {name: value[0] for name, value in parse_qs(parts.query).items()}, sent))
            told.closing.wait(told.wait_s)
            self.send_response(told.status)
            self.send_header("Content-Type", told.content_type)
            self.send_header("Content-Length", str(len(told.body)))
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            step = 1 if told.drip_s else max(len(told.body), 1)
            try:
                for start in range(0, len(told.body), step):
                    self.wfile.write(told.body[start : start + step])
                    told.closing.wait(told.drip_s)
            except OSError:
                pass

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield told, f"http://127.0.0.1:{server.server_port}/v1/token"
        told.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def overrides(request: pytest.FixtureRequest) -> dict[str, str]:
    """Point the app at the endpoint of tests that ask for it."""
    if "token_endpoint" not in request.fixturenames:
        return {}
    return {"BUNQ_OAUTH_TOKEN_URL": request.getfixturevalue("endpoint")[1]}


@pytest.fixture
def token_endpoint(endpoint: tuple[TokenEndpoint, str]) -> TokenEndpoint:
    return endpoint[0]


def state_of(target: str) -> str:
    return parse_qs(urlsplit(target).query)["state"][0]


def come_back(browser: Browser, **parameters: str) -> Page:
    return browser.get("/oauth/callback?" + urlencode(parameters))


def nothing_is_stored(site: ThreadSite) -> None:
    assert rows.count(site.app, Connection) == 0
    assert rows.permissions(site.app) == 0


def goes_on(browser: Browser, button: str = "Start again") -> None:
    """The page says what to do, and doing it works."""
    assert "What to do" in browser.page.text
    assert re.search(r"BF-\d{8}-\d{6}-[0-9A-F]{4}", browser.page.html)
    assert "Continue to bunq" in browser.submit(button=button).text


def test_a_denial_is_told_and_leaves_nothing(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    denied = bank.deny(ask(robin))
    assert denied is not None
    page = robin.get(denied)
    assert page.status == 403
    assert "Not approved" in page.text
    assert "The request was declined in the bunq app. Nothing was stored." in page.text
    assert "Who can fix it" not in page.text, "a person who pressed No is no breakdown"
    assert "BF-" not in page.html
    nothing_is_stored(site)
    assert bank.calls("POST", "token") == []
    again = robin.get(denied)
    assert (again.status, "Not approved" in again.text) == (403, True), "loaded again, it says the same"
    assert len(rows.attempts(site.app)) == 1
    assert "Continue to bunq" in robin.submit(button="Start again").text


def test_a_forged_denial_leaves_the_attempt_alone(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    target = ask(robin)
    for parameters in ({"error": "access_denied", "state": "forged" * 6}, {"error": "access_denied"}):
        assert come_back(robin, **parameters).status == 400
    stranger = site.browser()
    assert come_back(stranger, error="access_denied", state=state_of(target)).status == 400
    assert rows.attempts(site.app)[0].step == "waiting"
    assert "Connected: Jodi Walker" in robin.get(bank.approve(target)).text


def test_a_state_works_only_in_the_browser_in_which_it_began_and_a_stranger_does_not_burn_it(
    site: ThreadSite, bank: Bank
) -> None:
    robin, eve, stranger = sign_in(site, "robin@example.com"), sign_in(site, "eve@example.com"), site.browser()
    back = bank.approve(ask(robin))
    for other in (eve, stranger):
        page = other.get(back)
        assert page.status == 400
        assert USED in page.text
    goes_on_for_eve = eve.page.form(button="Start again in this browser")
    assert goes_on_for_eve
    assert bank.calls("POST", "token") == []
    assert "Connected: Jodi Walker" in robin.get(back).text


def test_a_success_counts_once(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    assert "Connected" in robin.get(back).text
    replayed = robin.get(back)
    assert "Connected: Jodi Walker" in replayed.text, "in its own browser it leads to the attempt"
    other = sign_in(site, "robin@example.com").get(back)
    assert (other.status, USED in other.text) == (400, True)
    assert "it may already have worked" in other.text
    assert "go back to the browser you started in" in other.text
    assert len(bank.calls("POST", "token")) == 1
    assert rows.count(site.app, Connection) == 1


@pytest.mark.sqlite_only
def test_only_going_there_uses_an_approval_up(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    robin.session.head(back, allow_redirects=False)
    robin.session.get(back, headers={"Sec-Purpose": "prefetch;prerender"}, allow_redirects=False)
    assert rows.attempts(site.app)[0].step == "waiting"
    assert bank.calls("POST", "token") == []
    assert "Connected: Jodi Walker" in robin.get(back).text


@pytest.mark.sqlite_only
def test_a_failure_that_is_loaded_again_says_the_same(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.advance(601)
    for _ in range(2):
        page = robin.get(back)
        assert (page.status, SPENT in page.text) == (400, True)
    assert len(bank.calls("POST", "token")) == 1


@pytest.mark.sqlite_only
def test_a_cookie_copied_before_the_return_does_not_bring_a_used_state_back(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    before = robin.session.cookies.copy()
    robin.get(back)
    robin.session.cookies = before
    assert robin.get(back).status == 400
    assert len(bank.calls("POST", "token")) == 1


def test_whatever_is_missing_or_strange_is_answered_with_a_page(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    for query in (
        "",
        "?code=abc",
        "?state=",
        "?state=x&code=y",
        "?error=",
        "?state=%00%ff&code=%00",
        "?state=" + "s" * 6000,
    ):
        page = robin.get("/oauth/callback" + query)
        assert page.status == 400, query
        assert USED in page.text, query
    expected = {
        "server_error": (502, "bunq could not complete the approval"),
        "<script>alert(1)</script>": (502, "bunq could not complete the approval"),
        "\x00\u202e": (502, "bunq could not complete the approval"),
        "": (502, "bunq could not complete the approval"),
        "Access_Denied": (502, "bunq could not complete the approval"),
    }
    for error, (status, title) in expected.items():
        page = come_back(robin, state=state_of(ask(robin)), error=error, code="with-a-code-too")
        assert page.status == status, error
        assert title in page.text, error
        assert "<script>alert" not in page.html
        goes_on(robin)
    page = come_back(robin, state=state_of(ask(robin)))
    assert page.status == 400
    assert "bunq sent you back without an approval." in page.text
    goes_on(robin)
    nothing_is_stored(site)
    assert bank.calls("POST", "token") == []


def test_who_comes_back_too_late_is_told_so(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    rows.age_attempts(site.app, timedelta(minutes=10, seconds=1))
    page = robin.get(back)
    assert page.status == 410
    assert "The code is no longer valid" in page.text
    goes_on(robin)
    nothing_is_stored(site)
    assert bank.calls("POST", "token") == []
    assert rows.count(site.app, ConsentState) == 0


@pytest.mark.sqlite_only
def test_a_state_is_too_old_after_ten_minutes_even_if_its_attempt_is_not(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    rows.age_states(site.app, timedelta(minutes=11))
    assert robin.get(back).status == 400
    nothing_is_stored(site)


@pytest.mark.sqlite_only
def test_an_attempt_that_was_cancelled_meanwhile_stays_cancelled(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    robin.get(f"/connect/{rows.attempts(site.app)[0].id}")
    robin.submit(button="Cancel")
    page = robin.get(back)
    assert page.status == 410
    assert "Cancelled" in page.text
    assert "revoke it in the bunq app" in page.text
    nothing_is_stored(site)
    assert bank.calls("POST", "token") == []


@pytest.mark.sqlite_only
def test_bunq_refuses_a_code_that_is_too_old(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))
    bank.advance(601)
    page = robin.get(back)
    assert page.status == 400
    assert SPENT in page.text
    assert "bunq did not accept its own approval" in page.text
    assert "The authorization code is invalid or expired." in page.text
    nothing_is_stored(site)
    assert len(bank.calls("POST", "token")) == 1
    goes_on(robin)
    ended = robin.get(f"/connect/{rows.attempts(site.app)[0].id}")
    assert SPENT in ended.text
    assert ended.form(button="Start again")


REFUSALS: dict[str, tuple[Any, int, str, int, str]] = {
    # what the endpoint answers: body, status, content type; what the person reads: status, sentence
    "oauth refuses the code": ({"error": "invalid_grant"}, 400, "application/json", 400, "its own approval"),
    "the same with 200": (
        {"error": "invalid_grant", "error_description": "Used."},
        200,
        "application/json",
        400,
        "Used.",
    ),
    "bunq's own shape": ({"Error": [{"error_description": "No."}]}, 400, "application/json", 400, "No."),
    "bunq's own shape with 200": ({"Error": [{"error_description": "No."}]}, 200, "application/json", 400, "No."),
    "our client is refused": ({"error": "invalid_client"}, 401, "application/json", 502, "Setup has to be run again"),
    "too many": ({"Error": [{"error_description": "Too many requests."}]}, 429, "application/json", 503, "too busy"),
    "maintenance": ({"Error": [{"error_description": "Away."}]}, 491, "application/json", 503, "bunq was unavailable"),
    "a proxy's page": (b"<html><h1>502</h1></html>", 502, "text/html", 503, "bunq was unavailable"),
    "a page with 200": (b"<html><h1>hello</h1></html>", 200, "text/html", 502, "a valid permission"),
    "a page with 404": (b"<html><h1>404</h1></html>", 404, "text/html", 502, "a valid permission"),
    "half of it": (b'{"access_token": "abc', 200, "application/json", 502, "a valid permission"),
    "nothing": (b"", 200, "application/json", 502, "a valid permission"),
    "a list": ([TOKEN], 200, "application/json", 502, "a valid permission"),
    "null": (b"null", 200, "application/json", 502, "a valid permission"),
    "not text": (b"\xff\xfe\x00", 200, "application/json", 502, "a valid permission"),
    "a number for a token": ({"access_token": 7}, 200, "application/json", 502, "a valid permission"),
    "an empty token": ({"access_token": ""}, 200, "application/json", 502, "a valid permission"),
    "another consent's token": ({**TOKEN, "state": "another"}, 200, "application/json", 502, "a valid permission"),
    "deeply nested": (b"[" * 100_000, 200, "application/json", 502, "a valid permission"),
}


def test_whatever_the_token_endpoint_answers_is_told_and_stores_nothing(
    site: ThreadSite, token_endpoint: TokenEndpoint
) -> None:
    robin = sign_in(site, "robin@example.com")
    for name, (body, status, content_type, shown, words) in REFUSALS.items():
        token_endpoint.answers(body, status, content_type)
        token_endpoint.asked.clear()
        page = come_back(robin, state=state_of(ask(robin)), code="c" * 64)
        assert (page.status, page.text.count(SPENT)) == (shown, 1), name
        assert words in page.text, name
        assert "ffff" not in page.html, "no token on a page"
        # An answer that proves that the code was not used is no end of it.
        assert (len(token_endpoint.asked) > 1) is (status in (429, 491)), name
        assert rows.attempts(site.app)[-1].step == "failed", name
        goes_on(robin)
    nothing_is_stored(site)


@pytest.mark.sqlite_only
def test_the_token_endpoint_cannot_send_the_secret_elsewhere(site: ThreadSite, token_endpoint: TokenEndpoint) -> None:
    robin = sign_in(site, "robin@example.com")
    for status in (301, 302, 303, 307, 308):
        token_endpoint.answers(TOKEN, status, Location="/elsewhere")
        page = come_back(robin, state=state_of(ask(robin)), code="c" * 64)
        assert (page.status, SPENT in page.text) == (502, True)
    assert [path for path, _query, _body in token_endpoint.asked] == ["/v1/token"] * 5
    nothing_is_stored(site)


@pytest.mark.sqlite_only
def test_a_slow_dripping_or_endless_answer_is_not_waited_for(
    site: ThreadSite, token_endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT_S", 0.5)
    monkeypatch.setattr(transport, "WHOLE_ANSWER_S", 1.0)
    robin = sign_in(site, "robin@example.com")

    def takes_s(status: int, words: str) -> float:
        target, began = ask(robin), time.monotonic()
        page = come_back(robin, state=state_of(target), code="c" * 64)
        assert page.status == status
        assert words in page.text
        goes_on(robin)
        return time.monotonic() - began

    too_late = "did not answer in time"
    token_endpoint.answers(TOKEN)
    token_endpoint.wait_s = 20
    assert takes_s(504, too_late) < 5
    token_endpoint.wait_s, token_endpoint.drip_s = 0, 0.2
    assert takes_s(504, too_late) < 5
    token_endpoint.drip_s = 0
    token_endpoint.answers(b" " * (transport.MAX_ANSWER_BYTES + 70_000))
    assert takes_s(502, SPENT) < 10
    assert len(token_endpoint.asked) == 3, "each was asked once"
    nothing_is_stored(site)


@pytest.mark.sqlite_only
def test_a_broken_connection_to_the_token_endpoint_is_not_tried_again(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    for fault, when in (("reset", "before"), ("reset", "after"), ("truncated", "after")):
        back = bank.approve(ask(robin))
        bank.forget_calls()
        bank.fault(call="POST token", fault=fault, when=when)
        page = robin.get(back)
        assert (page.status, SPENT in page.text) == (504, True), fault
        assert len(bank.calls("POST", "token")) == 1, fault
    nothing_is_stored(site)


@pytest.mark.sqlite_only
def test_an_endpoint_that_is_not_there_is_told_without_its_address(
    site: ThreadSite, token_endpoint: TokenEndpoint, endpoint: tuple[TokenEndpoint, str]
) -> None:
    robin = sign_in(site, "robin@example.com")
    target = ask(robin)
    with site.app.app_context():
        site.app.config["BUNQ_OAUTH_TOKEN_URL"] = "http://127.0.0.1:1/v1/token"
    page = come_back(robin, state=state_of(target), code="c" * 64)
    assert (page.status, SPENT in page.text) == (504, True)
    assert "client_secret" not in page.html
    assert "127.0.0.1:1" not in page.html
    nothing_is_stored(site)


@pytest.mark.sqlite_only
def test_the_proof_that_went_ahead_matches_the_one_that_is_sent(
    site: ThreadSite, token_endpoint: TokenEndpoint
) -> None:
    token_endpoint.answers({"error": "invalid_grant"}, 400)
    robin = sign_in(site, "robin@example.com")
    target = ask(robin)
    begun = {name: value[0] for name, value in parse_qs(urlsplit(target).query).items()}
    come_back(robin, state=begun["state"], code="c" * 64)
    ((_path, sent, body),) = token_endpoint.asked
    assert body == b"", "bunq wants every parameter in the address"
    digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == begun["code_challenge"]
    assert sent["grant_type"] == "authorization_code"
    assert sent["code"] == "c" * 64
    assert sent["redirect_uri"] == begun["redirect_uri"]
    assert sent["client_id"] == begun["client_id"]
    assert re.fullmatch("[0-9a-f]{64}", sent["client_secret"])


@pytest.mark.sqlite_only
def test_nobody_waits_for_the_database_while_bunq_thinks(site: ThreadSite, token_endpoint: TokenEndpoint) -> None:
    token_endpoint.answers({"error": "invalid_grant"}, 400)
    token_endpoint.wait_s = 3
    robin, sam = sign_in(site, "robin@example.com"), sign_in(site, "sam@example.com")
    target = ask(robin)
    back = threading.Thread(target=come_back, args=[robin], kwargs={"state": state_of(target), "code": "c" * 64})
    back.start()
    while not token_endpoint.asked:
        time.sleep(0.01)
    began = time.monotonic()
    sam.get("/connect")
    sam.submit(action="/connect")
    assert time.monotonic() - began < 2
    token_endpoint.closing.set()
    back.join()


def test_an_attempt_cancelled_while_bunq_answers_keeps_nothing(site: ThreadSite, token_endpoint: TokenEndpoint) -> None:
    token_endpoint.answers(TOKEN)
    token_endpoint.wait_s = 20
    robin = sign_in(site, "robin@example.com")
    target = ask(robin)
    second_tab = robin.get(f"/connect/{rows.attempts(site.app)[0].id}")
    pages: list[Page] = []

    def back() -> None:
        answer = robin.session.get(
            f"{site.url}/oauth/callback?state={quote(state_of(target))}&code={'c' * 64}", timeout=30
        )
        pages.append(read_page(answer))

    thread = threading.Thread(target=back)
    thread.start()
    while not token_endpoint.asked:
        time.sleep(0.01)
    form, _button = second_tab.form(button="Cancel")
    requests.post(
        form.action,
        data=dict(form.fields),
        cookies={each.name: each.value or "" for each in robin.session.cookies},
        timeout=10,
    )
    token_endpoint.closing.set()
    thread.join()
    assert pages[0].status == 410
    assert "Cancelled" in pages[0].text
    assert rows.attempts(site.app)[0].step == "cancelled"
    nothing_is_stored(site)


def test_fifty_identical_callbacks_at_once_make_one_connection(gunicorn_app: GunicornSite, bank: Bank) -> None:
    behind = create_app(Config.from_env(gunicorn_app.environ))
    set_up(behind)
    add_member(behind, "robin@example.com")
    gunicorn_app.start()
    robin = sign_in(gunicorn_app, "robin@example.com")
    back = bank.approve(ask(robin))
    together, ends = threading.Barrier(50), list[str]()

    def press() -> None:
        together.wait()
        with requests.Session() as session:
            session.cookies.update(robin.session.cookies)
            address = back
            for _step in ("the way back", "the page that takes it up"):
                answer = session.get(address, allow_redirects=False, timeout=60)
                address = urljoin(back, answer.headers["Location"])
        ends.append(urlsplit(address).path.split("/")[1])

    threads = [threading.Thread(target=press) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["connect"] + ["oauth"] * 49
    assert len(bank.calls("POST", "token")) == 1
    assert rows.connection(behind).granted_user_id == JODI
    assert len(bank.state()["grants"]) == 1
    assert "Connected: Jodi Walker" in robin.get(f"/connect/{rows.attempts(behind)[0].id}").text
    let_go(behind)


def test_no_address_that_stays_in_the_browser_holds_the_code_or_the_state(site: ThreadSite, bank: Bank) -> None:
    robin, stranger = sign_in(site, "robin@example.com"), site.browser()
    denied = bank.deny(ask(robin))
    assert denied is not None
    ends = [
        (robin, denied, 403),
        (robin, "/oauth/callback?state=forged&code=c", 400),
        (stranger, "/oauth/callback?state=forged&error=access_denied", 400),
        (robin, bank.approve(ask(robin)), 200),
    ]
    for browser, address, status in ends:
        answer = browser.session.get(browser._absolute(address), allow_redirects=False, timeout=30)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/oauth/finish"), address
        page = browser.get(answer.headers["Location"])
        assert re.fullmatch("/(oauth/result|connect/[0-9a-f]{32})", urlsplit(page.url).path), address
        assert page.status == status, address
        assert not re.search("code=|state=|error=", page.url), page.url
        assert browser.get(page.url).status == status, "loading it again shows it again"


def test_a_database_that_is_away_keeps_neither_code_nor_state_in_the_address(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    robin = sign_in(site, "robin@example.com")
    back = bank.approve(ask(robin))

    def away(_token: str, *, for_page: bool) -> None:
        raise OperationalError("SELECT 1", {}, Exception("the database is away"))

    monkeypatch.setattr(logins, "find", away)
    page = robin.get(back)
    assert (page.status, urlsplit(page.url).path, urlsplit(page.url).query) == (503, "/oauth/finish", "")
    assert rows.count(site.app, Connection) == 0
    monkeypatch.undo()
    assert "Connected: Jodi Walker" in robin.get(page.url).text, "loading it again goes on"
    assert "consent_return" not in str(session_of(site.app, robin)), "the session keeps nothing that was taken up"


def test_a_way_back_that_is_too_long_for_a_cookie_is_no_way_back(site: ThreadSite) -> None:
    robin = sign_in(site, "robin@example.com")
    page = robin.get("/oauth/callback?code=" + "c" * 3000 + "&state=" + "s" * 3000)
    assert (page.status, urlsplit(page.url).path) == (400, "/oauth/result")


def session_of(app: Flask, browser: Browser) -> dict[str, object]:
    """Return what the session of a browser holds."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    [cookie] = [each.value for each in browser.session.cookies if each.name == app.config["SESSION_COOKIE_NAME"]]
    found: dict[str, object] = serializer.loads(cookie or "")
    return found
