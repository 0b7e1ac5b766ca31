"""Every cookie of ours, with the same flags: Secure where the site is https, HttpOnly, SameSite=Lax."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, current_app
from werkzeug.wrappers import Response

from bunqflask.config import Config

_A_YEAR_S = 365 * 24 * 3600


def init_app(app: Flask, config: Config) -> None:
    """Name the cookies, and set the flags of Flask's own session cookie."""
    app.config.update(
        SESSION_COOKIE_NAME=_name(config, "browser"),
        SESSION_COOKIE_PATH=urlsplit(config.PUBLIC_URL).path or "/",
        SESSION_COOKIE_SECURE=config.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        # Lax, not Strict: the way back from bunq begins on another site.
        SESSION_COOKIE_SAMESITE="Lax",
        LOGIN_COOKIE_NAME=_name(config, "login"),
        KNOWN_COOKIE_NAME=_name(config, "known"),
    )


def set_login(response: Response, token: str | None) -> None:
    """Put the login's token into its cookie, or delete the cookie. How long the login lives is decided by its row.

    With the cookie goes what the browser has kept of our pages.
    """
    if token is None:
        response.headers["Clear-Site-Data"] = '"cache"'
    _set(response, current_app.config["LOGIN_COOKIE_NAME"], token or "", max_age=None if token else 0)


def set_browser(response: Response, token: str) -> None:
    """Let this browser be known again at the next login; the cookie stays when the login ends."""
    _set(response, current_app.config["KNOWN_COOKIE_NAME"], token, max_age=_A_YEAR_S)


def set_preference(response: Response, name: str, value: str) -> None:
    """Keep a choice of how pages look in this browser; an empty value forgets it."""
    _set(response, f"bunqflask_{name}", value, max_age=_A_YEAR_S if value else 0)


def _set(response: Response, name: str, value: str, *, max_age: int | None) -> None:
    config = current_app.config
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=config["SESSION_COOKIE_PATH"],
        secure=config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _name(config: Config, name: str) -> str:
    if not config.is_https:
        return f"bunqflask_{name}"
    has_subpath = urlsplit(config.PUBLIC_URL).path not in ("", "/")
    return f"{'__Secure' if has_subpath else '__Host'}-bunqflask_{name}"
