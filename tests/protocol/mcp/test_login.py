"""An assistant is let in by its member's login, and what attackers try on that way fails."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from bunqflask import clock, worker
from bunqflask.extensions import Base, db
from bunqflask.models import (
    ApiToken,
    Assistant,
    AssistantCode,
    AssistantRefresh,
    AuditEvent,
    AuditKind,
    Login,
    TeamRole,
)
from bunqflask.services.assistants import clients
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding, resets, roles
from tests.protocol.mcp.assistant import Assistant as Caller
from tests.protocol.mcp.oauth import HERE, Program, code_of, facts_of, target_of
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, add_member, bare_environ, served, sign_in
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.pool import AppPool

SAM = "sam@example.org"


@pytest.fixture
def site(connected_url: str, app_pool: AppPool, site_listener: socket.socket) -> Iterator[ThreadSite]:
    """The app over a database in which Robin has connected Jodi; no bank is needed."""
    here = f"http://localhost:{site_listener.getsockname()[1]}"
    environ = {**bare_environ(connected_url), "PUBLIC_URL": here, "LISTENS_AT": here}
    with app_pool.take(environ) as app, served(app, site_listener, environ) as site:
        yield site


@pytest.fixture
def robin(site: ThreadSite) -> Browser:
    return sign_in(site, ROBIN)


def clean_up(site: ThreadSite) -> None:
    """Let the worker delete old rows."""
    [duty] = [each for each in worker.DUTIES if each.name == "delete old rows"]
    with rows.behind(site.app), rows.read_only():
        duty.run(None)


def let_in(site: ThreadSite, browser: Browser, **answers: str | list[str]) -> tuple[Program, dict[str, Any]]:
    """Return a program with its first tokens."""
    program = Program(site.url)
    answer = program.exchange(program.code_by(browser, **answers))
    assert answer.status_code == 200, answer.text
    return program, answer.json()


def status_of(site: ThreadSite, token: str) -> int:
    return Caller(site.url, token).send("tools/list").status_code


def test_the_whole_way(site: ThreadSite, robin: Browser) -> None:
    resource = requests.get(f"{site.url}/.well-known/oauth-protected-resource/mcp", timeout=30).json()
    issuer = resource["authorization_servers"][0]
    server = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=30).json()
    program = Program(site.url)
    asked = robin.get(program.request(scope="balances:read payments:read offline_access"))
    answered = robin.submit(button="Let it read", accounts="some", account="2", days="7")
    facts = facts_of(answered)
    tokens = program.exchange(facts["code"]).json()
    caller = Caller(site.url, tokens["access_token"])
    listed = robin.get("/developers").text

    assert resource["resource"] == f"{site.url}/mcp"
    assert server["issuer"] == issuer == site.url
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert urlsplit(server["token_endpoint"]).path == "/assistants/token"
    assert "Clever" in asked.text
    assert "nobody has checked that" in asked.text
    assert target_of(answered).startswith(HERE + "?")
    assert (facts["state"], facts["iss"]) == ("xyz", site.url)
    assert tokens["scope"] == "balances:read payments:read"
    assert tokens["expires_in"] == 3600
    assert [each["id"] for each in caller.read("list_accounts")["items"]] == ["2"]
    assert "Clever" in listed
    with rows.behind(site.app):
        row = db.session.scalars(db.select(ApiToken)).one()
        assert row.expires_at - row.created_at == timedelta(days=7)
        made = db.session.scalars(db.select(AuditEvent).where(AuditEvent.kind == AuditKind.TOKEN_MADE)).one()
        assert made.facts["assistant"] == row.assistant_id
        assert made.address == "127.0.0.1"


def test_who_says_no_sends_no_code(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url)
    robin.get(program.request())
    facts = facts_of(robin.submit(button="No"))

    assert facts == {"error": "access_denied", "state": "xyz", "iss": site.url}
    assert rows.count(site.app, ApiToken) == 0


def test_a_person_who_is_not_logged_in_logs_in_first_and_comes_back(site: ThreadSite, robin: Browser) -> None:
    stranger = site.browser()
    program = Program(site.url)
    page = stranger.get(program.request())
    back = stranger.submit(action="/login", email=ROBIN, password=PASSWORD)

    assert urlsplit(page.url).path == "/login"
    assert "Let “Clever” read your data?" in back.text
    assert program.exchange(code_of(stranger.submit(button="Let it read"))).status_code == 200


def test_letting_in_needs_a_recent_proof_of_who_asks(site: ThreadSite, robin: Browser) -> None:
    with rows.behind(site.app):
        db.session.execute(db.update(Login).values(confirmed_at=clock.now() - timedelta(hours=1)))
        db.session.commit()
    program = Program(site.url)
    robin.get(program.request())
    asked = robin.submit(button="Let it read", days="7")
    count = rows.count(site.app, ApiToken)
    answered = robin.submit(button="Confirm", confirm_password=PASSWORD)

    assert "Confirm that it’s you" in asked.text
    assert count == 0
    assert program.exchange(code_of(answered)).status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        *("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "myapp://callback", "//evil.example/x"),
        *("http://evil.example/callback", "http://127.0.0.1.evil.example/", "http://localhost@evil.example/"),
        *("https://user@evil.example/", "https://evil.example/#x", "https:///x", "https://", "", "/callback"),
        *("https://evil.example/ x", "https://evil.example/\n", 'https://evil.example/"><script>', "https://[::1"),
        *(
            "https://evil.example:99999/",
            "https://evil.example\\@good.example/",
            "HTTP://evil.example/",
            "https://é.nl/",
        ),
        "https://evil.example/" + "a" * 500,
    ],
)
@pytest.mark.sqlite_only
def test_addresses_that_are_no_place_for_a_code_are_not_registered(site: ThreadSite, uri: str) -> None:
    program = Program(site.url)
    answer = program.register(redirect_uris=[uri])
    beside_a_good_one = program.register(redirect_uris=[HERE, uri])

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")
    assert beside_a_good_one.status_code == 400


@pytest.mark.sqlite_only
def test_an_answer_goes_to_a_registered_address_only(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url, redirect_uris=("https://good.example/callback?a=1", HERE, "http://[::1]:7/x"))
    good = ("https://good.example/callback?a=1", HERE, "http://127.0.0.1:9/callback", "http://[::1]:8/x")
    bad = (
        *("https://good.example/callback", "https://good.example/callback?a=1&b=2", "https://good.example/callback/"),
        *("https://good.example:444/callback?a=1", "https://evil.example/callback?a=1", "http://localhost:9/callback"),
        *("http://127.0.0.1:9/callback/../evil", "http://127.0.0.1:9/CALLBACK", "http://127.0.0.1:9@evil.example/"),
        *("http://127.0.0.1:9/callback#x", "https://127.0.0.1/callback", "", "javascript:alert(1)"),
    )

    for uri in good:
        assert robin.get(program.request(redirect_uri=uri)).status == 200, uri
        assert target_of(robin.submit(button="No")).startswith(uri)
    for uri in bad:
        page = robin.get(program.request(redirect_uri=uri))
        assert (page.status, page.leaves_for) == (400, None), uri
        assert uri == "" or uri not in page.html
    assert robin.get(program.request(redirect_uri=None)).status == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"response_type": "token"},
        {"code_challenge": None},
        {"code_challenge": "short"},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"resource": "https://evil.example/mcp"},
        {"state": "x" * 3_000},
    ],
    ids=str,
)
@pytest.mark.sqlite_only
def test_a_request_that_is_not_valid_is_shown_here_and_sends_the_browser_nowhere(
    site: ThreadSite, robin: Browser, changed: dict[str, str | None]
) -> None:
    program = Program(site.url, redirect_uris=("https://evil.example/callback",))
    page = robin.get(program.request(**changed))

    assert (page.status, page.leaves_for) == (400, None)
    assert "This program cannot be let in" in page.text
    assert "evil.example" not in page.html


def test_a_code_is_used_once_and_a_second_use_ends_what_it_gave(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url)
    code = program.code_by(robin)
    token = program.exchange(code).json()["access_token"]
    before = status_of(site, token)
    again = program.exchange(code)

    assert before == 200
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert status_of(site, token) == 401
    assert rows.count(site.app, ApiToken) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": "short"},
        {"redirect_uri": "http://127.0.0.1:43211/callback"},
        {"redirect_uri": "https://evil.example/"},
    ],
    ids=str,
)
@pytest.mark.sqlite_only
def test_a_code_that_is_used_wrongly_is_no_good_any_more(
    site: ThreadSite, robin: Browser, changed: dict[str, str]
) -> None:
    program = Program(site.url)
    code = program.code_by(robin)
    wrong, right = program.exchange(code, **changed), program.exchange(code)

    assert [(each.status_code, each.json()["error"]) for each in (wrong, right)] == [(400, "invalid_grant")] * 2


@pytest.mark.sqlite_only
def test_parameters_that_are_missing_or_twice_or_of_another_server_are_refused(
    site: ThreadSite, robin: Browser
) -> None:
    program = Program(site.url)
    code = program.code_by(robin)
    for missing in ("client_id", "code", "redirect_uri", "code_verifier", "grant_type"):
        answer = program.exchange(code, **{missing: None})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), missing
    elsewhere = program.exchange(code, resource="https://evil.example/mcp")
    by_password = program.token(grant_type="password", username=ROBIN, password=PASSWORD)
    twice = requests.post(f"{site.url}/assistants/token", data=[("grant_type", "refresh_token")] * 2, timeout=30)

    assert elsewhere.json()["error"] == "invalid_target"
    assert by_password.json()["error"] == "unsupported_grant_type"
    assert twice.json()["error"] == "invalid_request"
    # Each was refused before it was used.
    assert program.exchange(code).status_code == 200


def test_another_programs_code_and_refresh_token_are_no_good_and_stay_its_own(site: ThreadSite, robin: Browser) -> None:
    program, thief = Program(site.url), Program(site.url)
    thief.verifier = program.verifier
    code = program.code_by(robin)
    stolen = thief.exchange(code)
    tokens = program.exchange(code).json()
    refreshed = thief.refresh(tokens["refresh_token"])
    thief.revoke(tokens["access_token"])

    assert stolen.json()["error"] == refreshed.json()["error"] == "invalid_grant"
    assert status_of(site, tokens["access_token"]) == 200


def test_a_code_expires_and_what_was_never_fetched_is_deleted(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url)
    code = program.code_by(robin)
    with rows.behind(site.app):
        db.session.execute(db.update(AssistantCode).values(expires_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()
    clean_up(site)

    assert program.exchange(code).json()["error"] == "invalid_grant"
    assert rows.count(site.app, ApiToken) == 0


def test_refresh_tokens_rotate_and_a_second_use_ends_the_access(site: ThreadSite, robin: Browser) -> None:
    program, first = let_in(site, robin)
    second = program.refresh(first["refresh_token"]).json()
    statuses = [status_of(site, each["access_token"]) for each in (first, second)]
    reused = program.refresh(first["refresh_token"])
    after = program.refresh(second["refresh_token"])

    assert first["refresh_token"] != second["refresh_token"]
    assert statuses == [401, 200]
    assert reused.json()["error"] == after.json()["error"] == "invalid_grant"
    assert status_of(site, second["access_token"]) == 401
    assert "no longer lets the assistant Clever read" in robin.get("/audit").text


def test_an_access_token_ends_within_the_hour_and_a_refresh_token_opens_nothing(
    site: ThreadSite, robin: Browser
) -> None:
    program, tokens = let_in(site, robin)
    opened = status_of(site, tokens["refresh_token"])
    with rows.behind(site.app):
        db.session.execute(db.update(ApiToken).values(access_until=clock.now() - timedelta(seconds=1)))
        db.session.commit()
    expired = status_of(site, tokens["access_token"])
    next_ones = program.refresh(tokens["refresh_token"]).json()

    assert (opened, expired) == (401, 401)
    assert status_of(site, next_ones["access_token"]) == 200


def test_no_program_gets_more_than_it_was_granted(site: ThreadSite, robin: Browser) -> None:
    program, tokens = let_in(site, robin, scope_of=["balances:read"])
    wider = program.refresh(tokens["refresh_token"], scope="balances:read payments:read")
    same = program.refresh(tokens["refresh_token"], scope="balances:read").json()
    caller = Caller(site.url, same["access_token"])

    assert tokens["scope"] == "balances:read"
    assert wider.json()["error"] == "invalid_scope"
    assert caller.send("tools/call", {"name": "search_payments", "arguments": {}}).status_code == 403
    assert (
        requests.get(
            f"{site.url}/api/v1/accounts", headers={"Authorization": f"Bearer {same['access_token']}"}, timeout=30
        ).status_code
        == 401
    )


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"scope_of": ["balances:read", "payments:read"]}, 422),
        ({"scope_of": ["metrics:read"]}, 422),
        ({"scope_of": ["everything"]}, 422),
        ({"scope_of": []}, 422),
        ({"days": "366"}, 422),
        ({"days": "x"}, 422),
        ({"accounts": "some"}, 422),
        ({"account": "1"}, 422),
        ({"accounts": "some", "account": "9999"}, 404),
    ],
    ids=str,
)
@pytest.mark.sqlite_only
def test_a_form_that_was_changed_grants_nothing(
    site: ThreadSite, robin: Browser, answers: dict[str, str | list[str]], status: int
) -> None:
    robin.get(Program(site.url).request(scope="balances:read"))
    page = robin.submit(button="Let it read", action=None, **answers)

    assert page.status == status
    assert rows.count(site.app, ApiToken) == 0


def test_access_ends_with_the_member_the_role_the_reset_and_by_hand(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[1])
    sam = sign_in(site, SAM)
    program, tokens = let_in(site, sam)
    with rows.behind(site.app):
        number = members.require(SAM).id
        roles.lock(OPERATOR, number)
    locked = status_of(site, tokens["access_token"]), program.refresh(tokens["refresh_token"]).status_code
    with rows.behind(site.app):
        roles.unlock(OPERATOR, number)
    unlocked = program.refresh(tokens["refresh_token"])
    with rows.behind(site.app):
        resets.make(SAM)
    reset = program.refresh(unlocked.json()["refresh_token"])
    assert (locked, unlocked.status_code, reset.status_code) == ((401, 400), 200, 400)

    robin_program, of_robin = let_in(site, robin)
    robin.get("/developers")
    robin.submit(button="End the token Clever")
    assert status_of(site, of_robin["access_token"]) == 401
    assert robin_program.refresh(of_robin["refresh_token"]).status_code == 400

    guest = sign_in(site, "gus@example.org", role=TeamRole.GUEST)
    _program, of_guest = let_in(site, guest)
    with rows.behind(site.app):
        offboarding.remove(OPERATOR, members.require("gus@example.org").id)
    assert status_of(site, of_guest["access_token"]) == 401


def test_a_program_gives_its_access_back(site: ThreadSite, robin: Browser) -> None:
    for which in ("access_token", "refresh_token"):
        program, tokens = let_in(site, robin)
        answers = [program.revoke(tokens[which]).status_code for _ in range(2)]
        assert answers == [200, 200]
        assert status_of(site, tokens["access_token"]) == 401
        assert program.refresh(tokens["refresh_token"]).status_code == 400


def test_a_second_login_of_a_program_replaces_the_first(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url)
    first = program.exchange(program.code_by(robin)).json()
    second = program.exchange(program.code_by(robin)).json()

    assert [status_of(site, each["access_token"]) for each in (first, second)] == [401, 200]
    assert rows.count(site.app, ApiToken) == 1


def test_another_site_can_neither_answer_nor_frame_the_question(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url)
    page = robin.get(program.request())
    fields = dict(page.forms[-1].fields) | {"answer": "yes"}
    unsigned = {name: each for name, each in fields.items() if name != "csrf_token"}
    foreign = robin.post("/assistants/authorize", fields, {"Origin": "https://evil.example"})
    forged = robin.post("/assistants/authorize", unsigned, {"Origin": site.url})

    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert (foreign.status, forged.status) == (403, 400)
    assert rows.count(site.app, ApiToken) == 0


def test_what_a_program_calls_itself_is_text_and_only_its_claim(site: ThreadSite, robin: Browser) -> None:
    program = Program(site.url, name="<b>bunqflask</b>\u202e\U000e0041" + "x" * 500)
    page = robin.get(program.request())
    nameless = Program(site.url, name=" \u200b ")

    assert "<b>bunqflask</b>" not in page.html
    assert "\u202e" not in page.html
    assert "x" * 61 not in page.html
    assert "An assistant without a name" in robin.get(nameless.request()).text


def test_registrations_are_limited_and_unused_ones_expire(site: ThreadSite, robin: Browser) -> None:
    program, _tokens = let_in(site, robin)
    statuses = [program.register(redirect_uris=[HERE]).status_code for _ in range(21)]
    with rows.behind(site.app):
        for number in range(clients.MOST_UNUSED + 30):
            clients.register(f"flood {number}", [HERE])
        flooded = db.session.scalar(db.select(db.func.count(Assistant.id)))
        known = clients.find(program.client_id)
        db.session.execute(db.update(Assistant).values(created_at=clock.now() - timedelta(days=2)))
        db.session.commit()
    clean_up(site)

    assert statuses == [201] * 19 + [429] * 2
    assert flooded == clients.MOST_UNUSED + 1
    assert known is not None
    assert rows.count(site.app, Assistant) == 1


@pytest.mark.sqlite_only
def test_guesses_at_codes_and_refresh_tokens_are_limited(site: ThreadSite) -> None:
    program = Program(site.url)
    answers = [program.refresh(f"bqr_{number}") for number in range(31)]

    assert [each.status_code for each in answers] == [400] * 30 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 50_000, b'{"redirect_uris": 7}', b'{"client_name": "x"}'])
@pytest.mark.sqlite_only
def test_odd_registrations_are_refused(site: ThreadSite, body: bytes) -> None:
    answer = requests.post(f"{site.url}/assistants/register", data=body, timeout=30)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_nothing_stored_or_logged_is_a_secret_of_a_program(
    site: ThreadSite, robin: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    program = Program(site.url)
    code = program.code_by(robin)
    first = program.exchange(code).json()
    second = program.refresh(first["refresh_token"]).json()
    secrets = [code, *(each[name] for each in (first, second) for name in ("access_token", "refresh_token"))]
    with rows.behind(site.app):
        stored = repr([db.session.execute(table.select()).all() for table in Base.metadata.sorted_tables])
        assert db.session.scalar(db.select(db.func.count(AssistantRefresh.refresh_hash))) == 2

    for secret in secrets:
        assert secret[12:] not in stored
        assert secret[12:] not in caplog.text
