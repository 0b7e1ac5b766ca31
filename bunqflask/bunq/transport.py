"""The one file of the bunq client that opens a socket; it owns the timeouts and the size limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from bunqflask.bunq import errors
from bunqflask.bunq.protocol import BunqRequest, BunqResponse

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
WHOLE_ANSWER_S = 15.0
MAX_ANSWER_BYTES = 20 * 1024 * 1024
# The longest that one call can take: what waits for it (a lease) must be willing to wait longer.
LONGEST_CALL_S = CONNECT_TIMEOUT_S + READ_TIMEOUT_S + WHOLE_ANSWER_S


class _NoCredentials(AuthBase):
    """Keeps requests from adding a password it finds in a .netrc file."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class BoundedAdapter(HTTPAdapter):
    """Reads an answer within a time and a size, however slowly it drips in."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request and read its whole answer.

        :raises requests.RequestException: no answer, or not all of it in time.
        """
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
                    raise requests.ConnectionError("the answer is too large")
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
        return response


def bound(session: requests.Session) -> requests.Session:
    """Give a requests session our limits: for our own calls, and for those that Authlib makes."""
    session.auth = session.auth or _NoCredentials()
    session.max_redirects = 0
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
    return session


class Transport:
    """Sends requests over kept connections. Knows nothing of bunq but its time limits."""

    def __init__(self) -> None:
        self._session = bound(requests.Session())

    def send(self, request: BunqRequest) -> BunqResponse:
        """Send a request and return the response, whatever its status.

        :raises RequestNotSent: no connection could be made.
        :raises TransportFailed: no response, or not all of it.
        """
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
            raise failure(error) from None
        return response_of(answer)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()


def response_of(answer: requests.Response) -> BunqResponse:
    """Take a response of requests apart into plain values."""
    headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
    return BunqResponse(answer.status_code, headers, answer.content)


def failure(error: requests.RequestException) -> errors.TransportFailed:
    """Translate an error of requests; its own text may hold the address, and that a secret."""
    if isinstance(error, requests.ConnectTimeout):
        return errors.RequestNotSent("no connection to bunq in time")
    if isinstance(error, requests.Timeout):
        return errors.TransportFailed("bunq did not answer in time")
    if isinstance(error, requests.exceptions.SSLError):
        return errors.RequestNotSent("no trusted TLS connection to bunq")
    if isinstance(error, requests.ConnectionError) and "NewConnectionError" in repr(error):
        return errors.RequestNotSent("no connection to bunq")
    return errors.TransportFailed("the connection to bunq broke")
