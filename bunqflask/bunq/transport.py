"""The one file of the bunq client that opens a socket; it owns the timeouts and the size limit."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse, HTTPResponse

from bunqflask import addresses
from bunqflask.bunq import errors
from bunqflask.bunq.protocol import BunqRequest, BunqResponse

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
WHOLE_ANSWER_S = 15.0
MAX_ANSWER_BYTES = 20 * 1024 * 1024
# The longest that one call can take: what waits for it (a lease) must be willing to wait longer.
LONGEST_CALL_S = CONNECT_TIMEOUT_S + 2 * WHOLE_ANSWER_S


# A proxy that is away or refuses, whose address is none, or of a kind that needs another library (SOCKS).
_PROXY_UNUSABLE = (
    requests.exceptions.ProxyError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
)


class _TooLarge(requests.RequestException):
    """An answer that is larger than any we could want."""


class _NoCredentials(AuthBase):
    """Prevents requests from adding a password from a .netrc file."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@contextmanager
def _cut_when_late(connection: HTTPConnection) -> Iterator[None]:
    """Break the connection if the head of an answer takes too long.

    The socket's own time limit begins anew with every byte: a head that drips in would last for hours.
    """
    cutter = threading.Timer(WHOLE_ANSWER_S, _cut, [connection.sock])
    cutter.daemon = True
    cutter.start()
    try:
        yield
    finally:
        cutter.cancel()


def _cut(open_socket: socket.socket) -> None:
    with suppress(OSError):
        open_socket.shutdown(socket.SHUT_RDWR)


class _PlainConnection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with _cut_when_late(self):
            return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with _cut_when_late(self):
            return super().getresponse()


class PlainPool(urllib3.HTTPConnectionPool):
    """Connections whose answers have to begin in time."""

    ConnectionCls = _PlainConnection


class TlsPool(urllib3.HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TlsConnection


class BoundedAdapter(HTTPAdapter):
    """Reads an answer within a time and a size, however slowly it drips in; follows it nowhere."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool of connections, of our own kind."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request and read its whole answer.

        :raises requests.RequestException: no answer, or not all of it in time.
        """
        if addresses.is_loopback(urlsplit(request.url or "").hostname):
            # The proxy that this machine's settings name is for other machines; asked for loopback it means its own.
            kwargs["proxies"] = None
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        response = super().send(request, *args, **{**kwargs, "stream": True})
        deadline = time.monotonic() + WHOLE_ANSWER_S
        body = bytearray()
        raw: BaseHTTPResponse = response.raw
        try:
            while chunk := raw.read1(65536, decode_content=True):
                body += chunk
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout("the answer did not end in time")
                if len(body) > MAX_ANSWER_BYTES:
                    raise _TooLarge("the answer is too large")
        except (HTTPError, OSError) as error:
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError("the answer was cut off") from error
        finally:
            response.close()
        declared = response.headers.get("Content-Length", "")
        if not response.headers.get("Content-Encoding") and declared.isdecimal() and len(body) < int(declared):
            raise requests.ConnectionError("the answer was cut off")
        response._content = bytes(body)
        # No redirect is ever followed, and requests would stumble over a malformed one while preparing to.
        response.headers.pop("Location", None)
        return response


def bound(session: requests.Session) -> requests.Session:
    """Give a requests session our limits: for our own calls, and for those that Authlib makes."""
    session.auth = session.auth or _NoCredentials()
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
    return session


class Transport:
    """Sends requests over persistent connections. Knows nothing of bunq but its time limits."""

    def __init__(self) -> None:
        self._session = bound(requests.Session())

    def send(self, request: BunqRequest) -> BunqResponse:
        """Send a request and return the response, whatever its status.

        :raises RequestNotSent: no connection could be made.
        :raises TransportFailed: no response, or not all of it.
        :raises ResponseNotUnderstood: a response too large to be read.
        """
        if request.method != "GET":
            # bunq may close a persistent connection just when we use it: only a GET could then be sent again.
            self._session.close()
        try:
            answer = self._session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise failure(error, request.url) from None
        return response_of(answer)

    def close(self) -> None:
        """Close the persistent connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def response_of(answer: requests.Response) -> BunqResponse:
    """Take a response of requests apart into plain values."""
    headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
    return BunqResponse(answer.status_code, headers, answer.content)


def failure(error: requests.RequestException, url: str) -> errors.BunqError:
    """Translate an error of requests; its own text may hold the address, and that a secret."""
    if isinstance(error, _TooLarge):
        # Not a failure on the way: to ask again would bring the same once more.
        return errors.ResponseNotUnderstood("bunq's answer is too large")
    proxy = proxy_for(url)
    through = f" through the proxy {proxy}" if proxy else ""
    if isinstance(error, _PROXY_UNUSABLE):
        return errors.RequestNotSent(f"no connection to bunq{through}{_refusal_of_proxy(error)}")
    if isinstance(error, requests.ConnectTimeout):
        return errors.RequestNotSent(f"no connection to bunq in time{through}")
    if isinstance(error, requests.Timeout):
        return errors.TransportFailed(f"bunq did not answer in time{through}")
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return errors.RequestNotSent(f"no trusted TLS connection to bunq{through}")
    if isinstance(cause, NewConnectionError):
        return errors.RequestNotSent(f"no connection to bunq{through}")
    return errors.TransportFailed(f"the connection to bunq{through} broke")


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address, as host and port, without its credentials."""
    if addresses.is_loopback(urlsplit(url).hostname):
        return None
    found: str | None = select_proxy(url, get_environ_proxies(url))
    if not found:
        return None
    try:
        parts = urlsplit(found if "//" in found else f"//{found}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return "of the environment"
    return f"{host}:{port}" if port else host


def _refusal_of_proxy(error: BaseException) -> str:
    """Return what a proxy said to the wish for a tunnel, such as `: 407 Proxy Authentication Required`."""
    said = re.search(r"Tunnel connection failed: (\d{3})", str(error))
    return f": it answers {said[1]}" if said else ""


def _cause(error: BaseException) -> BaseException:
    """Find what lies at the bottom of the errors that urllib3 and requests wrap around each other."""
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    return _cause(inner) if isinstance(inner, BaseException) else error
