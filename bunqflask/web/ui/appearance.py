"""How pages look in this browser: theme and hidden amounts, from its cookies."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, g, has_request_context, request
from werkzeug.local import LocalProxy

THEMES = ("system", "light", "dark")


@dataclass(frozen=True)
class Appearance:
    """What a person chose in this browser."""

    theme: str = "system"
    hide_amounts: bool = False


def current() -> Appearance:
    """Return what the browser of this request asks for; what is usual outside of a request."""
    if not has_request_context():
        return Appearance()
    found: Appearance | None = g.get("appearance")
    if found is None:
        theme = request.cookies.get("bunqflask_theme", "system")
        found = g.appearance = Appearance(
            theme=theme if theme in THEMES else "system",
            hide_amounts=request.cookies.get("bunqflask_hide_amounts") == "1",
        )
    return found


def register(app: Flask) -> None:
    """Give every template `appearance`, also those that are imported without context."""
    app.jinja_env.globals["appearance"] = LocalProxy(current)
