"""The browser behind a request, for services and in words."""

from __future__ import annotations

from flask import current_app, request

from bunqflask.i18n import gettext as _
from bunqflask.services.team.visitor import Visitor

_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux")
_BROWSERS = ("Firefox", "Edg", "Chrome", "Safari", "curl")
_NAMES = {"Macintosh": "Mac", "Edg": "Edge"}


def visitor() -> Visitor:
    """Return the browser that makes this request."""
    return Visitor(
        address=request.remote_addr or "",
        user_agent=request.user_agent.string,
        browser_token=request.cookies.get(current_app.config["KNOWN_COOKIE_NAME"], ""),
    )


def device(user_agent: str) -> str:
    """Say which browser it is, such as "Safari on iPhone"; what it claims itself is never shown."""
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    browser = next((name for name in _BROWSERS if name in user_agent), "")
    shown = [_NAMES.get(name, name) for name in (browser, system) if name]
    return _(" on ").join(shown) if shown else _("Unknown browser")
