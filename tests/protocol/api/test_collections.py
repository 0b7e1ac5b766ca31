"""Programs ask many people together: the same rules as on the pages, once for each key, within scopes and rights."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import AuditEvent, AuditKind, Collection, Instruction, TeamRole, TokenScope
from tests.protocol.api.program import Program, program_of
from tests.protocol.api.test_writing import WRITES, account, holder, post, writer  # noqa: F401 - fixtures
from tests.protocol.instructions.test_collections import at_bunq, pay, work
from tests.protocol.sandbox.client import MAIN, SECOND, Client
from tests.protocol.web.test_statement_counts import MOST, counted
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, add_member
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share

SAM = "sam@example.org"
ANNA = {"name": "Anna Visser", "amount": "12.50", "payer": {"type": "EMAIL", "value": "anna@example.org"}}
BRAM = {"name": "Bram de Wit", "amount": "20", "payer": {"type": "IBAN", "value": "NL91 ABNA 0417 1643 00"}}
CAS = {"name": "=Cas", "amount": "5.00"}


def wish(program: Program, *people: dict[str, Any], kind: str = "request", **more: str) -> dict[str, Any]:
    """Return the wish for a collection."""
    facts = {"account_id": account(program, MAIN), "name": "Contribution 2026", "description": "Contribution"}
    return {**facts, "kind": kind, "people": list(people or (ANNA, BRAM)), **more}


def begun(program: Program, *people: dict[str, Any], kind: str = "request") -> str:
    """Begin a collection; returns its address below /api/v1."""
    answer = post(program, "/collections", wish(program, *people, kind=kind))
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"].partition("/api/v1")[2])


@pytest.mark.sqlite_only
def test_a_collection_is_begun_shown_paid_asked_again_and_taken_back(
    site: ThreadSite,
    writer: Program,  # noqa: F811
    holder: Client,  # noqa: F811
) -> None:
    where = begun(writer)
    shown = writer.get(where)
    assert (shown["people_count"], shown["amount_asked"], shown["prepared_by"]) == (2, "32.50", "robin")
    assert [each["state"] for each in shown["people"]] == ["being_sent"] * 2
    assert shown["people"][1]["payer"] == {"type": "IBAN", "value": "NL91ABNA0417164300", "name": "Bram de Wit"}
    work(site, times=2)
    anna, bram = writer.get(where)["people"]
    assert anna["reminder"].startswith("Hello Anna Visser,\n\n€12.50 for Contribution is still open.\nYou can pay")
    assert anna["share_url"] in anna["reminder"]
    assert post(writer, f"{where}/people/{bram['id']}/take-back").json()["state"] == "being_taken_back"
    assert post(writer, f"{where}/people/{bram['id']}/ask-again").status_code == 422
    pay(site, anna["share_url"])
    work(site, times=3)
    anna, bram = writer.get(where)["people"]
    assert (anna["state"], anna["received"], anna["reminder"], anna["share_url"]) == ("paid", "12.50", None, None)
    assert (bram["state"], bram["can_ask_again"], anna["can_ask_again"]) == ("taken_back", True, False)
    refused = post(writer, f"{where}/people/{anna['id']}/ask-again")
    assert (refused.status_code, "has paid" in refused.json()["detail"]) == (422, True)
    assert writer.get("/collections")["items"][0]["closed_at"] is not None
    again = [post(writer, f"{where}/people/{bram['id']}/ask-again", key="bram 2") for _each in range(3)]
    assert [each.status_code for each in again] == [202] * 3
    assert len({each.text for each in again}) == 1
    assert post(writer, f"{where}/people/{bram['id']}/ask-again", key="bram 3").status_code == 422
    work(site, times=2)
    assert len(at_bunq(holder, "request-inquiry")) == 3
    assert post(writer, f"{where}/take-back").status_code == 202
    assert post(writer, f"{where}/take-back").status_code == 202
    work(site, times=2)
    assert sorted(each["status"] for each in at_bunq(holder, "request-inquiry")) == ["ACCEPTED", "REVOKED", "REVOKED"]
    assert writer.get(where)["over_count"] == 1


def test_the_same_call_with_the_same_key_asks_everybody_once(
    site: ThreadSite,
    writer: Program,  # noqa: F811
) -> None:
    body = wish(writer, CAS, kind="link")
    headers = {**writer.session.headers, "Idempotency-Key": "club 1"}

    def call(_number: int) -> requests.Response:
        return requests.post(f"{site.url}/api/v1/collections", json=body, headers=headers, timeout=60)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(call, range(6)))
    assert {each.status_code for each in answers} == {202}
    assert len({each.text for each in answers}) == 1
    assert (rows.count(site.app, Collection), rows.count(site.app, Instruction)) == (1, 1)


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("people", "kind", "said"),
    [
        ([], "request", "Expected `array` of length >= 1"),
        ([CAS], "request", "Person 1: A request needs an email address"),
        ([ANNA, ANNA], "request", "Person 2 is the same as person 1"),
        ([CAS, {**CAS, "payer": {"type": "EMAIL", "value": "anna"}}], "link", "Person 2: The email address"),
        ([{**BRAM, "payer": {"type": "IBAN", "value": "NL91ABNA0417164301"}}], "link", "Person 1: The IBAN has a typ"),
        ([{**CAS, "amount": "0.00"}], "link", "Person 1: The amount is above zero"),
        ([{**CAS, "name": "A\u202e"}], "link", "Person 1: A name needs"),
        ([CAS], "draft", "Invalid enum value 'draft'"),
    ],
)
def test_one_person_who_cannot_be_asked_stops_the_whole_list(
    site: ThreadSite,
    writer: Program,  # noqa: F811
    people: list[dict[str, Any]],
    kind: str,
    said: str,
) -> None:
    refused = post(writer, "/collections", {**wish(writer, kind=kind), "people": people})
    assert (refused.status_code, said in refused.json()["detail"]) == (422, True), refused.text
    assert rows.count(site.app, Collection) == rows.count(site.app, Instruction) == 0


@pytest.mark.sqlite_only
def test_a_file_has_the_columns_that_are_named_and_runs_nothing(
    site: ThreadSite,
    writer: Program,  # noqa: F811
) -> None:
    where = begun(writer, CAS, ANNA, kind="link")
    answer = writer.call(f"{where}/content", params={"columns": "amount,name", "decimal": "comma"})
    assert answer.text.removeprefix("\ufeff").splitlines() == ["name;amount", "'=Cas;5,00", "Anna Visser;12,50"]
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert 'filename="Contribution-2026.csv"' in answer.headers["Content-Disposition"]
    head = writer.call(f"{where}/content").text.splitlines()[0]
    assert head.removeprefix("\ufeff") == "name,payer,amount,currency,state,received,paid_at,link,reference"
    for wrong in ({"columns": "name,secret"}, {"columns": ""}, {"decimal": "tab"}, {"more": "1"}):
        assert writer.call(f"{where}/content", params=wrong).status_code == 422, wrong
    with rows.behind(site.app):
        assert len(db.session.scalars(select(AuditEvent).filter_by(kind=AuditKind.COLLECTION_EXPORTED)).all()) == 2


@pytest.mark.sqlite_only
def test_a_token_needs_the_scope_of_what_a_collection_is_sent_as(
    site: ThreadSite,
    writer: Program,  # noqa: F811
) -> None:
    of_requests, of_links = begun(writer, ANNA), begun(writer, CAS, kind="link")
    [person] = writer.get(of_requests)["people"]
    acts = ("/take-back", f"/people/{person['id']}/take-back", f"/people/{person['id']}/ask-again")
    links = program_of(site, ROBIN, scopes=(TokenScope.BALANCES_READ, TokenScope.LINKS_WRITE))
    assert [each["kind"] for each in links.get("/collections")["items"]] == ["link"]
    assert links.get(of_links)["kind"] == "link"
    refused = [
        links.call(of_requests),
        links.call(f"{of_requests}/content"),
        *(post(links, f"{of_requests}{act}") for act in acts),
        post(links, "/collections", wish(links, ANNA)),
    ]
    for answer in refused:
        assert (answer.status_code, answer.json()["detail"]) == (403, "It needs requests:write.")
        assert 'scope="requests:write"' in answer.headers["WWW-Authenticate"]
    reader = program_of(site, ROBIN)
    for path in ("/collections", of_links, f"{of_links}/content"):
        answer = reader.call(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert answer.json()["detail"] == "It needs requests:write or links:write."
    assert {each["state"] for each in writer.get(of_requests)["people"]} == {"being_sent"}


@pytest.mark.sqlite_only
def test_others_and_narrowed_tokens_find_nothing_and_readers_change_nothing(
    site: ThreadSite,
    robin: Browser,
    writer: Program,  # noqa: F811
) -> None:
    add_member(site.app, SAM)
    add_member(site.app, "gus@example.org", role=TeamRole.GUEST)
    answer = post(writer, "/collections", wish(writer), key="of Robin")
    where = str(answer.headers["Location"].partition("/api/v1")[2])
    person = writer.get(where)["people"][0]["id"]
    acts = [f"{where}/take-back", f"{where}/people/{person}/take-back", f"{where}/people/{person}/ask-again"]
    second = int(account(writer, SECOND))
    strangers = [
        program_of(site, SAM, scopes=WRITES),
        program_of(site, "gus@example.org", scopes=WRITES),
        program_of(site, ROBIN, scopes=WRITES, account_ids=(second,)),
    ]
    for stranger in strangers:
        assert stranger.get("/collections")["items"] == []
        for path in (where, f"{where}/content"):
            assert stranger.call(path).status_code == 404
        for path in acts:
            assert post(stranger, path).status_code == 404
        # A key belongs to its token: that of another gets nobody's answer.
        assert post(stranger, "/collections", wish(writer), key="of Robin").status_code == 404
    share(robin)
    reader = program_of(site, SAM, scopes=WRITES)
    shown = reader.get(where)
    assert [each["can_ask_again"] for each in shown["people"]] == [False, False]
    for path in acts:
        assert post(reader, path).status_code == 403
    assert post(reader, "/collections", wish(writer)).status_code == 403
    other = begun(writer, CAS, kind="link")
    for act in ("take-back", "ask-again"):
        assert post(writer, f"{other}/people/{person}/{act}").status_code == 404
    assert rows.count(site.app, Collection) == 2
    with rows.behind(site.app):
        assert db.session.scalars(select(Instruction.id).where(Instruction.cancel_asked_at.is_not(None))).all() == []


@pytest.mark.sqlite_only
def test_350_people_cost_few_statements(
    site: ThreadSite,
    writer: Program,  # noqa: F811
) -> None:
    where = begun(writer, *({"name": f"Member {each}", "amount": "5"} for each in range(350)), kind="link")
    instructions.time_passes(site.app)
    costs = {}
    for path in ("/collections", where, f"{where}/content"):
        with rows.behind(site.app), counted() as statements:
            answer = site.app.test_client().get(f"/api/v1{path}", headers=dict(writer.session.headers))
            assert answer.status_code == 200
        costs[path] = len(statements)
    # A file is an event of the audit trail too, with the end of the chain to which it is added.
    most = {"/collections": MOST, where: MOST, f"{where}/content": MOST + 2}
    assert {path: cost for path, cost in costs.items() if cost > most[path]} == {}
