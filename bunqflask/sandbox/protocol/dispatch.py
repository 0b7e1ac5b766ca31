"""Dispatch of API calls: match the route, run the handler, inject a fault, sign the answer, log the call.

Unknown paths and methods take the same way, so that the refusal is signed and logged too.

https://doc.bunq.com/basics/authentication/signing
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any, NoReturn

from flask import Flask, Response, request

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.protocol import signing
from bunqflask.sandbox.protocol.call import Call, Resource, Route
from bunqflask.sandbox.protocol.fault_injection import inject
from bunqflask.sandbox.protocol.routing import Table

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

LOG = logging.getLogger(__name__)


def table(resources: Iterable[Resource]) -> Table[Route]:
    """Return the routing table of all resources."""
    return Table((route.method, route.rule, route) for resource in resources for route in resource.routes)


def mount(app: Flask, calls: Table[Route]) -> None:
    """Add the view that answers every call under /v1."""

    def answer(path: str) -> Response:
        try:
            found = calls.find(request.method, path)
        except LookupError:
            return _serve(current(), _nowhere(path, wire.nothing_there()))
        if found is None:
            return _serve(current(), _nowhere(path, wire.wrong_method()))
        route, ids = found
        return _serve(current(), route, **ids)

    app.add_url_rule(
        "/v1/<path:path>",
        endpoint="api",
        view_func=answer,
        methods=METHODS,
        provide_automatic_options=False,
    )


def _nowhere(path: str, refusal: Refusal) -> Route:
    """Return a route that refuses every caller."""

    def handler(_call: Call) -> NoReturn:
        raise refusal

    return Route(request.method, f"/{path}", handler, auth="none")


def _serve(bank: Bank, route: Route, **ids: Any) -> Response:
    started = time.perf_counter()
    fault = bank.faults.take(route.method, route.pattern, request.path)
    call = Call(bank, route, request.get_data())
    response_id = str(uuid.uuid4())
    if fault is not None and fault.when == "before":
        body, status, content_type, signed = b"", 200, "application/json", False
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
        call.recognise(request.headers.get("X-Bunq-Client-Authentication", ""))
        response = inject(fault, response, sign, bank.closing)
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
    """Run the handler; return (body, status, content type, whether bunq would sign it)."""
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
    except Exception:
        LOG.exception("%s %s failed", call.route.method, call.route.pattern)
        return _refused(call, wire.failed())


def _refused(call: Call, refusal: Refusal) -> tuple[bytes, int, str, bool]:
    call.verdicts["refused"] = refusal.text
    language = request.headers.get("X-Bunq-Language", "en_US")
    body = wire.to_bytes(wire.error_body(refusal.text, language=language))
    return body, refusal.status, "application/json", refusal.signed


def _sign(call: Call, body: bytes) -> str | None:
    if call.installation is None:
        return None
    return signing.sign(call.installation.body["server_private_key"], body)
