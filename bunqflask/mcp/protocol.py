"""MCP's messages: one JSON-RPC request in, one response out, without a session, whichever way they travel.

Two generations of clients are served. Those of 2026-07-28 say in each request which revision they speak; those before
begin with `initialize`, of which nothing has to be remembered, as there is nothing but tools that read.

https://modelcontextprotocol.io/specification/2026-07-28/basic · https://www.jsonrpc.org/specification
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import msgspec
from werkzeug.datastructures import Headers

from bunqflask.api.blueprint import VERSION
from bunqflask.mcp import tools, untrusted
from bunqflask.mcp.tools import TOOLS, ToolFailed
from bunqflask.services.principal import TokenBearer

CURRENT = "2026-07-28"
EARLIER = ("2025-11-25", "2025-06-18")
SUPPORTED = (CURRENT, *EARLIER)
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
_META = "io.modelcontextprotocol/"
_SERVER = {"name": "bunqflask", "title": "bunqflask", "version": VERSION}
_INSTRUCTIONS = (
    "Reads bank accounts, balances and payments of one team member, and changes nothing. Amounts are decimal texts, "
    "negative where money went out. " + untrusted.NOTICE
)
# The tools are the same until the server is updated.
_LIST_FOR_MS = 300_000


class Refused(Exception):
    """A request is answered with an error of the protocol; `status` is that of HTTP."""

    def __init__(self, code: int, message: str, *, status: int = 400, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.data = code, message, status, data


@dataclass(frozen=True)
class Message:
    """A request, or a notification, which has no id; `is_current` tells which generation it is of."""

    method: str
    params: dict[str, Any]
    id: str | int | None
    is_current: bool


@dataclass(frozen=True)
class Reply:
    """What is sent back: a status of HTTP, and a response, or None after a notification."""

    status: int
    body: dict[str, Any] | None


def reply_to(data: bytes, bearer: TokenBearer, headers: Headers | None = None) -> Reply:
    """Return the reply to a message, also to one that is none.

    :param headers: those of HTTP; None where messages travel alone.
    :raises ScopeMissing: the token does not allow the tool.
    """
    request_id: str | int | None = None
    try:
        raw = _decoded(data)
        request_id = _id_of(raw)
        message = _message(raw, request_id, headers)
        if message.id is None:
            return Reply(202, None)
        result = _result(message, bearer)
    except Refused as refused:
        error = {"code": refused.code, "message": refused.message}
        if refused.data is not None:
            error["data"] = refused.data
        return Reply(refused.status, {"jsonrpc": "2.0", "id": request_id, "error": error})
    return Reply(200, {"jsonrpc": "2.0", "id": request_id, "result": result})


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(PARSE_ERROR, "This is no JSON.") from error
    if isinstance(raw, list):
        raise Refused(INVALID_REQUEST, "Send one message at a time: there are no batches in these revisions.")
    if not isinstance(raw, dict):
        raise Refused(INVALID_REQUEST, "A message is a JSON object.")
    return raw


def _id_of(raw: dict[str, Any]) -> str | int | None:
    given = raw.get("id")
    is_id = isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool))
    if "id" in raw and not is_id:
        raise Refused(INVALID_REQUEST, "An id is a text or a whole number.")
    return given


def _message(raw: dict[str, Any], request_id: str | int | None, headers: Headers | None) -> Message:
    method, params = raw.get("method"), raw.get("params", {})
    if raw.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise Refused(INVALID_REQUEST, "This is no request of JSON-RPC 2.0.")
    if not isinstance(params, dict):
        raise Refused(INVALID_PARAMS, "Parameters are a JSON object.")
    meta = params.get("_meta", {})
    if not isinstance(meta, dict):
        raise Refused(INVALID_PARAMS, "`_meta` is a JSON object.")
    if request_id is None:
        return Message(method, params, None, is_current=False)
    named = meta.get(f"{_META}protocolVersion")
    version = named if headers is None else _version(method, named, headers)
    if version is not None and version not in SUPPORTED:
        data = {"supported": list(SUPPORTED), "requested": str(version)[:40]}
        raise Refused(UNSUPPORTED_VERSION, "Unsupported protocol version", data=data)
    is_current = version == CURRENT
    if is_current:
        _check_current(method, params, meta, headers)
    return Message(method, params, request_id, is_current)


def _version(method: str, named: Any, headers: Headers) -> Any:
    """Return the revision of a request by HTTP, which its header names, and since 2026 its body too."""
    in_header = headers.get("MCP-Protocol-Version", "").strip() or None
    if method == "initialize" and named is None:
        return None
    if in_header is None:
        raise Refused(HEADER_MISMATCH, "The header MCP-Protocol-Version is missing.")
    if named is not None and named != in_header:
        raise Refused(HEADER_MISMATCH, "The header MCP-Protocol-Version is not what the body says.")
    return in_header


def _check_current(method: str, params: dict[str, Any], meta: dict[str, Any], headers: Headers | None) -> None:
    """Make sure that a request of the current revision says all that it has to.

    :raises Refused: it does not.
    """
    if f"{_META}protocolVersion" not in meta or not isinstance(meta.get(f"{_META}clientCapabilities"), dict):
        needed = f"{_META}protocolVersion and {_META}clientCapabilities"
        raise Refused(INVALID_PARAMS, f"`_meta` needs {needed}.")
    if headers is None:
        return
    if headers.get("Mcp-Method", "").strip() != method:
        raise Refused(HEADER_MISMATCH, "The header Mcp-Method is not the method of the body.")
    if method == "tools/call" and _plain(headers.get("Mcp-Name")) != params.get("name"):
        raise Refused(HEADER_MISMATCH, "The header Mcp-Name is not the name in the body.")


def _plain(value: str | None) -> str | None:
    """Return the value of a header that may be written in base64, between `=?base64?` and `?=`."""
    value = None if value is None else value.strip()
    if value is None or not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _result(message: Message, bearer: TokenBearer) -> dict[str, Any]:
    """Return the result of a request, as its generation wants it.

    :raises Refused: there is no such method or tool.
    """
    if message.method == "tools/call":
        result = _call(message.params, bearer)
    elif message.method == "tools/list":
        result = _list(message, bearer)
    elif message.is_current and message.method == "server/discover":
        result = {"supportedVersions": list(SUPPORTED), **_ABOUT, **_cacheable()}
    elif not message.is_current and message.method == "initialize":
        return {"protocolVersion": _agreed(message.params), **_ABOUT, "serverInfo": _SERVER}
    elif not message.is_current and message.method == "ping":
        return {}
    else:
        # Earlier revisions leave errors of the protocol to the body.
        status = 404 if message.is_current else 200
        raise Refused(METHOD_NOT_FOUND, "Method not found", status=status)
    if message.is_current:
        result |= {"resultType": "complete", "_meta": {f"{_META}serverInfo": _SERVER}}
    return result


_ABOUT = {"capabilities": {"tools": {}}, "instructions": _INSTRUCTIONS}


def _agreed(params: dict[str, Any]) -> str:
    """Return the revision for a client that begins with `initialize`: the one it asks for, else our newest such."""
    wanted = params.get("protocolVersion")
    return wanted if wanted in EARLIER else EARLIER[0]


def _list(message: Message, bearer: TokenBearer) -> dict[str, Any]:
    if message.params.get("cursor") is not None:
        raise Refused(INVALID_PARAMS, "The list of tools has one page.", status=400 if message.is_current else 200)
    found = {"tools": [tool.description for tool in tools.permitted(bearer)]}
    return {**found, **_cacheable()} if message.is_current else found


def _cacheable() -> dict[str, Any]:
    return {"ttlMs": _LIST_FOR_MS, "cacheScope": "private"}


def _call(params: dict[str, Any], bearer: TokenBearer) -> dict[str, Any]:
    name = params.get("name")
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        raise Refused(INVALID_PARAMS, "There is no such tool.")
    try:
        found = tool.call(bearer, params.get("arguments") or {})
    except ToolFailed as failed:
        return {"content": [_text(str(failed))], "isError": True}
    texts = [_text(untrusted.NOTICE), _text(untrusted.text_of(found))]
    return {"content": texts, "structuredContent": found, "isError": False}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
