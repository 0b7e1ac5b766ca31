"""The official Python SDK of MCP uses our server as an assistant does; run in an environment of its own.

Each step is one line of JSON. `{"open": address}` asks the test to open a browser there; the answer, the facts that the
browser brought back, comes as a line of JSON on standard input.
"""

# mypy: ignore-errors
# ruff: noqa: BLE001, SIM117 - a step that fails must not end the story
from __future__ import annotations

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

TOOLS = ["list_accounts", "balances", "search_payments", "month_totals", "payment_notes", "changes", "connections"]


def say(**facts):
    print(json.dumps(facts), flush=True)


class Memory:
    """Keeps what the SDK wants to keep."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def use(client):
    """List the tools and read with one of them; the SDK checks each result against the tool's schema."""
    listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == TOOLS
    assert all(tool.annotations.read_only_hint for tool in listed.tools)
    accounts = await client.call_tool("list_accounts", {})
    assert not accounts.is_error
    first = accounts.structured_content["items"][0]
    assert "untrusted_text" in first["name"]
    days = await client.call_tool("balances", {"account": first["id"]})
    assert not days.is_error
    odd = await client.call_tool("search_payments", {"limit": 1000})
    assert odd.is_error
    return client.protocol_version


async def by_header(url, token, mode):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            return await use(client)


async def by_stdio(command):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ), cwd=command[-1])
    server.args = server.args[:-1]
    async with Client(server) as client:
        return await use(client)


async def by_login(url):
    memory = Memory()

    async def open_browser(address):
        say(open=address)

    async def came_back():
        facts = json.loads(await asyncio.to_thread(sys.stdin.readline))
        return AuthorizationCodeResult(**{name: facts[name] for name in ("code", "state", "iss")})

    described = OAuthClientMetadata(client_name="SDK", redirect_uris=["http://127.0.0.1:3030/callback"])
    provider = OAuthClientProvider(url, described, memory, open_browser, came_back)
    async with httpx2.AsyncClient(auth=provider, trust_env=False) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            await use(client)
            before = memory.tokens.access_token
            # As if an hour had passed: the SDK fetches the next tokens by itself.
            provider.context.token_expiry_time = 1
            await use(client)
            assert memory.tokens.access_token != before
    return memory.tokens.scope


async def main():
    url, token, *command = sys.argv[1:]
    steps = {
        "by_header": lambda: by_header(url, token, "auto"),
        "by_header_as_before_2026": lambda: by_header(url, token, "legacy"),
        "by_stdio": lambda: by_stdio(command),
        "by_login": lambda: by_login(url),
    }
    for name, step in steps.items():
        try:
            say(step=name, error=None, result=await asyncio.wait_for(step(), 60))
        except BaseException as error:
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            say(step=name, error=repr(error))


asyncio.run(main())
