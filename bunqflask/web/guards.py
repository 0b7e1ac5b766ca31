"""What every request passes: the site's own address, the login, the origin of a form, the headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as BaseResponse

from bunqflask.config import Config
from bunqflask.extensions import read_only
from bunqflask.services.team import logins
from bunqflask.web.errors.handlers import OriginRefused
from bunqflask.web.late_session import LateSessionInterface

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

View = TypeVar("View", bound=Callable[..., Any])

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_A_YEAR_S = 365 * 24 * 3600


def public(view: View) -> View:
    """Mark a view that needs no login. A test lists them all."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def polled(view: View) -> View:
    """Mark a view that pages ask for by themselves: such a request is no sign that somebody is there."""
    view.is_polled = True  # type: ignore[attr-defined]
    return view


class PublicUrl:
    """Makes PUBLIC_URL win over whatever a request or a proxy says about scheme, host and subpath."""

    def __init__(self, app: WSGIApplication, public_url: str) -> None:
        self._app = app
        parts = urlsplit(public_url)
        self._scheme, self._host, self._prefix = parts.scheme, parts.netloc, parts.path.rstrip("/")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.url_scheme"], environ["HTTP_HOST"] = self._scheme, self._host
        environ["SCRIPT_NAME"] = self._prefix
        # A proxy may strip the subpath or pass it on.
        path = environ.get("PATH_INFO", "")
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + "/")):
            environ["PATH_INFO"] = path[len(self._prefix) :]
        return self._app(environ, start_response)


class ReadableBody:
    """Makes every failure to read a request's body an `OSError`, which Werkzeug answers with 400.

    Servers raise errors of their own for a body that is not what its headers say, such as broken chunks.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = _Body(environ["wsgi.input"])
        return self._app(environ, start_response)


class _Body:
    def __init__(self, stream: InputStream) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except Exception as error:
            raise OSError("the body of a request cannot be read") from error


class SecurityHeaders:
    """Adds to every answer what browsers are to forbid; here, so that none can leave without."""

    def __init__(self, app: WSGIApplication, config: Config) -> None:
        self._app = app
        self._headers = _headers(config)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *trouble: Any) -> Callable[[bytes], object]:
            return start_response(status, headers + self._headers, *trouble)

        return self._app(environ, start)


def init_app(app: Flask, config: Config) -> None:
    """Install the guards and the cookie settings."""
    outer = SecurityHeaders(PublicUrl(ReadableBody(app.wsgi_app), config.PUBLIC_URL), config)
    app.wsgi_app = outer  # type: ignore[method-assign]
    app.config.update(
        SESSION_COOKIE_NAME=_cookie_name(config, "browser"),
        SESSION_COOKIE_PATH=urlsplit(config.PUBLIC_URL).path or "/",
        SESSION_COOKIE_SECURE=config.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        # Lax, not Strict: the way back from bunq begins on another site.
        SESSION_COOKIE_SAMESITE="Lax",
        LOGIN_COOKIE_NAME=_cookie_name(config, "login"),
        KNOWN_COOKIE_NAME=_cookie_name(config, "known"),
        MAX_CONTENT_LENGTH=1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,
        # The Origin check below is stricter, and works where a privacy setting withholds the referrer.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.session_interface = LateSessionInterface()
    app.before_request(_guard)
    app.after_request(_keep_no_copy)


def keep_login(response: BaseResponse, token: str | None) -> None:
    """Put the login's token into its cookie, or take the cookie away."""
    config = current_app.config
    name, path = config["LOGIN_COOKIE_NAME"], config["SESSION_COOKIE_PATH"]
    if token is None:
        response.delete_cookie(name, path=path, secure=config["SESSION_COOKIE_SECURE"], httponly=True, samesite="Lax")
        return
    # A session cookie: how long the login lives is decided by its row.
    response.set_cookie(name, token, path=path, secure=config["SESSION_COOKIE_SECURE"], httponly=True, samesite="Lax")


def keep_known(response: BaseResponse, mark: str) -> None:
    """Let this browser be known again at the next login; it stays when the login ends."""
    config = current_app.config
    response.set_cookie(
        config["KNOWN_COOKIE_NAME"],
        mark,
        max_age=_A_YEAR_S,
        path=config["SESSION_COOKIE_PATH"],
        secure=config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


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


def _cookie_name(config: Config, name: str) -> str:
    if not config.is_https:
        return f"bunqflask_{name}"
    has_subpath = urlsplit(config.PUBLIC_URL).path not in ("", "/")
    return f"{'__Secure' if has_subpath else '__Host'}-bunqflask_{name}"


def _guard() -> ResponseReturnValue | None:
    g.login = g.team_member = None
    if request.method in _SAFE_METHODS:
        read_only()
    else:
        _check_origin()
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "needs_no_database", False) or request.endpoint == "static":
        return None
    if token := request.cookies.get(current_app.config["LOGIN_COOKIE_NAME"]):
        asks_by_itself = getattr(view, "is_polled", False) and "HX-Request" in request.headers
        g.login = logins.find(token, is_use=not asks_by_itself)
        g.team_member = g.login.member if g.login else None
    # An unknown address asks for a login too, so that nobody learns which ones exist.
    if g.team_member is None and not getattr(view, "is_public", False):
        return _ask_for_login(idle=token is not None and logins.is_idle(token))
    return None


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


def _content_security_policy(config: Config) -> str:
    # Consent starts with a form whose answer leads on to bunq: browsers check that redirect too.
    bunq = "{0.scheme}://{0.netloc}".format(urlsplit(config.BUNQ_OAUTH_AUTHORIZE_URL))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"form-action 'self' {bunq}; frame-ancestors 'none'; base-uri 'none'"
    )


def _headers(config: Config) -> list[tuple[str, str]]:
    headers = {
        "Content-Security-Policy": _content_security_policy(config),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Addresses here hold consent links and attempt ids: none of them is told to bunq or anybody else.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    }
    if config.is_https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return list(headers.items())


def _keep_no_copy(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
        response.headers.add("Vary", "Cookie")
    return response
