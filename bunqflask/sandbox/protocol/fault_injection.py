"""Fault injection: replace an answer, change it, or break the connection.

`bank/faults.py` holds which faults are active.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from bunqflask.sandbox.bank.faults import KINDS, STATUS_TEXTS, Fault
from bunqflask.sandbox.bank.rate_limits import classic_limit
from bunqflask.sandbox.bank.store import Json
from bunqflask.sandbox.bank.wire import error_body, to_bytes

UNSIGNED = {401, 403, 409, 429, 491, 500}

Sign = Callable[[bytes], str | None]


@dataclass(frozen=True)
class Injection:
    """A fault and the answer it changes. `sign` returns None without a known key; `closing` ends delays early."""

    fault: Fault
    answer: Response
    sign: Sign
    closing: threading.Event


def inject(fault: Fault, answer: Response, sign: Sign, closing: threading.Event) -> Response:
    """Return the response that the client receives instead of `answer`, whose headers are complete."""
    injection = Injection(fault, answer, sign, closing)
    return _refuse(injection) if fault.fault in STATUS_TEXTS else INJECTIONS[fault.fault](injection)


def _with_body(injection: Injection, body: bytes) -> Response:
    injection.answer.set_data(body)
    if "X-Bunq-Server-Signature" in injection.answer.headers:
        injection.answer.headers["X-Bunq-Server-Signature"] = injection.sign(body) or ""
    return injection.answer


def _refuse(injection: Injection) -> Response:
    status, text = STATUS_TEXTS[injection.fault.fault]
    calls, seconds = classic_limit(request.method, request.path)
    text = text.format(calls=calls, seconds=seconds)
    injection.answer.status_code = status
    injection.answer.content_type = "application/json"
    body = to_bytes(error_body(text))
    injection.answer.set_data(body)
    injection.answer.headers.pop("X-Bunq-Server-Signature", None)
    if status not in UNSIGNED and (signature := injection.sign(body)):
        injection.answer.headers["X-Bunq-Server-Signature"] = signature
    return injection.answer


def _html(injection: Injection) -> Response:
    status = int(injection.fault.fault.removeprefix("html-"))
    name = {502: "Bad Gateway", 503: "Service Temporarily Unavailable"}[status]
    page = f"<html>\r\n<head><title>{status} {name}</title></head>\r\n<body><h1>{status} {name}</h1></body>\r\n</html>"
    return Response(page, status, content_type="text/html")


def _reset(injection: Injection) -> Response:
    """Break the connection without sending a byte."""
    sockets = [request.environ.get(name) for name in ("werkzeug.socket", "gunicorn.socket")]

    def nothing() -> Iterator[bytes]:
        for connection in filter(None, sockets):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Without this the server would keep the connection and wait for the next request on it.
            connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError(errno.ECONNRESET, "fault: connection reset")
        yield b""  # never reached: makes this a generator, so that it fails only when the server starts to send

    return Response(nothing(), injection.answer.status_code)


def _timeout(injection: Injection) -> Response:
    injection.closing.wait(injection.fault.seconds)
    return _reset(injection)


def _truncated(injection: Injection) -> Response:
    body = injection.answer.get_data()

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        raise ConnectionResetError(errno.ECONNRESET, "fault: truncated body")

    cut = Response(half(), injection.answer.status_code, dict(injection.answer.headers))
    cut.headers["Content-Length"] = str(len(body))
    return cut


def _slow_drip(injection: Injection) -> Response:
    body = injection.answer.get_data()
    pause = injection.fault.seconds / max(len(body), 1)

    def drip() -> Iterator[bytes]:
        for position in range(len(body)):
            injection.closing.wait(pause)
            yield body[position : position + 1]

    slow = Response(drip(), injection.answer.status_code, dict(injection.answer.headers))
    slow.headers["Content-Length"] = str(len(body))
    return slow


def _invalid_json(injection: Injection) -> Response:
    return _with_body(injection, injection.answer.get_data()[:-1] + b",")


def _empty(injection: Injection) -> Response:
    return _with_body(injection, b"")


def _bad_signature(injection: Injection) -> Response:
    injection.answer.headers["X-Bunq-Server-Signature"] = (
        injection.sign(injection.answer.get_data() + b" ") or "bm90IGEgc2lnbmF0dXJl"
    )
    return injection.answer


def _missing_signature(injection: Injection) -> Response:
    injection.answer.headers.pop("X-Bunq-Server-Signature", None)
    return injection.answer


def _content_type(injection: Injection) -> Response:
    injection.answer.content_type = "text/html; charset=UTF-8"
    return injection.answer


def _header_case(injection: Injection) -> Response:
    lower = [(name.lower(), value) for name, value in injection.answer.headers]
    injection.answer.headers.clear()
    for name, value in lower:
        injection.answer.headers.add(name, value)
    return injection.answer


def _edit(change: Callable[[list[Json]], list[Json]]) -> Callable[[Injection], Response]:
    def edit_items(injection: Injection) -> Response:
        try:
            envelope = json.loads(injection.answer.get_data())
        except ValueError:
            return injection.answer
        if not isinstance(envelope.get("Response"), list):
            return injection.answer
        envelope["Response"] = change(envelope["Response"])
        return _with_body(injection, to_bytes(envelope))

    return edit_items


def _unknown_fields(items: list[Json]) -> list[Json]:
    for item in items:
        for value in item.values():
            if isinstance(value, dict):
                value["field_of_tomorrow"] = {"kind": "NEW", "amount": {"currency": "EUR", "value": "1.00"}}
                value["flag_of_tomorrow"] = True
    return items


def _unknown_types(items: list[Json]) -> list[Json]:
    name = "MonetaryAccountOfTomorrow" if any("MonetaryAccount" in key for item in items for key in item) else "New"
    return [{name: {"id": 1, "description": "A type nobody knows"}}, *items]


def _null_members(items: list[Json]) -> list[Json]:
    def without(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        essential = ("balance", "amount")
        return {
            name: None if isinstance(each, list | dict) and name not in essential else each
            for name, each in value.items()
        }

    kept = ("Id", "Token", "ServerPublicKey", "UserApiKey")
    return [
        {**{name: each if name in kept else without(each) for name, each in item.items()}, "NothingHere": None}
        for item in items
    ]


INJECTIONS: dict[str, Callable[[Injection], Response]] = {
    "html-502": _html,
    "html-503": _html,
    "timeout": _timeout,
    "slow-drip": _slow_drip,
    "reset": _reset,
    "truncated": _truncated,
    "invalid-json": _invalid_json,
    "empty": _empty,
    "bad-signature": _bad_signature,
    "missing-signature": _missing_signature,
    "wrong-content-type": _content_type,
    "header-case": _header_case,
    "reordered": _edit(lambda items: items[::-1]),
    "unknown-fields": _edit(_unknown_fields),
    "unknown-types": _edit(_unknown_types),
    "null-members": _edit(_null_members),
}
assert set(KINDS) == set(STATUS_TEXTS) | set(INJECTIONS)
