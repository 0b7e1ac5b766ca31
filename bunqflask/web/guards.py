"""What every request passes: the login and the origin of a form."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from bunqflask.services.audit import origin
from bunqflask.services.audit.origin import Origin
from bunqflask.services.team import logins
from bunqflask.web import marks
from bunqflask.web.errors.handlers import OriginRefused

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def init_app(app: Flask) -> None:
    """Install the guards."""
    app.config.update(
        MAX_CONTENT_LENGTH=1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
        # The Origin check below is stricter, and works where a privacy setting withholds the referrer.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.before_request(_guard)
    app.after_request(_store_no_copy)
    app.teardown_request(lambda _error: origin.set_current(None))


def own_path(path: str) -> str:
    """Return the path if it is one of our pages, and the first page for anything else: no open redirect."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or "\\" in path or "\n" in path or "\r" in path:
        return "/"
    try:
        endpoint, _arguments = current_app.create_url_adapter(request).match(  # type: ignore[union-attr]
            path.split("?", 1)[0], method="GET"
        )
    except (HTTPException, RequestRedirect):
        return "/"
    return path if not endpoint.startswith(("login.", "assets.")) and endpoint != "static" else "/"


def _guard() -> ResponseReturnValue | None:
    g.login = g.team_member = None
    _note_origin()
    if request.method not in _SAFE_METHODS:
        _check_origin()
    view = current_app.view_functions.get(request.endpoint or "")
    if marks.needs_no_database(view) or request.endpoint == "static":
        return None
    token = request.cookies.get(current_app.config["LOGIN_COOKIE_NAME"])
    g.login = logins.find(token) if token else None
    g.team_member = g.login.member if g.login else None
    _note_origin()
    # An unknown address asks for a login too, so that nobody learns which ones exist.
    if g.team_member is None and not marks.is_public(view):
        return _ask_for_login(idle=token is not None and logins.is_idle(token))
    # A request that a page makes automatically is no sign of a person.
    if g.login is not None and g.login.needs_touch and not (marks.is_polled(view) and "HX-Request" in request.headers):
        _touch(g.login.id)
    return None


def _note_origin() -> None:
    """Let what this request does be recorded as done from here."""
    origin.set_current(
        Origin(
            member_id=g.team_member.id if g.team_member else None,
            login_id=g.login.id if g.login else None,
            address=request.remote_addr or "",
            browser=request.user_agent.string,
        )
    )


def _touch(login_id: int) -> None:
    """Record the use of a login; a database that takes no write now is no reason to refuse a page."""
    try:
        logins.touch(login_id)
    except DBAPIError as error:
        current_app.logger.warning("the last use of a login is not recorded: %s", error.orig)


def _check_origin() -> None:
    """Refuse a form that another site sent; every current browser says where a POST comes from."""
    ours = "{0.scheme}://{0.netloc}".format(urlsplit(current_app.config["PUBLIC_URL"]))
    origin = request.headers.get("Origin")
    if origin is not None and origin != ours:
        raise OriginRefused(ours)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise OriginRefused(ours)


def _ask_for_login(*, idle: bool) -> ResponseReturnValue:
    came_for = request.full_path.rstrip("?") if request.method == "GET" else ""
    is_htmx = "HX-Request" in request.headers
    if is_htmx:
        came_for = _page_around()
    reason = "idle" if idle else None
    target = url_for("login.log_in", next=came_for if came_for not in ("", "/") else None, reason=reason)
    if is_htmx:
        return Response(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def _page_around() -> str:
    """Return the page of ours that asks for a fragment, as htmx names it: that is where the person is."""
    try:
        current = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return ""
    return current.path.removeprefix(request.script_root) + (f"?{current.query}" if current.query else "")


def _store_no_copy(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
        response.headers.add("Vary", "Cookie")
    return response
