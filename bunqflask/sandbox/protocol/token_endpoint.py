"""The token endpoint: an authorization code in, an access token out.

It is not part of bunq's own API: its answers are neither wrapped nor signed.

https://doc.bunq.com/oauth/handle-the-authorization-code
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from flask import Blueprint, Response, request
from werkzeug.datastructures import CombinedMultiDict, MultiDict

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.oauth import TokenRefused, TokenRequest, exchange
from bunqflask.sandbox.bank.people import now_text
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.protocol.dispatch import METHODS
from bunqflask.sandbox.protocol.fault_injection import inject

PATTERN = "/v1/token"


bp = Blueprint("token", __name__)


# Every method, so that the log shows a client that uses a wrong one.
@bp.route("/v1/token", endpoint="api_host", methods=METHODS, provide_automatic_options=False)
@bp.route("/token", endpoint="oauth_host", methods=METHODS, provide_automatic_options=False)
def token() -> Response:
    bank = current()
    started = time.perf_counter()
    verdicts: dict[str, str] = {}
    fault = bank.faults.take(request.method, PATTERN, request.path)
    if fault is not None and fault.when == "before":
        answer = Response(b"", content_type="application/json")
    else:
        answer = _exchange(bank, verdicts)
    if fault is not None:
        verdicts["fault"] = fault.fault
        answer = inject(fault, answer, lambda _body: None, bank.closing)
    bank.calls.add(
        at=now_text(bank.store),
        method=request.method,
        pattern=PATTERN,
        path=request.path,
        status=answer.status_code,
        response_id=str(uuid.uuid4()),
        took_ms=round((time.perf_counter() - started) * 1000, 1),
        verdicts=verdicts,
    )
    return answer


def _exchange(bank: Bank, verdicts: dict[str, str]) -> Response:
    try:
        if bank.is_on("maintenance"):
            raise wire.in_maintenance()
        if request.method != "POST":
            raise wire.wrong_method()
        read, verdicts["parameters"] = _reader(bank.word("token_style"))
        names = ("grant_type", "code", "redirect_uri", "client_id", "client_secret")
        asked = TokenRequest(*(read(name) for name in names))
        with bank.store.transaction():
            answer = exchange(bank, asked)
    except TokenRefused as refused:
        verdicts["refused"] = refused.error
        answer = {"error": refused.error, "error_description": refused.description}
        return Response(wire.to_bytes(answer), 400, content_type="application/json")
    except Refusal as refusal:
        verdicts["refused"] = refusal.text
        return Response(wire.to_bytes(wire.error_body(refusal.text)), refusal.status, content_type="application/json")
    return Response(wire.to_bytes(answer), content_type="application/json")


def _reader(style: str) -> tuple[Callable[[str], str | None], str]:
    """Return how to read a parameter, and what to write down about how they came.

    The switch `token_style` decides whether the address, the form body or either counts. A body of another type,
    "multipart/form-data" too, holds no parameters.
    """
    form = request.form if request.mimetype == "application/x-www-form-urlencoded" else MultiDict[str, str]()
    came = "in the address" if "grant_type" in request.args else "in the body" if form else "missing"
    if style == "query":
        return request.args.get, came
    if style == "form":
        return form.get, came
    return CombinedMultiDict([request.args, form]).get, came
