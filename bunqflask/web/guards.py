"""What every request passes: the login and the origin of a form; and what some pass: a recent proof of who asks."""

from __future__ import annotations

from functools import wraps
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from bunqflask import clock
from bunqflask.api import problems
from bunqflask.i18n import gettext as _
from bunqflask.services.audit import origin
from bunqflask.services.audit.origin import Origin
from bunqflask.services.team import logins, passkeys, recent
from bunqflask.services.team.logins import CurrentLogin
from bunqflask.services.team.throttle import LoginRefused, LoginThrottled
from bunqflask.web import marks
from bunqflask.web.errors.handlers import OriginRefused
from bunqflask.web.marks import View
from bunqflask.web.ui import formatting
from bunqflask.web.ui.htmx import wants_fragment

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# A file of 10 MB, with the rest of its form.
_WITH_FILE_BYTES = 11 * 1024 * 1024
_PASSWORD_FIELD = "confirm_password"  # noqa: S105 - a name, not a password
_PASSKEY_FIELD = "confirm_passkey"


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


def recently_authenticated(view: View) -> View:
    """Let a view change something only if the member proved in the last ten minutes who they are."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        asked = ask_to_confirm()
        answer: ResponseReturnValue = view(*args, **kwargs) if asked is None else asked
        return answer

    return cast(View, guarded)


def ask_to_confirm() -> ResponseReturnValue | None:
    """Return the page that asks for the password, or None if the proof is recent or comes with this request.

    The page holds all that was sent, so the answer to it is the same request once more, with the password.
    """
    if request.method in _SAFE_METHODS or recent.is_recent(g.login):
        return None
    if "HX-Request" in request.headers:
        return Response(status=403)  # the script then sends the form without htmx
    password, passkey = request.form.get(_PASSWORD_FIELD, ""), request.form.get(_PASSKEY_FIELD, "")
    if _PASSWORD_FIELD not in request.form:
        return make_response(_confirm_page())
    try:
        if passkey:
            passkeys.confirm(g.login, passkey)
        else:
            recent.confirm(g.login, password)
    except LoginThrottled as throttled:
        text = _("Too many attempts. Try again after %(time)s.") % {"time": formatting.clock(throttled.until)}
        return make_response(_confirm_page(text), 429)
    except LoginRefused:
        text = _("That passkey doesn’t work here.") if passkey else _("That’s not your password.")
        return make_response(_confirm_page(text), 403)
    return None


def _confirm_page(error: str | None = None) -> str:
    ours = (_PASSWORD_FIELD, _PASSKEY_FIELD, "csrf_token")
    kept = [(name, value) for name, value in request.form.items(multi=True) if name not in ours]
    came_from = urlsplit(request.referrer or "").path.removeprefix(request.script_root)
    return render_template(
        "team/confirm.html",
        action=request.script_root + request.full_path.rstrip("?"),
        kept=kept,
        back=request.script_root + own_path(came_from),
        error=error,
        has_passkey=passkeys.are_possible() and passkeys.have(g.team_member),
    )


def _guard() -> ResponseReturnValue | None:
    g.login = g.team_member = None
    if problems.here():
        return None  # the API has guards of its own, and no cookie counts there
    _note_origin()
    if request.method not in _SAFE_METHODS:
        _check_origin()
    view = current_app.view_functions.get(request.endpoint or "")
    if marks.is_with_file(view):
        request.max_content_length = _WITH_FILE_BYTES
    if marks.needs_no_database(view) or request.endpoint == "static":
        return None
    token = request.cookies.get(current_app.config["LOGIN_COOKIE_NAME"])
    # A request that a page makes automatically asks for a part of it, and is no sign of a person.
    is_automatic = marks.is_polled(view) and wants_fragment()
    g.login = logins.find(token, for_page=not is_automatic) if token else None
    g.team_member = g.login.member if g.login else None
    _note_origin()
    # An unknown address asks for a login too, so that nobody learns which ones exist.
    if g.team_member is None and not marks.is_public(view):
        return _ask_for_login(idle=token is not None and logins.is_idle(token))
    if g.login is not None and _lacks_factor(g.login) and not marks.is_public(view):
        return _leave_for(url_for("factors.index"))
    if g.login is not None and g.login.needs_touch and not is_automatic:
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
    if "HX-Request" in request.headers:
        came_for = _page_around()
    reason = "idle" if idle else None
    target = url_for("login.log_in", next=came_for if came_for not in ("", "/") else None, reason=reason)
    return _leave_for(target)


def _leave_for(target: str) -> ResponseReturnValue:
    if "HX-Request" in request.headers:
        return Response(status=204, headers={"HX-Redirect": target})
    return redirect(target)


def _lacks_factor(login: CurrentLogin) -> bool:
    """Tell whether the team requires a second factor that this member has not, wherever but where they set it up."""
    first_day = login.factor_required_from
    if first_day is None or request.blueprint in ("factors", "passkeys"):
        return False
    return clock.now().astimezone(formatting.zone()).date() >= first_day


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
