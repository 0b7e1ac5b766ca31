"""Where bunq calls us: answered at once, whatever it says."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from bunqflask.services.sync import webhooks
from bunqflask.web.marks import public

bp = Blueprint("webhooks", __name__)


@bp.post(webhooks.PATH + "<token>")
@public
def receive(token: str) -> Response:
    """A hint that something has happened. bunq sends no form token, and its address is the secret."""
    try:
        webhooks.receive(
            token,
            request.get_data(),
            signature=request.headers.get("X-Bunq-Server-Signature"),
            address=request.remote_addr or "",
        )
    except webhooks.CallbackRefused as refused:
        # One answer for all: who guesses addresses learns nothing.
        current_app.logger.info("a callback from %s was refused: %s", request.remote_addr, refused)
        return Response(status=404)
    return Response(status=200)
