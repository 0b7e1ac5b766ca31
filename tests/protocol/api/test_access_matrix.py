"""Every route and method of the API, with the token of everybody: for what is theirs, shared with them, or neither.

The team is that of tests/protocol/web/test_access_matrix, and so are the texts that must not show.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bunqflask import create_app
from bunqflask.config import Config
from bunqflask.extensions import db
from bunqflask.models import Payment
from bunqflask.services import policy
from bunqflask.services.connections import access
from bunqflask.services.principal import Principal, TokenBearer
from bunqflask.services.team import members
from tests.protocol.web.test_access_matrix import FOREIGN, HIDDEN, NOBODY, check_shows_nothing_hidden
from tests.support import asked, rows
from tests.support import team_of_rights as team
from tests.support.apps import bare_environ, let_go
from tests.support.databases import Databases
from tests.support.team_of_rights import MARKED, MIAS, READ

AIMS = {"own": MIAS, "shared": READ, "hidden": HIDDEN, "foreign": FOREIGN}
OF_ACCOUNT = ("account", "balances", "payment", "payment_notes", "attachments")
FILTERED = ("payments", "payment_totals", "payment_months")
ABSENT = {
    "account_id": team.NO_ACCOUNT,
    "connection_id": team.NO_CONNECTION,
    "payment_id": team.NO_ID,
    "attachment_id": 1,
    "export_id": 1,
    "consent_id": team.NO_ATTEMPT,
    "draft_id": team.NO_ID,
    "request_id": team.NO_ID,
    "link_id": team.NO_ID,
    "transfer_id": team.NO_ID,
    "collection_id": team.NO_ID,
    "person_id": team.NO_ID,
    "note_change_id": team.NO_ID,
    "card_change_id": team.NO_ID,
    "note_id": 1,
    "card_id": 1,
}
# What is written at bunq: of accounts that somebody sees, and never a guest's. Robin made all of it.
WRITTEN = (
    *("draft", "money_request", "payment_link", "transfer", "note_change", "card_change"),
    *("show_collection", "collection_content"),
)
ENDINGS = (
    *("cancel_draft", "revoke_money_request", "cancel_payment_link"),
    *("take_back_collection", "take_back_person"),
)
ABSENT_AT_BUNQ = {"path": f"user/{team.NO_ID}/monetary-account/{team.NO_ID}/payment"}
LISTS = ("server", "me", "connections", "accounts", "payments", "payment_totals", "payment_months", "payment_changes")
LISTS_OF_WRITTEN = (
    *("drafts", "money_requests", "payment_links", "transfers", "note_changes", "card_changes"),
    "list_collections",
)
# What the token of each may see of each aim; Mia alone holds something.
SEES = {"mia": {"own", "shared"}, "gus": {"shared"}, "olga": {"shared"}}


class Api:
    """Asks the API over the filled database."""

    def __init__(self, url: str) -> None:
        environ = bare_environ(url) | {"BUNQ_ENVIRONMENT": "local", "API_CALLS_PER_MINUTE": "9999"}
        self.app = create_app(Config.from_env(environ))

    def routes(self) -> list[tuple[str, str]]:
        """Return the method and the view's name of each route."""
        found = [rule for rule in self.app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
        return [
            (method, rule.endpoint.removeprefix("api."))
            for rule in found
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        ]

    def ask(self, person: str, method: str, name: str, ids: Mapping[str, Any], **query: Any) -> TestResponse:
        """Ask with the token of somebody; without one for `anonymous`."""
        rule = next(rule for rule in self.app.url_map.iter_rules() if rule.endpoint == f"api.{name}")
        given = {argument: ids[argument] for argument in rule.arguments}
        path = self.app.url_map.bind("localhost").build(rule.endpoint, given, method=method)
        headers = {} if person == "anonymous" else {"Authorization": f"Bearer {team.api_token_of(person)}"}
        headers["Idempotency-Key"] = uuid.uuid4().hex
        db.session.remove()
        client = self.app.test_client()
        return client.open(path, method=method, query_string=query, headers=headers, buffered=True)

    def send(self, person: str, name: str, body: Mapping[str, Any]) -> TestResponse:
        """Send a JSON object with the token of somebody."""
        rule = next(rule for rule in self.app.url_map.iter_rules() if rule.endpoint == f"api.{name}")
        headers = {"Authorization": f"Bearer {team.api_token_of(person)}"}
        db.session.remove()
        return self.app.test_client().post(rule.rule, json=body, headers=headers, buffered=True)


@pytest.fixture
def api(databases: Databases) -> Iterator[Api]:
    url = databases.copy(team.fill)
    found = Api(url)
    with found.app.app_context():
        yield found
        db.session.remove()
    let_go(found.app)
    databases.forget(url)


def ids_of(account_id: int) -> dict[str, Any]:
    marked = MARKED[account_id]
    asks = asked.Asked(marked.account_id, marked.connection_id, marked.text)
    return {
        "account_id": account_id,
        "connection_id": marked.connection_id,
        "payment_id": marked.payment_row_id,
        "attachment_id": 1,
        "note_id": 1,
        "card_id": 1,
        "export_id": 1,
        "consent_id": team.ATTEMPT_OF_MIA if account_id == MIAS else team.ATTEMPT_OF_ROBIN,
        "draft_id": marked.instruction_id,
        "request_id": asks.request_id,
        "link_id": asks.link_id,
        "transfer_id": asks.transfer_id,
        "collection_id": asks.collection_id,
        "person_id": asks.item_id,
        "note_change_id": asks.note_change_id,
        "card_change_id": asks.card_change_id,
        "path": f"user/{marked.connection_id}/monetary-account/{marked.bunq_id}/payment",
    }


@pytest.mark.parametrize("person", SEES)
def test_a_token_reads_what_its_member_sees_and_nothing_else(api: Api, person: str) -> None:
    for method, name in api.routes():
        for aim, account_id in AIMS.items():
            ids, where = ids_of(account_id), (name, aim)
            query = {"account": str(account_id)} if name in FILTERED else {}
            answer = api.ask(person, method, name, ids, **query)
            check_shows_nothing_hidden(person, answer, {**ids, **query}, where)
            if name in OF_ACCOUNT or name in FILTERED:
                assert answer.status_code == (200 if aim in SEES[person] else 404), where
            if name in WRITTEN or name in ENDINGS or name == "ask_person_again":
                is_seen = aim in SEES[person] and person != "gus"
                # A member who neither prepared it nor holds the account does not take it back.
                may = aim == "own" or person == "olga"
                # Nobody is asked again whose link is still open.
                acts = 202 if name in ENDINGS else 422
                status = 404 if not is_seen else 200 if name in WRITTEN else acts if may else 403
                assert answer.status_code == status, where
            if name == "read_from_bunq":
                # The bank of this team is gone; guests ask bunq for nothing.
                expected = {403} if person == "gus" else {503, 504} if aim in SEES[person] else {404}
                assert answer.status_code in expected, where
            if answer.status_code == 404:
                nothing = {name: str(team.NO_ACCOUNT) for name in query}
                other = api.ask(person, method, name, ABSENT | ABSENT_AT_BUNQ, **nothing)
                assert (other.status_code, other.json) == (answer.status_code, answer.json), where


@pytest.mark.parametrize("person", SEES)
def test_lists_hold_what_they_see_and_nothing_else(api: Api, person: str) -> None:
    seen = {str(each) for each in team.seen_by(person)}
    for name in LISTS + LISTS_OF_WRITTEN:
        check_shows_nothing_hidden(person, api.ask(person, "GET", name, {}), {}, (name,))

    accounts = api.ask(person, "GET", "accounts", {}).json
    payments = api.ask(person, "GET", "payments", {}, limit=100).json
    assert accounts is not None
    assert payments is not None
    assert {each["id"] for each in accounts["items"]} == seen
    assert {each["account_id"] for each in payments["items"]} == seen
    changes = api.ask(person, "GET", "payment_changes", {}).json
    assert changes is not None
    assert {each["id"] for each in changes["added"]} == {each["id"] for each in payments["items"]}
    assert db.session.query(Payment).count() > len(payments["items"])
    for name in LISTS_OF_WRITTEN:
        written = api.ask(person, "GET", name, {}).json
        assert written is not None
        expected = set[str]() if person == "gus" else seen
        assert {each["account_id"] for each in written["items"]} == expected, name


@pytest.mark.parametrize("person", SEES)
def test_only_a_holder_asks_bunq_for_an_update(api: Api, person: str) -> None:
    for aim in ("own", "shared", "foreign"):
        answer = api.ask(person, "POST", "sync_connection", ids_of(AIMS[aim]))
        may = person == "mia" and aim == "own"
        assert answer.status_code == (202 if may else 403 if person == "gus" else 404), aim


@pytest.mark.parametrize("person", SEES)
def test_an_export_holds_what_they_see_and_nothing_else(api: Api, person: str) -> None:
    wish = {"formats": ["jsonl"], "from": "2000-01-01", "to": "2100-01-01"}
    ordered = api.send(person, "order_export", wish)
    assert ordered.status_code == 202, ordered.text
    assert ordered.json is not None
    content = api.ask(person, "GET", "export_content", {"export_id": ordered.json["id"]})
    assert content.status_code == 200, content.text
    check_shows_nothing_hidden(person, content, {}, ("export_content",))
    for aim, account_id in AIMS.items():
        answer = api.send(person, "order_export", {**wish, "account_ids": [str(account_id)]})
        assert answer.status_code == (202 if aim in SEES[person] else 404), aim
    for other in SEES.keys() - {person}:
        for name in ("export", "export_content"):
            assert api.ask(other, "GET", name, {"export_id": ordered.json["id"]}).status_code == 404


@pytest.mark.parametrize("person", SEES)
def test_a_consent_is_known_to_the_member_who_asked_for_it(api: Api, person: str) -> None:
    for method, name in (("GET", "consent"), ("POST", "cancel_consent")):
        for aim in ("own", "hidden"):
            answer = api.ask(person, method, name, ids_of(AIMS[aim]))
            is_mias = person == "mia" and aim == "own"
            assert answer.status_code == (200 if is_mias else 403 if person == "gus" else 404), (name, aim)
    for aim in ("own", "shared", "foreign"):
        answer = api.ask(person, "POST", "renew_connection", ids_of(AIMS[aim]))
        may = person == "mia" and aim == "own"
        assert answer.status_code == (202 if may else 403 if person == "gus" else 404), aim
    begun = api.send(person, "begin_consent", {})
    assert begun.status_code == (403 if person == "gus" else 202)


@pytest.mark.parametrize("person", NOBODY)
def test_the_token_of_who_has_no_access_is_refused_everywhere(api: Api, person: str) -> None:
    for method, name in api.routes():
        # Too many refusals from one address would be answered without a look at the token.
        rows.forget_throttle("token:127.0.0.1")
        answer = api.ask(person, method, name, ids_of(READ))
        assert answer.status_code == 401, name
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_accounts_of_one_connection_are_those_of_all_that_are_on_it(api: Api) -> None:
    """Also for tokens: for all accounts, for one, and for accounts that were all erased since."""
    for person in ("robin", *SEES, "kim"):
        member = members.require(f"{person}@example.org")
        token = TokenBearer(
            id=member.id,
            email=member.email,
            name=member.name,
            role=member.role,
            may_export=member.may_export,
            token_id=1,
            scopes=frozenset(),
        )
        narrowed = [replace(token, account_ids=frozenset(each)) for each in ((), (MIAS,), (READ,))]
        askers: list[Principal] = [member, token, *narrowed]
        for asker in askers:
            seen = policy.accounts_seen_by(asker).values()
            for connection_id in (*team.ACCOUNTS, team.NO_CONNECTION):
                quick = [(each.id, each.right, each.ibans) for each in access.accounts_on(asker, connection_id)]
                assert quick == [
                    (each.row.id, each.right, (each.row.iban, *each.row.other_ibans))
                    for each in seen
                    if each.row.connection_id == connection_id
                ], (person, asker, connection_id)
