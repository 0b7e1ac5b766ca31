"""Answering a call: find it, do it or let a fault strike, sign what comes back, write it down.

https://doc.bunq.com/basics/authentication/signing
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any

from flask import Flask, Response, request

from . import signing, wire
from .api import Call, Resource, Route
from .bank import Bank
from .faults import Fault, strike
from .routing import Table
from .store import Item
from .wire import Answer, Refusal


def table(resources: Iterable[Resource]) -> Table[Route]:
    """Return how to find the call that a path under /v1 means."""
    return Table((route.method, route.rule, route) for resource in resources for route in resource.routes)


def mount(app: Flask, bank: Bank, calls: Table[Route]) -> None:
    """Let the app answer every call under /v1, and write down also those that bunq does not have."""

    def answer(path: str) -> Response:
        try:
            found = calls.find(request.method, path)
        except LookupError:
            return _serve(bank, _nowhere(Refusal(404, "The item you requested could not be found")))
        if found is None:
            return _serve(bank, _nowhere(Refusal(405, "Method not allowed.")))  # invented text
        route, ids = found
        return _serve(bank, route, **ids)

    app.add_url_rule(
        "/v1/<path:path>",
        endpoint="api",
        view_func=answer,
        methods=["GET", "POST", "PUT", "DELETE"],
        provide_automatic_options=False,
    )


def _nowhere(refusal: Refusal) -> Route:
    """Return the route of a call that bunq does not have: refused, but signed and written down like any other."""

    def refuse(call: Call) -> Answer:
        call.installation = _installation(call)
        raise refusal

    return Route(request.method, "/<unknown>", refuse, auth="none")


def _serve(bank: Bank, route: Route, **ids: Any) -> Response:
    started = time.perf_counter()
    fault = bank.faults.take(route.method, route.pattern, request.path)
    call = Call(bank, route, request.get_data())
    response_id = str(uuid.uuid4())
    if fault is not None and fault.when == "before":
        body, status, content_type, signed = b"", 200, "application/json", False
        call.verdicts["fault"] = fault.fault
    else:
        body, status, content_type, signed = _work(call, ids)
    sign = partial(_sign, call)
    response = Response(body, status, content_type=content_type)
    response.headers["X-Bunq-Client-Response-Id"] = response_id
    if request_id := request.headers.get("X-Bunq-Client-Request-Id"):
        response.headers["X-Bunq-Client-Request-Id"] = request_id
    if signed and (signature := sign(body)):
        response.headers["X-Bunq-Server-Signature"] = signature
    if fault is not None:
        call.verdicts["fault"] = fault.fault
        response = strike(fault, _known_installation(call, response, fault), sign, bank.closing)
    bank.calls.add(
        at=call.now(),
        method=route.method,
        pattern=route.pattern,
        path=request.path,
        status=response.status_code,
        response_id=response_id,
        took_ms=round((time.perf_counter() - started) * 1000, 1),
        verdicts=call.verdicts,
    )
    return response


def _work(call: Call, ids: dict[str, Any]) -> tuple[bytes, int, str, bool]:
    """Do the call; return (body, status, content type, whether bunq would sign it)."""
    try:
        with call.store.transaction():
            call.bank.work_due()
        with call.store.transaction():
            answer = call.route.handler(call, **call.admit(ids))
            return answer.to_bytes(), 200, answer.content_type, answer.signed
    except Refusal as refusal:
        return _refused(call, refusal)
    except (OverflowError, UnicodeEncodeError):
        # The database takes numbers of 64 bits and texts of whole characters; a request may hold others.
        return _refused(call, wire.invalid("A number is too large, or a text is not Unicode."))


def _refused(call: Call, refusal: Refusal) -> tuple[bytes, int, str, bool]:
    call.verdicts["refused"] = refusal.text
    language = request.headers.get("X-Bunq-Language", "en_US")
    body = wire.to_bytes(wire.error_body(refusal.text, language=language))
    return body, refusal.status, "application/json", refusal.signed


def _sign(call: Call, body: bytes) -> str | None:
    if call.installation is None:
        return None
    return signing.sign(call.installation.body["server_private_key"], body)


def _known_installation(call: Call, response: Response, fault: Fault) -> Response:
    """Find out whose key signs a fault's answer when the call itself was never looked at."""
    if call.installation is None and fault.when == "before":
        call.installation = _installation(call)
    return response


def _installation(call: Call) -> Item | None:
    """Return the installation that the token belongs to, without asking whether it may still be used."""
    token = request.headers.get("X-Bunq-Client-Authentication", "")
    session = call.store.named("session", token)
    if session is None:
        return call.store.named("installation", token)
    return call.store.get("installation", session.parent or 0)
