"""MCP over HTTP ("streamable HTTP", of which a server may always answer with plain JSON): one address, POST only.

https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, current_app, g, request

from bunqflask.api import problems
from bunqflask.mcp import protocol

bp = Blueprint("mcp", __name__)


@bp.post("/mcp")
def serve() -> Response:
    """Answer one message."""
    if _is_from_elsewhere():
        return problems.answer(403, "Another site may not call this", code="foreign_origin")
    if request.mimetype != "application/json":
        return problems.answer(415, "Send JSON", "The Content-Type is application/json.")
    reply = protocol.reply_to(request.get_data(), g.bearer, request.headers)
    if reply.body is None:
        return current_app.response_class(status=reply.status)
    return current_app.response_class(msgspec.json.encode(reply.body), reply.status, mimetype="application/json")


def _is_from_elsewhere() -> bool:
    """Tell whether a page of another site sent this; programs outside a browser name no origin."""
    ours = "{0.scheme}://{0.netloc}".format(urlsplit(current_app.config["PUBLIC_URL"]))
    return request.headers.get("Origin", ours) != ours
