"""The browser behind a request, for services."""

from __future__ import annotations

from flask import current_app, request

from bunqflask.services.team.visitor import Visitor


def visitor() -> Visitor:
    """Return the browser that makes this request."""
    return Visitor(
        address=request.remote_addr or "",
        user_agent=request.user_agent.string,
        browser_token=request.cookies.get(current_app.config["KNOWN_COOKIE_NAME"], ""),
    )
