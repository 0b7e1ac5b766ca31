"""A bunq server that this project's client and stand-in have nothing in common with is served just as well."""

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from bunqflask.extensions import db
from bunqflask.models import Connection, Consent, ConsentAttempt, Installation, MonetaryAccount, RateLimitWindow
from bunqflask.services.connections import access, accounts, refusal
from bunqflask.services.consent import completion
from tests.support import consents, strange_bunq
from tests.support import rows as rows_behind
from tests.support.apps import ThreadSite, set_up, sign_in
from tests.support.browser import Browser
from tests.support.strange_bunq import ACCOUNTS, HOLDER, HOLDER_NAME, Bunq, Ways
from tests.support.strange_site import connect, running

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def ways(request: pytest.FixtureRequest) -> Ways:
    marker = request.node.get_closest_marker("bank")
    return Ways(**(marker.kwargs if marker else {}))


@pytest.fixture
def bunq(ways: Ways) -> Iterator[Bunq]:
    with strange_bunq.running(Bunq(ways)) as bunq:
        yield bunq


@pytest.fixture
def odd_site(bunq: Bunq, database_url: str, overrides: dict[str, str]) -> Iterator[ThreadSite]:
    with running(bunq, database_url, **overrides) as site:
        set_up(site.app)
        yield site


def stored(site: ThreadSite) -> tuple[Connection, dict[int, MonetaryAccount]]:
    with site.app.app_context():
        connection = db.session.scalars(db.select(Connection)).one()
        rows = {row.monetary_account_id: row for row in db.session.scalars(db.select(MonetaryAccount))}
        db.session.expunge_all()
    return connection, rows


def sync(site: ThreadSite, browser: Browser, connection_id: int) -> None:
    """Press the button that asks for a sync, unless one is asked for, and list the accounts as the worker does then."""
    page = browser.get(f"/connections/{connection_id}/accounts")
    if any(form.action.endswith("/sync") for form in page.forms):
        assert browser.submit(action="/sync").status == 200
    with site.app.app_context():
        accounts.sync(access.by_id(connection_id), patience_s=5)
        db.session.remove()


WAYS: list[dict[str, Any]] = [
    {},
    {"dead_session": "401", "last_page": "empty-page", "token_state": "given"},
    {"dead_session": "403-dutch", "last_page": "circle", "token_state": "null"},
    {"last_page": "missing", "coding": "gzip"},
    {"last_page": "empty-text", "coding": "http-1.0", "amounts": "number"},
    {"old_grant": True},
    {"own_installation_for_each_token": True},
    {"one_session_for_each_installation": True},
    {"token_style": "form"},
]


def error_kind(site: ThreadSite) -> str | None:
    """The error of the only consent."""
    with site.app.app_context():
        found: str | None = db.session.scalars(db.select(Consent.error_kind)).one()
        db.session.remove()
    return found


@pytest.mark.parametrize(
    "ways", [Ways(**each) for each in WAYS], ids=[" ".join(map(str, each)) or "-" for each in WAYS]
)
def test_setup_consent_refresh_and_disconnection_go_their_way(bunq: Bunq, odd_site: ThreadSite) -> None:
    browser = connect(odd_site, bunq)
    assert browser.page.status == 200
    connection, rows = stored(odd_site)
    assert (connection.state, connection.granted_user_id, connection.display_name) == ("active", HOLDER, HOLDER_NAME)
    assert sorted(rows) == list(range(1, ACCOUNTS + 1))
    assert rows[2].balance == Decimal("2.10")
    assert rows[21].balance == Decimal(-21)
    assert rows[10].iban is None
    assert rows[4].wrapper == "MonetaryAccountGreen"
    assert rows[4].description == "Rekening 4 / ё"

    bunq.kill_sessions()
    before = bunq.count("POST", "/session-server")
    sync(odd_site, browser, connection.id)
    connection, rows = stored(odd_site)
    assert error_kind(odd_site) is None
    assert len(rows) == ACCOUNTS
    assert bunq.count("POST", "/session-server") == before + 1

    page = browser.get(f"/connections/{connection.id}/accounts")
    assert "Holding" in page.text
    assert '<b>"Holding"</b>' not in page.html
    browser.get(f"/connections/{connection.id}/disconnect")
    browser.submit(action="/disconnect", data="erase")
    rows_behind.run_duties(odd_site.app)
    assert not [grant for grant in bunq.sessions.values() if grant in bunq.grants]


def test_a_second_setup_makes_nothing_anew(bunq: Bunq, odd_site: ThreadSite) -> None:
    before = {path: bunq.count("POST", path) for path in ("/installation", "/device-server", "/oauth-client")}
    set_up(odd_site.app)
    assert {path: bunq.count("POST", path) for path in before} == before
    assert all(count == 1 for count in before.values())
    assert bunq.count("POST", "/callback-url") == 1


def test_a_renewed_consent_without_the_holders_id_finds_its_connection_by_the_accounts(
    bunq: Bunq, odd_site: ThreadSite
) -> None:
    connect(odd_site, bunq)
    bunq.ways.old_grant = True
    connect(odd_site, bunq)
    connection, rows = stored(odd_site)
    assert connection.granted_user_id == HOLDER
    assert len(rows) == ACCOUNTS


@pytest.mark.bank(one_session_for_each_installation=True)
def test_a_session_whose_answer_was_lost_occupies_an_installation_and_the_consent_is_kept(
    bunq: Bunq, odd_site: ThreadSite
) -> None:
    bunq.unanswered.append("/v1/session-server")
    connect(odd_site, bunq)
    with odd_site.app.app_context():
        attempt = db.session.scalars(db.select(ConsentAttempt)).one()
        assert attempt.step == "connecting"
        attempt.next_try_at = None
        db.session.commit()
        completion.advance_all(patience_s=5)
    connection, rows = stored(odd_site)
    assert connection.state == "active"
    assert len(rows) == ACCOUNTS
    rows_behind.run_duties(odd_site.app)
    assert rows_behind.count(odd_site.app, Installation) == 2, "ours, and the grant's; useless ones are deleted"


def test_a_withdrawn_grant_is_lost_and_not_asked_for_ever(bunq: Bunq, odd_site: ThreadSite) -> None:
    browser = connect(odd_site, bunq)
    connection, _ = stored(odd_site)
    bunq.grants.clear()
    sync(odd_site, browser, connection.id)
    assert error_kind(odd_site) == "refused_once"
    before = len(bunq.calls)
    rows_behind.run_duties(odd_site.app)
    assert len(bunq.calls) == before, "nobody asks before the time"
    rows_behind.age_refusals(odd_site.app, refusal.LOST_AFTER)
    rows_behind.run_duties(odd_site.app)
    before = len(bunq.calls)
    rows_behind.run_duties(odd_site.app)
    connection, rows = stored(odd_site)
    assert connection.state == "lost"
    assert len(rows) == ACCOUNTS
    closing = [call for call in bunq.calls[before:] if call.method == "DELETE"]
    assert len(bunq.calls) == before + len(closing) == before + 1, "only its session is closed"


def test_an_html_502_an_unsigned_429_and_a_lost_answer_do_not_stop_a_reading(bunq: Bunq, odd_site: ThreadSite) -> None:
    browser = connect(odd_site, bunq)
    connection, _ = stored(odd_site)
    words = "Too many requests. You can do a maximum of 3 calls per 1 seconds to this endpoint."
    bunq.answer_once("GET monetary-account", 502, "<h1>502 Bad Gateway</h1>", html=True)
    bunq.answer_once("GET monetary-account", 429, {"Error": [{"error_description": words}]})
    sync(odd_site, browser, connection.id)
    connection, rows = stored(odd_site)
    assert error_kind(odd_site) is None
    assert len(rows) == ACCOUNTS


@pytest.mark.parametrize(("status", "body"), [(399, ""), (302, ""), (403, "<h1>Blocked by a firewall</h1>")])
def test_a_no_that_is_hardly_bunqs_own_does_not_cost_the_approval(
    bunq: Bunq, odd_site: ThreadSite, status: int, body: str
) -> None:
    bunq.answer_once("POST session-server", status, body, html=True)
    browser = connect(odd_site, bunq)
    with odd_site.app.app_context():
        attempt = db.session.scalars(db.select(ConsentAttempt)).one()
        assert (attempt.step, attempt.access_token is not None) == ("connecting", True)
        attempt.next_try_at = None
        db.session.commit()
        address = f"/connect/{attempt.id}"
        db.session.remove()
    browser.get(address)
    assert stored(odd_site)[0].state == "active"


@pytest.mark.bank(classic_limits=True)
@pytest.mark.settings(BUNQ_CALL_LIMITS="classic")
def test_the_classic_limits_are_kept_without_being_told(bunq: Bunq, odd_site: ThreadSite) -> None:
    # Setup has just spent the one session-server call of these 30 seconds; time is not to be waited for here.
    with odd_site.app.app_context():
        db.session.execute(db.delete(RateLimitWindow).where(RateLimitWindow.endpoint == "POST session-server"))
        db.session.commit()
    bunq.spent.clear()
    browser = connect(odd_site, bunq)
    connection, rows = stored(odd_site)
    assert len(rows) == ACCOUNTS
    sync(odd_site, browser, connection.id)
    connection, _ = stored(odd_site)
    assert not [call for call in bunq.calls if call.status == 429]
    assert error_kind(odd_site) in (None, "waiting")


def with_account(**members: Any) -> dict[str, Any]:
    return {"Response": [{"MonetaryAccountBank": {"id": 1, "status": "ACTIVE", "description": "One", **members}}]}


HARMLESS: list[tuple[str, Any]] = [
    ("NaN", b'{"Response":[{"MonetaryAccountBank":{"id":1,"balance":{"currency":"EUR","value":NaN},"x":[1e999]}}]}'),
    ("1e999", with_account(balance={"currency": "EUR", "value": "1e999999999"})),
    ("huge", with_account(balance={"currency": "EUR", "value": "9" * 20}, n=10**300)),
    ("NUL", with_account(description="a\x00b\ud800c", status="\x00", sub_status="\x00", currency="\x00")),
    ("long", with_account(description="x" * 10_000, status="y" * 10_000, sub_status="z" * 10_000, currency="c" * 99)),
    ("types", with_account(status=5, description=[], alias={}, setting=7, updated={}, balance=True, user_id="x")),
    ("wrapper", {"Response": [{"MonetaryAccount" + "X" * 5_000: {"id": 1}}]}),
    ("moment", with_account(updated="0001-01-01T00:00:00+23:59")),
]


def try_again(site: ThreadSite, browser: Browser, connection_id: int) -> None:
    """Press Refresh, whatever the next try was planned for."""
    with site.app.app_context():
        db.session.execute(db.update(Consent).values(next_try_at=None, error_kind=None))
        db.session.commit()
    sync(site, browser, connection_id)


def test_a_signed_list_of_nonsense_is_stored_as_far_as_it_makes_sense(bunq: Bunq, odd_site: ThreadSite) -> None:
    browser = connect(odd_site, bunq)
    number = stored(odd_site)[0].id
    for name, body in HARMLESS:
        bunq.answer_once("GET monetary-account", 200, body, signed=True)
        try_again(odd_site, browser, number)
        _connection, rows = stored(odd_site)
        assert error_kind(odd_site) is None, name
        assert [number for number, row in rows.items() if row.is_covered] == [1], name
        assert browser.get("/").status == 200, name


NOT_UNDERSTOOD: list[tuple[str, Any]] = [
    ("deep", b'{"Response":[{"MonetaryAccountBank":{"id":1,"x":' + b"[" * 3_000 + b"]" * 3_000 + b"}}]}"),
    ("less deep", b'{"Response":[{"MonetaryAccountBank":{"id":1,"x":' + b"[" * 400 + b"]" * 400 + b"}}]}"),
    ("negative id", {"Response": [{"MonetaryAccountBank": {"id": -1}}]}),
    ("huge id", {"Response": [{"MonetaryAccountBank": {"id": 2**63}}]}),
    ("boolean id", {"Response": [{"MonetaryAccountBank": {"id": True}}]}),
    ("many digits", b'{"Response":[{"MonetaryAccountBank":{"id":' + b"9" * 5_000 + b"}}]}"),
    ("other host", {"Response": [{"A": 1}], "Pagination": {"older_url": "http://127.0.0.2:1/v1/user"}}),
    ("bad host", {"Response": [{"A": 1}], "Pagination": {"older_url": "http://[::1/v1"}}),
    ("bad page", {"Response": [{"A": 1}], "Pagination": {"older_url": "/v1/\ud800\x00"}}),
    ("no list", {"Response": {"MonetaryAccountBank": {"id": 1}}}),
    ("not JSON", b"\xff\x00"),
]


def test_a_signed_list_that_cannot_be_stored_changes_nothing(bunq: Bunq, odd_site: ThreadSite) -> None:
    browser = connect(odd_site, bunq)
    connection, before = stored(odd_site)
    for name, body in NOT_UNDERSTOOD:
        bunq.answer_once("GET monetary-account", 200, body, signed=True)
        try_again(odd_site, browser, connection.id)
        connection, rows = stored(odd_site)
        assert error_kind(odd_site) == "not_understood", name
        assert connection.state == "active", name
        assert connection.lease_until is None, name
        assert all(row.is_covered for row in rows.values()), name
        assert {number: row.balance for number, row in rows.items()} == {
            number: row.balance for number, row in before.items()
        }


TOKEN_NONSENSE: list[tuple[int, bytes]] = [
    (200, b"5"),
    (200, b"[]"),
    (200, b"null"),
    (200, b"[" * 5_000),
    (200, b'{"access_token": ["x"]}'),
    (200, b'{"access_token": "line\\r\\nbreak"}'),
    (400, b'{"error": 5}'),
    (400, b'{"error": ["invalid_grant"], "error_description": {"a": 1}}'),
    (302, b""),
    (500, b"\xff"),
]


def test_a_token_answer_of_nonsense_ends_in_a_page_and_stores_nothing(
    bunq: Bunq, odd_site: ThreadSite, caplog: pytest.LogCaptureFixture
) -> None:
    browser = sign_in(odd_site, "sam@team.example")
    for answer in TOKEN_NONSENSE:
        back = bunq.approve(consents.ask(browser))
        bunq.answer_once("POST token", *answer)
        with caplog.at_level(logging.ERROR):
            assert browser.get(back).status in (200, 400, 502, 503), answer
        assert not [record for record in caplog.records if record.exc_info], answer
        with odd_site.app.app_context():
            assert db.session.scalars(db.select(Connection)).first() is None
            attempts = db.session.scalars(db.select(ConsentAttempt)).all()
            assert all(attempt.step == "failed" and attempt.access_token is None for attempt in attempts), answer
