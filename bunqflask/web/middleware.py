"""WSGI middleware: the site's own address, request bodies that break, security headers on every response."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bunqflask.config import Config

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment


# Forms and callbacks are a few kilobytes.
_BODY_WITHIN_S = 10.0


def wrap(app: WSGIApplication, config: Config) -> WSGIApplication:
    """Put the middleware around an app."""
    return SecurityHeaders(PublicUrl(ReadableBody(app), config.PUBLIC_URL), config)


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

    Servers raise errors of their own for a body that is not what its headers say, such as broken chunks. A body that
    takes too long is a failure too: its sender would hold a thread for as long as they like.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"] = _Body(environ["wsgi.input"], environ)
        return self._app(environ, start_response)


class _Body:
    def __init__(self, stream: InputStream, environ: WSGIEnvironment) -> None:
        self._stream = stream
        self._environ = environ
        self._until_s = time.monotonic() + _BODY_WITHIN_S

    def read(self, size: int = -1) -> bytes:
        # Ends the reading, however slowly the bytes come.
        end = threading.Timer(max(self._until_s - time.monotonic(), 0), give_up_body, [self._environ])
        end.daemon = True
        end.start()
        try:
            return self._stream.read(size)
        except Exception as error:
            raise OSError("the body of a request cannot be read") from error
        finally:
            end.cancel()


def give_up_body(environ: WSGIEnvironment) -> None:
    """Take no more of a request's body. The server would wait for its end even when nobody reads it."""
    connection: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)


class SecurityHeaders:
    """Adds to every answer what browsers are to forbid; here, so that none can leave without.

    A view may set a policy of its own.
    """

    def __init__(self, app: WSGIApplication, config: Config) -> None:
        self._app = app
        self._headers = _headers(config)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error_kind: Any) -> Callable[[bytes], object]:
            given = {name.lower() for name, _value in headers}
            added = [each for each in self._headers if each[0].lower() not in given]
            return start_response(status, headers + added, *error_kind)

        return self._app(environ, start)


def _content_security_policy(config: Config) -> str:
    # Consent starts with a form whose answer leads on to bunq: browsers check that redirect too.
    bunq = "{0.scheme}://{0.netloc}".format(urlsplit(config.BUNQ_OAUTH_AUTHORIZE_URL))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"form-action 'self' {bunq}; frame-ancestors 'none'; base-uri 'none'; "
        "report-to csp"
    )


def _headers(config: Config) -> list[tuple[str, str]]:
    headers = {
        "Content-Security-Policy": _content_security_policy(config),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Addresses here hold consent links and attempt ids: none of them reaches bunq or anybody else.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Reporting-Endpoints": f'csp="{config.PUBLIC_URL}/reports"',
        "X-Robots-Tag": "noindex",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    }
    if config.is_https:
        subdomains = "; includeSubDomains" if config.HSTS_SUBDOMAINS == "yes" else ""
        headers["Strict-Transport-Security"] = f"max-age=31536000{subdomains}"
    return list(headers.items())
