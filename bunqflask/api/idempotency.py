"""Calls that write something need an `Idempotency-Key`: the same call with the same key is done once.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from flask import Response, current_app, g, make_response, request

from bunqflask.api import problems
from bunqflask.services.tokens import idempotency
from bunqflask.services.tokens.idempotency import KeptAnswer, KeyUsedOtherwise

HEADER = "Idempotency-Key"
_LONGEST_KEY = 255


class _NotDone(Exception):
    """The call was refused: nothing of it is to be kept."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def once(view: Callable[..., Any]) -> Callable[..., Any]:
    """Run a view within one transaction with its answer, which a repeat gets again.

    The view calls services that take part in the caller's transaction. One that fails leaves no trace, so that the
    same key can be used again.
    """

    @functools.wraps(view)
    def wrapped(*arguments: Any, **named: Any) -> Response:
        key = request.headers.get(HEADER, "")
        if not key or len(key) > _LONGEST_KEY or not (key.isascii() and key.isprintable()):
            detail = f"Send a header {HEADER} with a text of your own, such as a UUID, and the same again in a repeat."
            return problems.answer(400, "An Idempotency-Key is needed", detail, code="idempotency_key_needed")

        def work() -> KeptAnswer:
            return _kept(make_response(view(*arguments, **named)))

        try:
            kept = idempotency.once(g.bearer.token_id, key, _hash_of_call(), work)
        except KeyUsedOtherwise:
            detail = "The key was used for another call: make a new one for each."
            return problems.answer(422, "The Idempotency-Key was used otherwise", detail, code="idempotency_key_used")
        except _NotDone as refused:
            return refused.response
        return _answer(kept)

    return wrapped


def _hash_of_call() -> str:
    call = b"\n".join([request.method.encode(), request.full_path.encode(), request.get_data()])
    return hashlib.sha256(call).hexdigest()


def _kept(response: Response) -> KeptAnswer:
    if response.status_code >= 300:
        raise _NotDone(response)
    return KeptAnswer(response.status_code, response.get_data(as_text=True), response.headers.get("Location", ""))


def _answer(kept: KeptAnswer) -> Response:
    headers = {"Location": kept.location} if kept.location else {}
    return current_app.response_class(kept.answer, kept.status, headers, content_type="application/json")
