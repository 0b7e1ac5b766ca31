"""Where bunq calls us: answered at once, whatever it says."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from bunqflask.services.sync import webhooks
from bunqflask.web import middleware
from bunqflask.web.marks import public

bp = Blueprint("webhooks", __name__)

# bunq's JSON of one payment is 2 kB.
_LONGEST_BODY = 64 * 1024


@bp.post(webhooks.PATH + "<token>")
@public
def receive(token: str) -> Response:
    """A hint that something has happened. bunq sends no form token, and its address is the secret."""
    try:
        webhooks.receive(
            token,
            _body,
            signature=request.headers.get("X-Bunq-Server-Signature"),
            address=request.remote_addr or "",
        )
    except webhooks.CallbackRefused as refused:
        # One answer for all: who guesses addresses learns nothing.
        current_app.logger.info("a callback from %s was refused: %s", request.remote_addr, refused)
        middleware.give_up_body(request.environ)
        return Response(status=404)
    return Response(status=200)


def _body() -> bytes:
    request.max_content_length = _LONGEST_BODY
    return request.get_data()
