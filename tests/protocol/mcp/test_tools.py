"""An assistant's tools return what a program gets from the API, within the same rights, and change nothing."""

import json
from typing import Any

import jsonschema
import pytest
from flask import Flask

from bunqflask.extensions import Base, db
from bunqflask.mcp import untrusted
from bunqflask.mcp.tools import TOOLS
from bunqflask.models import AuditEvent, AuditKind, TokenScope
from tests.protocol.api.program import make_token, program_of
from tests.protocol.mcp.assistant import CURRENT, EARLIER, Assistant, assistant_of
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share

SAM = "sam@example.org"


def arguments_of(assistant: Assistant, tool: str) -> dict[str, str]:
    """Return what a tool cannot do without."""
    if tool == "payment_notes":
        return {"payment": assistant.read("search_payments", limit=1)["items"][0]["id"]}
    return {"account": "1"} if tool == "balances" else {}


def plain(found: Any) -> Any:
    """Return a result without its marks."""
    if isinstance(found, dict):
        if found.keys() == {untrusted.KEY}:
            return found[untrusted.KEY]
        return {name: plain(each) for name, each in found.items()}
    return [plain(each) for each in found] if isinstance(found, list) else found


def test_tools_find_what_the_api_finds(site: ThreadSite, assistant: Assistant) -> None:
    program = program_of(site, ROBIN)
    narrowed = {"min": "10", "direction": "out", "limit": 20}
    first = assistant.read("search_payments", **narrowed)
    second = assistant.read("search_payments", **narrowed, cursor=first["next"])

    assert plain(assistant.read("list_accounts")) == program.get("/accounts")
    assert plain(assistant.read("connections")) == program.get("/connections")
    assert plain(assistant.read("balances", account="1")) == program.get("/accounts/1/balances")
    assert plain(assistant.read("month_totals", account="1")) == program.get("/months", account="1")
    assert plain(first) == program.get("/payments", **narrowed)
    assert plain(second) == program.get("/payments", **narrowed, cursor=first["next"])
    assert len(second["items"]) == 20
    number = first["items"][0]["id"]
    assert plain(assistant.read("payment_notes", payment=number)) == program.get(f"/payments/{number}/notes")
    changed = assistant.read("changes", limit=10)
    assert plain(changed) == program.get("/changes", limit=10)
    assert plain(assistant.read("changes", cursor=changed["next"])) == program.get("/changes", cursor=changed["next"])


@pytest.mark.parametrize("version", [CURRENT, EARLIER])
def test_every_tool_says_that_it_only_reads_and_returns_what_its_schema_describes(
    assistant: Assistant, version: str
) -> None:
    listed = assistant.result("tools/list", version=version)["tools"]

    assert [tool["name"] for tool in listed] == list(TOOLS)
    for tool in listed:
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["inputSchema"]["type"] == tool["outputSchema"]["type"] == "object"
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            jsonschema.Draft202012Validator.check_schema(schema)
        result = assistant.call(tool["name"], version, **arguments_of(assistant, tool["name"]))
        jsonschema.validate(result["structuredContent"], tool["outputSchema"])
        notice, text = (each["text"] for each in result["content"])
        assert notice == untrusted.NOTICE
        assert json.loads(text) == result["structuredContent"]


def test_a_token_lists_and_calls_only_what_its_scopes_allow(site: ThreadSite, robin: Browser) -> None:
    only_balances = assistant_of(site, ROBIN, scopes=(TokenScope.BALANCES_READ,))
    listed = [tool["name"] for tool in only_balances.result("tools/list")["tools"]]
    refused = only_balances.send("tools/call", {"name": "search_payments", "arguments": {}})

    assert listed == ["list_accounts", "balances", "connections"]
    assert refused.status_code == 403
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope", scope="payments:read", resource_metadata="' in challenge


def test_an_account_that_the_token_does_not_see_is_as_one_that_does_not_exist(site: ThreadSite, robin: Browser) -> None:
    narrowed = assistant_of(site, ROBIN, account_ids=(2,))
    of_others = assistant_of(site, ROBIN).read("search_payments", account="1")["items"][0]["id"]

    assert [each["id"] for each in narrowed.read("list_accounts")["items"]] == ["2"]
    assert {each["account_id"] for each in narrowed.read("search_payments", limit=100)["items"]} == {"2"}
    for tool, there, nowhere in (
        ("balances", {"account": "1"}, {"account": "999"}),
        ("search_payments", {"account": "1"}, {"account": "999"}),
        ("month_totals", {"account": "1"}, {"account": "999"}),
        ("payment_notes", {"payment": of_others}, {"payment": "99999"}),
    ):
        assert narrowed.call(tool, **there) == narrowed.call(tool, **nowhere)
        assert narrowed.call(tool, **there)["isError"] is True


def test_what_an_assistant_reads_of_others_is_in_the_audit_trail(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM)
    share(robin, accounts=[1])
    of_sam = assistant_of(site, SAM)
    found = [each["id"] for each in of_sam.read("list_accounts")["items"]]
    for _ in range(2):
        of_sam.read("search_payments")

    with rows.behind(site.app):
        query = db.select(AuditEvent).where(AuditEvent.kind == AuditKind.ACCOUNT_VIEWED)
        events = [(event.facts["token"], event.actor_text) for event in db.session.scalars(query)]
    assert found == ["1"]
    assert events == [(1, f"sam <{SAM}>")]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_payments", {"limit": 1000}),
        ("search_payments", {"from": "yesterday"}),
        ("search_payments", {"sort": "amount"}),
        ("search_payments", {"cursor": "x"}),
        ("search_payments", {"q": "!!!"}),
        ("search_payments", {"q": True}),
        ("search_payments", {"q": ["koffie"]}),
        ("search_payments", {"min": 1e99}),
        ("balances", {}),
        ("balances", {"account": "1", "from": "2020-01-01", "to": "2026-01-01"}),
        ("list_accounts", {"account": "1"}),
        ("payment_notes", {"payment": "-1"}),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_are_an_error_of_the_tool(
    assistant: Assistant, tool: str, arguments: dict[str, Any]
) -> None:
    result = assistant.call(tool, **arguments)

    assert result["isError"] is True
    assert "structuredContent" not in result
    assert len(result["content"][0]["text"]) > 10


def test_numbers_for_ids_and_amounts_are_understood(assistant: Assistant) -> None:
    as_texts = assistant.read("search_payments", account="1", min="10", max="99.5", limit=3)

    assert assistant.read("search_payments", account=1, min=10, max=99.5, limit="3") == as_texts
    assert as_texts["items"]


@pytest.mark.settings(API_CALLS_PER_MINUTE="5")
def test_the_limit_of_calls_is_that_of_the_token_wherever_it_is_used(site: ThreadSite, robin: Browser) -> None:
    token = make_token(site, ROBIN)
    assistant = Assistant(site.url, token)
    answers = [assistant.send("tools/list") for _ in range(6)]

    assert [each.status_code for each in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert assistant.session.get(f"{site.url}/api/v1/me", timeout=30).status_code == 429


def test_no_tool_writes(site: ThreadSite, assistant: Assistant) -> None:
    app: Flask = site.app

    def everything() -> dict[str, list[Any]]:
        with rows.behind(app):
            tables = Base.metadata.sorted_tables
            return {table.name: sorted(map(repr, db.session.execute(table.select()))) for table in tables}

    before = everything()
    for tool in TOOLS:
        assistant.read(tool, **arguments_of(assistant, tool))
    after = everything()

    # The count of its uses, and nothing else.
    assert {table for table in before if before[table] != after[table]} == {"api_token"}
