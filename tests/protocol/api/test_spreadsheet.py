"""Spreadsheets read payments and balances at an address with a token of its own kind, and nothing else."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from bunqflask import clock, create_app
from bunqflask.config import Config
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import AccountShare, ApiToken, AuditEvent, AuditKind, Payment, TeamRole, TokenScope
from bunqflask.services.exports import spreadsheet
from bunqflask.services.policy import NotPermitted
from bunqflask.services.team import members
from bunqflask.services.tokens import text
from bunqflask.services.tokens.tokens import TokenRefused
from tests.protocol.api.program import Program, make_token, program_of
from tests.protocol.web.test_access_matrix import check_shows_nothing_hidden
from tests.support import rows
from tests.support import team_of_rights as team
from tests.support.apps import GunicornSite, ThreadSite, add_member, bare_environ, let_go
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.databases import Databases

SAM = "sam@example.org"
LINK = (TokenScope.SPREADSHEET_READ,)


def link(site: ThreadSite, email: str = ROBIN, *accounts: int, **terms: Any) -> str:
    """Make a link for a spreadsheet; by default of the first account."""
    return make_token(site, email, scopes=LINK, account_ids=accounts or (1,), **terms)


def fetch(site: ThreadSite, token: str, name: str = "payments.csv", **query: str) -> requests.Response:
    with requests.Session() as client:
        client.trust_env = False
        return client.get(f"{site.url}/sheets/{token}/{name}", params=query, timeout=30, allow_redirects=False)


def table(answer: requests.Response, delimiter: str = ",") -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=delimiter))


def stored(site: ThreadSite, *accounts: int) -> list[Payment]:
    with rows.behind(site.app):
        query = db.select(Payment).where(Payment.account_id.in_(accounts)).order_by(Payment.created_at, Payment.id)
        return list(db.session.scalars(query))


def test_the_rows_are_the_payments_of_the_chosen_accounts_the_oldest_first(site: ThreadSite, robin: Browser) -> None:
    found = table(fetch(site, link(site, ROBIN, 1, 2)))
    expected = stored(site, 1, 2)

    assert [int(each["payment_id"]) for each in found] == [each.payment_id for each in expected]
    assert [Decimal(each["amount"]) for each in found] == [each.amount for each in expected]
    assert [each["counterparty"] for each in found][:5] == [each.counterparty_name for each in expected][:5]
    assert len(found) > 200
    assert tuple(found[0]) == spreadsheet.PAYMENT_COLUMNS


def test_the_columns_are_stable() -> None:
    assert ",".join(spreadsheet.PAYMENT_COLUMNS) == (
        "date,time,account,account_iban,payment_id,amount,currency,direction,counterparty,counterparty_iban,description,type"
    )
    assert ",".join(spreadsheet.BALANCE_COLUMNS) == "account,account_iban,account_id,holder,currency,balance,date,time"


def test_days_and_accounts_narrow_it_and_long_histories_are_read_in_parts(
    site: ThreadSite, robin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = link(site, ROBIN, 1, 2)
    everything = table(fetch(site, token))
    monkeypatch.setattr(spreadsheet, "_PAGE", 7)
    middle = everything[len(everything) // 2]["date"]

    assert table(fetch(site, token)) == everything
    assert table(fetch(site, token, **{"from": middle})) == [each for each in everything if each["date"] >= middle]
    assert table(fetch(site, token, to=middle)) == [each for each in everything if each["date"] <= middle]
    of_two = {each["account_iban"] for each in table(fetch(site, token, account="2"))}
    assert len(of_two) == 1
    assert fetch(site, token, account="3").status_code == 404
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 20)
    refused = fetch(site, token)
    assert (refused.status_code, "at most 20 payments" in refused.json()["detail"]) == (422, True)


def test_dutch_sheets_get_a_decimal_comma_and_their_separator(site: ThreadSite, robin: Browser) -> None:
    token = link(site)
    plain = table(fetch(site, token))
    with_comma = fetch(site, token, decimal="comma")
    asked = fetch(site, token, decimal="comma", separator="tab")
    quoted = fetch(site, token, decimal="comma", separator="comma")

    for found in (table(with_comma, ";"), table(asked, "\t"), table(quoted)):
        assert [each["amount"].replace(",", ".") for each in found] == [each["amount"] for each in plain]
        assert "," in found[0]["amount"]
    assert with_comma.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"


def test_json_has_the_same_rows_with_amounts_as_text(site: ThreadSite, robin: Browser) -> None:
    token = link(site)
    answer = fetch(site, token, "payments.json")
    found = answer.json()
    balances = fetch(site, token, "balances.json").json()

    assert [{name: value or "" for name, value in each.items()} for each in found] == table(fetch(site, token))
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(found[0]["amount"], str)
    [of_api] = [each for each in program_of(site, ROBIN).get("/accounts")["items"] if each["id"] == "1"]
    [one] = balances
    assert (one["balance"], one["account_iban"], one["account_id"]) == (
        of_api["balance"],
        of_api["iban"],
        of_api["monetary_account_id"],
    )
    assert table(fetch(site, token, "balances.csv")) == [{name: value or "" for name, value in one.items()}]


@pytest.mark.parametrize("formula", ["=1+1", '=HYPERLINK("http://x")', "+31612345678", "@SUM(A1)", "a;=1+1", "\t-1"])
def test_no_text_of_a_payer_is_a_formula(site: ThreadSite, robin: Browser, formula: str) -> None:
    with rows.behind(site.app):
        db.session.execute(db.update(Payment).values(description=formula, counterparty_name=formula))
        db.session.commit()
    token = link(site)
    cells = [each[name] for each in table(fetch(site, token)) for name in ("description", "counterparty")]
    values = [each["description"] for each in fetch(site, token, "payments.json").json()]

    for each in (*cells, *values):
        assert "'" in each
        assert not each.lstrip().startswith(("=", "+", "-", "@"))
        assert ";=" not in each


def test_such_a_token_works_nowhere_else_and_no_other_works_here(site: ThreadSite, robin: Browser) -> None:
    token = link(site)
    of_program = make_token(site, ROBIN)
    as_header = Program(site.url, token)
    everywhere = ["/", "/me", "/accounts", "/payments", "/connections", "/nothing"]

    assert {as_header.call(path).status_code for path in everywhere} == {401}
    assert as_header.session.get(f"{site.url}/metrics", timeout=30).status_code == 401
    for name in ("payments.csv", "payments.json", "balances.csv", "balances.json"):
        with rows.behind(site.app):
            db.session.execute(db.text("DELETE FROM login_throttle"))
            db.session.commit()
        assert fetch(site, token, name).status_code == 200, name
        for other in (of_program, text.new(), "x", token[:-1], "%00", "bqf_"):
            refused = fetch(site, other, name)
            assert (refused.status_code, refused.headers["Content-Type"]) == (404, "application/problem+json"), other
            assert "WWW-Authenticate" not in refused.headers
        with_header = requests.get(
            f"{site.url}/sheets/x/{name}", headers={"Authorization": f"Bearer {of_program}"}, timeout=30
        )
        assert with_header.status_code == 404


def test_refused_links_of_one_network_are_answered_less_and_less(site: ThreadSite, robin: Browser) -> None:
    statuses = [fetch(site, text.new()).status_code for _ in range(32)]

    assert statuses == [404] * 30 + [429] * 2
    assert fetch(site, link(site)).status_code == 200


@pytest.mark.parametrize(
    "terms",
    [{"account_ids": None}, {"account_ids": ()}, {"scopes": (*LINK, TokenScope.PAYMENTS_READ)}, {"days": 366}],
    ids=str,
)
def test_a_link_is_narrowed_and_can_do_nothing_else(site: ThreadSite, robin: Browser, terms: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused, match=r"\w"):
        make_token(site, ROBIN, **{"scopes": LINK, "account_ids": (1,), **terms})
    assert rows.count(site.app, ApiToken) == 0


def test_the_answer_is_stored_nowhere_and_leads_nowhere(site: ThreadSite, robin: Browser) -> None:
    token = link(site)
    for answer in (fetch(site, token), fetch(site, token, "nothing.csv"), fetch(site, "x")):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert "Set-Cookie" not in answer.headers
        assert "ETag" not in answer.headers
        assert token not in answer.text + str(answer.headers)
    assert fetch(site, token).headers["RateLimit"].startswith('"token";r=5')


@pytest.mark.parametrize("overrides", [{"API_CALLS_PER_MINUTE": "3"}])
def test_its_calls_are_limited(site: ThreadSite, robin: Browser) -> None:
    token = link(site)
    statuses = [fetch(site, token).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize(
    "query",
    [
        "x=1",
        "from=yesterday",
        "to=9999-12-31",
        "from=0001-01-01",
        "decimal=none",
        "separator=%7C",
        "account=x",
        "from=",
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(site: ThreadSite, robin: Browser, query: str) -> None:
    answer = requests.get(f"{site.url}/sheets/{link(site)}/payments.csv?{query}", timeout=30)

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["detail"]
    assert fetch(site, link(site), "balances.csv", **{"from": "2026-01-01"}).status_code == 422


def test_wrong_methods_and_addresses_are_answered_as_problems(site: ThreadSite, robin: Browser) -> None:
    base = f"{site.url}/sheets/{link(site)}"
    for method, path, status in (("POST", "payments.csv", 405), ("GET", "payments.xlsx", 404), ("GET", "", 404)):
        answer = requests.request(method, f"{base}/{path}", timeout=30)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), path


def test_the_page_makes_it_and_ends_it_within_a_second(site: ThreadSite, robin: Browser) -> None:
    robin.get("/developers")
    unchosen = robin.submit(button="Make the link", name="household")
    assert (unchosen.status, "Choose at least one account" in unchosen.text) == (422, True)
    made = robin.submit(button="Make the link", name="household", account="2", days="30")
    address = next(each for each in made.html.split('"') if each.endswith("/payments.csv"))
    found = table(requests.get(address, timeout=30))
    page = robin.get("/developers")
    robin.submit(action="/developers/tokens/1/end")
    started = time.monotonic()
    after = requests.get(address, timeout=30).status_code

    assert {each["account_iban"] for each in found} == {stored_iban(site, 2)}
    assert "Spreadsheet link" in page.text
    assert address.split("/")[-2] not in page.html
    assert (after, time.monotonic() - started < 1) == (404, True)


def stored_iban(site: ThreadSite, account_id: int) -> str:
    iban: str = program_of(site, ROBIN).get(f"/accounts/{account_id}")["iban"]
    return iban


def test_the_command_makes_it_and_prints_its_addresses(site: ThreadSite, robin: Browser) -> None:
    iban = stored_iban(site, 1)
    asked = ["token", "add", ROBIN, "--scope", "spreadsheet:read", "--days", "7"]
    made = site.command(*asked, "--account", iban)
    addresses = [line for line in made.output.splitlines() if line.endswith(".csv")]

    assert [requests.get(each, timeout=30).status_code for each in addresses] == [200, 200]
    assert text.is_well_formed(made.output.splitlines()[-1])
    assert "Choose the accounts" in site.command(*asked, status=1).output


def test_it_ends_with_its_time_and_with_the_right_of_its_member(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[1])
    token = link(site, SAM, 1)
    before = table(fetch(site, token))
    with rows.behind(site.app):
        db.session.execute(db.delete(AccountShare))
        db.session.commit()
    without = table(fetch(site, token)), table(fetch(site, token, "balances.csv"))
    with rows.behind(site.app):
        db.session.execute(db.update(ApiToken).values(expires_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()

    assert len(before) > 50
    assert without == ([], [])
    assert fetch(site, token).status_code == 404


def test_reading_what_another_holds_is_in_the_audit_trail(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[1])
    token = link(site, SAM, 1)
    fetch(site, token)
    fetch(site, token, "payments.json")
    with rows.behind(site.app):
        query = db.select(AuditEvent).where(AuditEvent.kind == AuditKind.ACCOUNT_VIEWED)
        events = [(each.facts["token"], each.actor_text) for each in db.session.scalars(query)]

    assert events == [(1, f"sam <{SAM}>")]


def test_a_guest_without_the_permission_to_export_gets_no_link(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM, role=TeamRole.GUEST)
    share(robin, accounts=[1])
    with pytest.raises(NotPermitted), rows.behind(site.app):
        make_token(site, SAM, scopes=LINK, account_ids=(1,))
    with rows.behind(site.app):
        assert not members.require(SAM).may_export


@pytest.mark.sqlite_only
def test_no_log_has_the_token(gunicorn_app: GunicornSite, bank: Bank, tmp_path: Any) -> None:
    app = create_app(Config.from_env(gunicorn_app.environ))
    token, member_id, now = text.new(), add_member(app, ROBIN), clock.now()
    with rows.behind(app):
        row = ApiToken(
            token_hash=digest(token),
            prefix=token[: text.SHOWN],
            member_id=member_id,
            name="a spreadsheet",
            scopes=LINK,
            all_accounts=False,
            networks=(),
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        db.session.add(row)
        db.session.commit()
    gunicorn_app.start("--access-logfile", "-", workers=1, threads=2)
    paths = {"/payments.csv": 200, "/balances.json": 200, f"/payments.csv?account={token}": 422, "": 404, "/x": 404}
    for path, status in paths.items():
        sent = {"Referer": f"{gunicorn_app.url}/sheets/{token}/balances.csv"}
        answer = requests.get(f"{gunicorn_app.url}/sheets/{token}{path}", headers=sent, timeout=30)
        assert answer.status_code == status, path
    gunicorn_app.stop()
    let_go(app)

    assert "/sheets/***/payments.csv" in gunicorn_app.log
    assert token not in gunicorn_app.log


@pytest.fixture
def filled_site(databases: Databases) -> Iterator[Any]:
    """The app over the team in which everybody has another right."""
    url = databases.copy(team.fill)
    app = create_app(Config.from_env(bare_environ(url) | {"BUNQ_ENVIRONMENT": "local", "API_CALLS_PER_MINUTE": "999"}))
    with app.app_context():
        yield app.test_client()
        db.session.remove()
    let_go(app)
    databases.forget(url)


@pytest.mark.parametrize("person", ["robin", "mia", "olga", "gus", "kim", "eva", "rex"])
def test_a_link_that_names_every_account_shows_what_its_member_sees(filled_site: Any, person: str) -> None:
    seen = team.seen_by(person) if person != "kim" else set(team.MARKED)
    for name in ("payments.csv", "payments.json", "balances.csv", "balances.json"):
        answer = filled_site.get(f"/sheets/{team.link_token_of(person)}/{name}")
        if person in ("eva", "rex"):
            assert answer.status_code == 404
            continue
        check_shows_nothing_hidden("robin" if person == "kim" else person, answer, {}, (name,))
        shown = {each for each, marked in team.MARKED.items() if marked.iban in answer.text}
        assert shown == seen, name
