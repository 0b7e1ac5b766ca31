"""MCP without HTTP: what is an error of HTTP there is one of JSON-RPC here."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError

from bunqflask.api.problems import ScopeMissing
from bunqflask.mcp import protocol
from bunqflask.services.tokens import rate_limit, tokens
from bunqflask.services.tokens.rate_limit import CallLimitReached
from bunqflask.services.tokens.tokens import TokenUnknown

# From where a token is used that a program on this machine has.
HERE = "127.0.0.1"
_INTERNAL_ERROR = -32603
_log = logging.getLogger(__name__)


def answer_to(line: bytes, token: str, limit: int) -> bytes | None:
    """Return the answer to a message, without a line break; None after a notification.

    :param limit: how many calls a minute the token can make.
    """
    try:
        bearer = tokens.bearer_of(token, HERE)
        rate_limit.count_call(bearer.token_id, limit, HERE)
        body = protocol.reply_to(line, bearer).body
    except TokenUnknown:
        body = _error(line, 401, "The token is expired or ended.")
    except CallLimitReached as reached:
        body = _error(line, 429, f"Too many calls. The next one is possible in {reached.wait_s} seconds.")
    except ScopeMissing as missing:
        body = _error(line, 403, str(missing))
    except DBAPIError as error:
        _log.error("the database does not answer: %s", error.orig)
        body = _error(line, _INTERNAL_ERROR, "The database does not answer right now.")
    return None if body is None else msgspec.json.encode(body)


def _error(line: bytes, code: int, message: str) -> dict[str, Any] | None:
    """Return an error as the answer to a message; None to a notification."""
    try:
        raw = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        raw = {"id": None}
    given = raw.get("id") if isinstance(raw, dict) else None
    if isinstance(raw, dict) and "id" not in raw:
        return None
    is_id = isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool))
    return {"jsonrpc": "2.0", "id": given if is_id else None, "error": {"code": code, "message": message}}
