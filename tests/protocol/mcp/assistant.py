"""An assistant's side of MCP over HTTP, written by the specification of either generation."""

from __future__ import annotations

from typing import Any

import requests

from tests.protocol.api.program import make_token
from tests.support.apps import ThreadSite

CURRENT, EARLIER = "2026-07-28", "2025-11-25"
META = "io.modelcontextprotocol/"
ACCEPTS = {"Accept": "application/json, text/event-stream"}


def request_of(method: str, params: dict[str, Any] | None = None, version: str = CURRENT) -> dict[str, Any]:
    """Return a request, with all that its revision wants."""
    given = dict(params or {})
    if version == CURRENT:
        given["_meta"] = {f"{META}protocolVersion": version, f"{META}clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": given}


def headers_of(message: dict[str, Any], version: str = CURRENT) -> dict[str, str]:
    """Return the headers that go with a request."""
    headers = {**ACCEPTS, "MCP-Protocol-Version": version}
    if version == CURRENT:
        headers["Mcp-Method"] = message["method"]
        if message["method"] == "tools/call":
            headers["Mcp-Name"] = message["params"]["name"]
    return headers


class Assistant:
    """Calls one site with one token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = f"{url}/mcp"
        self.session = requests.Session()
        self.session.trust_env = False
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def post(self, body: Any = None, **how: Any) -> requests.Response:
        """Send a body as it is, with these headers."""
        return self.session.post(self.url, json=body, timeout=30, allow_redirects=False, **how)

    def send(self, method: str, params: dict[str, Any] | None = None, version: str = CURRENT) -> requests.Response:
        """Send a request of a revision."""
        message = request_of(method, params, version)
        return self.post(message, headers=headers_of(message, version))

    def result(self, method: str, params: dict[str, Any] | None = None, version: str = CURRENT) -> Any:
        """Return the result of a request that succeeds."""
        answer = self.send(method, params, version)
        assert answer.status_code == 200, answer.text
        assert answer.json()["id"] == 7
        return answer.json()["result"]

    def call(self, tool: str, version: str = CURRENT, **arguments: Any) -> dict[str, Any]:
        """Return the result of a tool."""
        result: dict[str, Any] = self.result("tools/call", {"name": tool, "arguments": arguments}, version)
        return result

    def read(self, tool: str, **arguments: Any) -> Any:
        """Return what a tool found."""
        result = self.call(tool, **arguments)
        assert result["isError"] is False, result
        return result["structuredContent"]


def assistant_of(site: ThreadSite, email: str, **terms: Any) -> Assistant:
    """Return an assistant with a new token of a member."""
    return Assistant(site.url, make_token(site, email, **terms))
