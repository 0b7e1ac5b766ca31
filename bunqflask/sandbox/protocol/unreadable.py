"""A worker of gunicorn that logs a request whose HTTP it cannot read, and refuses it in bunq's shape.

Such a request never reaches the app: a signature that spans lines, as the `base64` of Linux writes it, is one.
"""

from __future__ import annotations

import socket
import uuid
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from bunqflask.sandbox.bank import people, wire
from bunqflask.sandbox.bank.bank import Bank


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Handles requests on threads, as gunicorn's own worker does."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that failed: one that cannot be read by 400, any other as gunicorn does."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        read = req or getattr(exc, "req", None)
        answer = _refused(self.wsgi.extensions["bank"], str(exc), read)
        try:
            client.sendall(answer)
        except OSError:
            self.log.debug("The client of an unreadable request is gone.")


def _refused(bank: Bank, problem: str, read: Any) -> bytes:
    """Return the answer to an unreadable request, after it was written down; `read` is what could be read of it."""
    text, response_id = f"The request is not valid HTTP: {problem}.", str(uuid.uuid4())
    path = getattr(read, "path", None) or "?"
    bank.calls.add(
        at=people.now_text(bank.store),
        method=getattr(read, "method", None) or "?",
        pattern=path,
        path=path,
        status=400,
        response_id=response_id,
        took_ms=0.0,
        verdicts={"headers": problem, "refused": text},
    )
    body = wire.to_bytes(wire.error_body(text))
    head = (
        "HTTP/1.1 400 Bad Request",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Bunq-Client-Response-Id: {response_id}",
    )
    return "\r\n".join([*head, "", ""]).encode() + body
