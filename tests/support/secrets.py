"""Which secrets went over the wire in a test, so that a test can look for them where they must not be."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

SHORTEST = 8
_NAMES = {
    "access_token",
    "api_key",
    "client_secret",
    "code",
    "code_verifier",
    "password",
    "secret",
    "state",
    "token",
    "token_value",
}


class SecretsSeen:
    """Every secret that a request or an answer of this process carried, and those a test adds."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, kind: str, value: str) -> None:
        """Remember a secret; `kind` is what a failing test calls it."""
        if len(value) >= SHORTEST:
            self._seen.setdefault(value, kind)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Go through (kind, secret)."""
        return iter([(kind, value) for value, kind in self._seen.items()])

    def __len__(self) -> int:
        return len(self._seen)

    def kinds(self) -> set[str]:
        """Return what kinds were seen, so that a test knows its run was a full one."""
        return set(self._seen.values())

    def found_in(self, text: str | bytes, *, except_kinds: Iterable[str] = ()) -> list[str]:
        """Return the kinds of secrets that stand in a text or a file, plain, in base64 or percent-encoded."""
        haystack = text.encode() if isinstance(text, str) else text
        excepted = set(except_kinds)
        return sorted(
            {
                kind
                for value, kind in self._seen.items()
                if kind not in excepted and any(form in haystack for form in _spellings(value))
            }
        )

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look at every request that `requests` sends from this process; nothing about it changes."""
        send = HTTPAdapter.send

        def watched(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            self._read_request(request)
            response = send(adapter, request, **options)
            self._read_response(response, with_body=not options.get("stream"))
            return response

        monkeypatch.setattr(HTTPAdapter, "send", watched)

    def _read_request(self, request: requests.PreparedRequest) -> None:
        token = request.headers.get("X-Bunq-Client-Authentication")
        if token:
            self.add("X-Bunq-Client-Authentication", token)
        self._read_pairs(parse_qsl(urlsplit(request.url or "").query))
        body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else request.body
        if isinstance(body, str):
            self._read_body(body)

    def _read_response(self, response: requests.Response, *, with_body: bool) -> None:
        self._read_pairs(parse_qsl(urlsplit(response.headers.get("Location", "")).query))
        for value in SimpleCookie(response.headers.get("Set-Cookie", "")).values():
            self.add(f"cookie {value.key}", value.value)
        if with_body and response.headers.get("Content-Type", "").startswith("application/json"):
            self._read_body(response.text)

    def _read_body(self, body: str) -> None:
        try:
            self._read_json(json.loads(body))
        except json.JSONDecodeError:
            self._read_pairs(parse_qsl(body))

    def _read_json(self, value: Any) -> None:
        if isinstance(value, Mapping):
            self._read_pairs((name, each) for name, each in value.items() if isinstance(each, str))
        for each in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
            self._read_json(each)

    def _read_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        for name, value in pairs:
            if name in _NAMES:
                self.add(name, value)


def _spellings(value: str) -> set[bytes]:
    plain = value.encode()
    # The last characters of base64 depend on what follows the value, so they are left out.
    encoded = base64.b64encode(plain).rstrip(b"=")[:-1]
    return {plain, encoded, quote(value, safe="").encode(), value.replace("\n", "\\n").encode()}
