"""Nothing below /api/v1 is answered without a valid token, and no token reads more than it may."""

from datetime import timedelta

import pytest
import requests
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db, table_of
from bunqflask.models import LINK_SCOPES, ApiToken, AuditEvent, AuditKind, TeamRole, TokenScope
from bunqflask.services.principal import OPERATOR
from bunqflask.services.team import members, offboarding, resets, roles
from bunqflask.services.tokens import text, tokens
from bunqflask.services.tokens.tokens import TokenRefused, TokenTerms
from tests.protocol.api.program import Program, make_token, program_of
from tests.support import rows
from tests.support.apps import ThreadSite, add_member, sign_in
from tests.support.bank import JODI
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share

SAM = "sam@example.org"
OF_ACCOUNT_1 = ("/accounts/1", "/accounts/1/balances", "/payments?account=1", "/totals?account=1", "/months?account=1")


def paths(app: Flask) -> list[tuple[str, str]]:
    """Every route of the API with ids of what Robin has."""
    adapter, found = app.url_map.bind("localhost"), []
    numbers = (
        *("account_id", "connection_id", "payment_id", "attachment_id", "export_id", "note_id", "card_id"),
        *("draft_id", "request_id", "link_id", "transfer_id", "note_change_id", "card_change_id"),
        *("collection_id", "person_id"),
    )
    ids: dict[str, int | str] = {**dict.fromkeys(numbers, 1), "consent_id": "0" * 32, "path": f"user/{JODI}/card"}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("api."):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                path = adapter.build(rule.endpoint, {name: ids[name] for name in rule.arguments}, method=method)
                found.append((method, path.removeprefix("/api/v1")))
    return found


def test_every_route_refuses_who_has_no_valid_token(site: ThreadSite, robin: Browser) -> None:
    good = make_token(site, ROBIN)
    broken = [None, "", "bqf_", good[:-1], good[:-1] + ("A" if good[-1] != "A" else "B"), text.new(), "x" * 5_000]
    for method, path in [*paths(site.app), ("GET", "/nothing"), ("PUT", "/payments")]:
        for token in broken:
            with rows.behind(site.app):
                db.session.execute(db.text("DELETE FROM login_throttle"))
                db.session.commit()
            answer = Program(site.url, token).call(path, method=method)
            assert answer.status_code == 401, (method, path, token)
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="bunqflask"')
            assert answer.headers["Content-Type"] == "application/problem+json"
    assert Program(site.url, good).call("/accounts").status_code == 200


def test_a_login_of_a_browser_is_no_token(site: ThreadSite, robin: Browser) -> None:
    page = robin.get("/api/v1/accounts")
    with_address = requests.get(f"{site.url}/api/v1/accounts?access_token={make_token(site, ROBIN)}", timeout=30)

    assert (page.status, with_address.status_code) == (401, 401)


def test_each_route_needs_its_scope(site: ThreadSite, robin: Browser) -> None:
    for scope in set(TokenScope) - LINK_SCOPES:
        program = program_of(site, ROBIN, scopes=(scope,))
        for method, path in paths(site.app):
            answer = program.call(path, method=method)
            if answer.status_code == 403:
                challenge = answer.headers["WWW-Authenticate"]
                assert f'error="insufficient_scope", scope="{scope}"' not in challenge
                assert 'error="insufficient_scope"' in challenge
                assert answer.json()["code"] == "insufficient_scope"
    only_balances = program_of(site, ROBIN, scopes=(TokenScope.BALANCES_READ,))
    assert only_balances.call("/payments").status_code == 403
    assert only_balances.call("/payments/1/notes").status_code == 403
    assert only_balances.call("/accounts").status_code == 200


def test_a_narrowed_token_does_not_know_the_other_accounts(site: ThreadSite, robin: Browser) -> None:
    everything = program_of(site, ROBIN)
    narrowed = program_of(site, ROBIN, account_ids=(2,))
    of_others = [each for each in everything.get("/payments", limit=100)["items"] if each["account_id"] != "2"]

    assert [each["id"] for each in narrowed.get("/accounts")["items"]] == ["2"]
    assert narrowed.get("/connections")["items"][0]["account_ids"] == ["2"]
    assert {each["account_id"] for each in narrowed.get("/payments", limit=100)["items"]} == {"2"}
    for path in [*OF_ACCOUNT_1, f"/payments/{of_others[0]['id']}", f"/payments/{of_others[0]['id']}/notes"]:
        there, nowhere = narrowed.call(path), narrowed.call(path.replace("1", "987", 1) if "1" in path else path)
        assert there.status_code == 404, path
        assert there.json() == nowhere.json()


def test_a_token_never_sees_more_than_its_member(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    of_sam = program_of(site, SAM)
    before = of_sam.get("/accounts")["items"]
    share(robin, accounts=[1])
    shared = of_sam.get("/accounts")["items"]
    robin.get("/connections/1/sharing")

    assert before == []
    assert [(each["id"], each["is_held"]) for each in shared] == [("1", False)]
    assert of_sam.call("/accounts/2").status_code == 404
    assert of_sam.call("/connections/1/sync", method="POST").status_code == 404


def test_reading_what_another_holds_is_in_the_audit_trail_for_each_token(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[1])
    for program in (program_of(site, SAM), program_of(site, SAM)):
        program.get("/payments")
        program.get("/payments")

    with rows.behind(site.app):
        query = db.select(AuditEvent).where(AuditEvent.kind == AuditKind.ACCOUNT_VIEWED).order_by(AuditEvent.id)
        events = [(event.facts["token"], event.actor_text) for event in db.session.scalars(query)]

    assert events == [(1, f"sam <{SAM}>"), (2, f"sam <{SAM}>")]


def test_a_token_ends_with_its_time_its_member_and_a_reset(site: ThreadSite, robin: Browser) -> None:
    def status() -> int:
        return of_sam.call("/accounts").status_code

    add_member(site.app, SAM)
    of_sam = program_of(site, SAM)
    found = [status()]
    with rows.behind(site.app):
        sam = members.require(SAM)
        roles.lock(OPERATOR, sam.id)
    found.append(status())
    with rows.behind(site.app):
        roles.unlock(OPERATOR, sam.id)
    found.append(status())
    with rows.behind(site.app):
        db.session.execute(db.update(ApiToken).values(expires_at=clock.now() - timedelta(seconds=1)))
        db.session.commit()
    found.append(status())
    of_sam = program_of(site, SAM)
    found.append(status())
    with rows.behind(site.app):
        resets.make(SAM)
    found.append(status())
    of_sam = program_of(site, SAM)
    found.append(status())
    with rows.behind(site.app):
        offboarding.remove(OPERATOR, sam.id)
    found.append(status())

    assert found == [200, 401, 200, 401, 200, 401, 200, 401]


def test_a_guests_token_ends_with_the_guest(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM, role=TeamRole.GUEST)
    program = program_of(site, SAM)
    before = program.call("/accounts").status_code
    with rows.behind(site.app):
        db.session.execute(
            db.text("UPDATE team_member SET ends_at = :now WHERE email = :email"),
            {"now": (clock.now() - timedelta(minutes=1)).replace(tzinfo=None), "email": SAM},
        )
        db.session.commit()

    assert (before, program.call("/accounts").status_code) == (200, 401)


def test_a_token_is_used_only_from_its_networks(site: ThreadSite, robin: Browser) -> None:
    here = program_of(site, ROBIN, networks=("127.0.0.0/8",))
    elsewhere = program_of(site, ROBIN, networks=("192.0.2.0/24", "2001:db8::/32"))

    assert here.call("/accounts").status_code == 200
    assert elsewhere.call("/accounts").status_code == 401


def test_refused_tokens_of_one_network_are_answered_less_and_less(site: ThreadSite, robin: Browser) -> None:
    statuses = [Program(site.url, text.new()).call("/accounts").status_code for _ in range(32)]

    assert statuses == [401] * 30 + [429] * 2
    assert program_of(site, ROBIN).call("/accounts").status_code == 200


@pytest.mark.parametrize(
    "terms",
    [
        {"name": " "},
        {"name": "x" * 121},
        {"scopes": ()},
        {"days": 0},
        {"days": 366},
        {"account_ids": ()},
        {"networks": ("home",)},
    ],
    ids=str,
)
def test_a_token_that_cannot_be_made_says_why(site: ThreadSite, robin: Browser, terms: dict[str, object]) -> None:
    with pytest.raises(TokenRefused, match=r"\w"):
        make_token(site, ROBIN, **terms)
    with rows.behind(site.app):
        assert tokens.list_for(members.require(ROBIN)) == []


def test_a_token_cannot_name_an_account_that_its_member_does_not_see(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    sam = sign_in(site, SAM)
    sam.get("/developers")
    page = sam.submit(button="Make the token", name="mine", accounts="some", account="1")

    assert page.status == 404
    with rows.behind(site.app):
        assert tokens.list_for(members.require(SAM)) == []


def test_nothing_stored_or_logged_is_a_token(
    site: ThreadSite, robin: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    token = make_token(site, ROBIN)
    Program(site.url, token).call("/accounts")
    with rows.behind(site.app):
        row = db.session.scalars(db.select(ApiToken)).one()
        stored = repr({column.name: getattr(row, column.name) for column in table_of(ApiToken).columns})

    assert token[12:] not in stored
    assert token[12:] not in caplog.text
    assert TokenTerms(name="a", scopes=()).days == 90


def test_an_expired_token_is_listed_for_a_month_and_then_deleted(site: ThreadSite, robin: Browser) -> None:
    make_token(site, ROBIN, name="of last year")
    counts = []
    for days in (29, 31):
        with rows.behind(site.app):
            db.session.execute(db.update(ApiToken).values(expires_at=clock.now() - timedelta(days=days)))
            db.session.commit()
        rows.run_duties(site.app)
        counts.append(rows.count(site.app, ApiToken))
        if days == 29:
            assert "Expired" in robin.get("/developers").text

    assert counts == [1, 0]


def test_the_command_line_narrows_lists_and_ends_tokens(site: ThreadSite, robin: Browser) -> None:
    iban = program_of(site, ROBIN).get("/accounts")["items"][1]["iban"]
    asked = ["token", "add", ROBIN, "--scope", "balances:read", "--days", "7", "--account", iban]
    made = site.app.test_cli_runner().invoke(args=asked)
    token = made.output.splitlines()[-1]
    program = Program(site.url, token)
    seen = [each["iban"] for each in program.get("/accounts")["items"]]
    listed = site.app.test_cli_runner().invoke(args=["token", "list", ROBIN]).output
    ended = site.app.test_cli_runner().invoke(args=["token", "end", ROBIN, token])
    unknown = site.app.test_cli_runner().invoke(args=[*asked[:-1], "NL00NONE"])

    assert seen == [iban]
    assert token[:12] in listed
    assert token not in listed
    assert (ended.exit_code, program.call("/accounts").status_code) == (0, 401)
    assert unknown.exit_code != 0
    assert "sees no account NL00NONE" in unknown.output
