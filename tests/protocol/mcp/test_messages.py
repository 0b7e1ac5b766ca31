"""Messages that are not as they should be get the errors of the protocol, and never an error of the server."""

import json
from typing import Any

import pytest
import requests

from bunqflask.services.tokens import text
from tests.protocol.mcp.assistant import (
    ACCEPTS,
    CURRENT,
    EARLIER,
    META,
    Assistant,
    assistant_of,
    headers_of,
    request_of,
)
from tests.support.apps import ThreadSite
from tests.support.browser import Browser
from tests.support.consents import ROBIN


def test_without_a_token_it_says_where_to_log_in(site: ThreadSite, robin: Browser) -> None:
    for token in (None, text.new()):
        answer = Assistant(site.url, token).send("tools/list")
        assert answer.status_code == 401
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith("Bearer ")
        assert f'resource_metadata="{site.url}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert robin.get("/mcp").status == 401


@pytest.mark.parametrize("version", [EARLIER, "2025-06-18", "2024-11-05"])
def test_an_earlier_client_begins_with_initialize(assistant: Assistant, version: str) -> None:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "a test", "version": "1"}}
    begun = assistant.post(request_of("initialize", params, EARLIER), headers=ACCEPTS)
    agreed = begun.json()["result"]["protocolVersion"]
    known = assistant.post(
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        headers={**ACCEPTS, "MCP-Protocol-Version": agreed},
    )

    assert begun.status_code == 200
    assert "Mcp-Session-Id" not in begun.headers
    assert agreed == (version if version != "2024-11-05" else EARLIER)
    assert begun.json()["result"]["capabilities"] == {"tools": {}}
    assert (known.status_code, known.content) == (202, b"")
    assert assistant.result("ping", version=agreed) == {}
    assert "resultType" not in assistant.result("tools/list", version=agreed)


def test_a_current_client_needs_no_beginning(assistant: Assistant) -> None:
    found = assistant.result("server/discover")
    listed = assistant.result("tools/list")

    assert found["supportedVersions"][0] == CURRENT
    assert found["resultType"] == listed["resultType"] == "complete"
    assert (listed["cacheScope"], listed["ttlMs"]) == ("private", 300_000)
    assert listed["_meta"][f"{META}serverInfo"]["name"] == "bunqflask"


def test_only_post_is_allowed(assistant: Assistant) -> None:
    for method in ("GET", "DELETE", "PUT"):
        answer = assistant.session.request(method, assistant.url, timeout=30)
        assert (answer.status_code, sorted(answer.headers["Allow"].split(", "))) == (405, ["OPTIONS", "POST"]), method


def test_a_page_of_another_site_is_refused(assistant: Assistant) -> None:
    message = request_of("tools/list")
    ours = assistant.url.removesuffix("/mcp")
    for origin, status in ((ours, 200), ("https://evil.example", 403), ("null", 403), (f"{ours}.evil.example", 403)):
        answer = assistant.post(message, headers={**headers_of(message), "Origin": origin})
        assert answer.status_code == status, origin


def without(name: str) -> dict[str, str]:
    headers = headers_of(request_of("tools/call", {"name": "connections"}))
    del headers[name]
    return headers


CALL = request_of("tools/call", {"name": "connections", "arguments": {}})
NO_CAPABILITIES = {**CALL, "params": {**CALL["params"], "_meta": {f"{META}protocolVersion": CURRENT}}}
WRONG_HEADERS = (
    (CALL, without("MCP-Protocol-Version"), -32020),
    (CALL, without("Mcp-Method"), -32020),
    (CALL, without("Mcp-Name"), -32020),
    (CALL, {**headers_of(CALL), "Mcp-Method": "tools/list"}, -32020),
    (CALL, {**headers_of(CALL), "Mcp-Name": "list_accounts"}, -32020),
    (CALL, {**headers_of(CALL), "Mcp-Name": "=?base64?%%%?="}, -32020),
    (CALL, {**headers_of(CALL), "MCP-Protocol-Version": EARLIER}, -32020),
    (request_of("tools/list", {}, EARLIER), headers_of(request_of("tools/list")), -32602),
    (NO_CAPABILITIES, headers_of(CALL), -32602),
    (request_of("tools/list", {}, EARLIER), {**ACCEPTS, "MCP-Protocol-Version": "1900-01-01"}, -32022),
    (request_of("tools/list", {}, EARLIER), ACCEPTS, -32020),
)


@pytest.mark.parametrize(("message", "headers", "code"), WRONG_HEADERS, ids=range(len(WRONG_HEADERS)))
@pytest.mark.sqlite_only
def test_headers_that_do_not_fit_are_refused(
    assistant: Assistant, message: dict[str, Any], headers: dict[str, str], code: int
) -> None:
    answer = assistant.post(message, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    if code == -32022:
        assert CURRENT in answer.json()["error"]["data"]["supported"]


def test_a_name_in_base64_is_read(assistant: Assistant) -> None:
    answer = assistant.post(CALL, headers={**headers_of(CALL), "Mcp-Name": "=?base64?Y29ubmVjdGlvbnM=?="})

    assert answer.status_code == 200


ODD: tuple[tuple[bytes, int, int], ...] = (
    (b"", 400, -32700),
    (b"{", 400, -32700),
    (b"\xff\xfe", 400, -32700),
    (b"[" * 100_000, 400, -32700),
    (b"[]", 400, -32600),
    (json.dumps([CALL, CALL]).encode(), 400, -32600),
    (b"null", 400, -32600),
    (b'"tools/list"', 400, -32600),
    (b"{}", 400, -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":1,"result":{}}', 400, -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}', 400, -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":3}}', 400, -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}', 400, -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["x"]}}', 400, -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}', 400, -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}', 200, -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/list"}', 200, -32601),
    (b'{"jsonrpc":"2.0","id":"\\ud800","method":"resources/list"}', 400, -32700),
)


@pytest.mark.sqlite_only
def test_odd_bodies_get_errors_of_the_protocol(assistant: Assistant) -> None:
    headers = {**ACCEPTS, "MCP-Protocol-Version": EARLIER, "Content-Type": "application/json"}
    for body, status, code in ODD:
        answer = assistant.session.post(assistant.url, data=body, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), body[:80]
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.sqlite_only
def test_an_unknown_method_and_odd_arguments_of_the_current_revision(assistant: Assistant) -> None:
    unknown = assistant.send("subscriptions/listen")
    odd = [assistant.send("tools/call", {"name": "connections", "arguments": each}) for each in ([1], "x", 7, True)]

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, -32601)
    assert [each.json()["result"]["isError"] for each in odd] == [True] * 4


@pytest.mark.sqlite_only
def test_what_is_no_json_and_what_is_too_large_is_refused(site: ThreadSite, robin: Browser) -> None:
    assistant = assistant_of(site, ROBIN)
    form: requests.Response = assistant.session.post(assistant.url, data={"a": "b"}, timeout=30)
    large = assistant.session.post(
        assistant.url, data=b" " * 2_000_000, headers={"Content-Type": "application/json"}, timeout=30
    )

    assert (form.status_code, large.status_code) == (415, 413)
    assert {form.headers["Content-Type"], large.headers["Content-Type"]} == {"application/problem+json"}
