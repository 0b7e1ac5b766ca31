"""Where bunq calls us: answered at once, whatever it says."""

from __future__ import annotations

from flask import Blueprint, Response, request

from bunqflask import jobs
from bunqflask.services import webhooks
from bunqflask.web.security import public

bp = Blueprint("hooks", __name__)


@bp.post(webhooks.PATH + "<token>")
@public
def take(token: str) -> Response:
    """A hint that something has happened. bunq sends no form token, and its address is the secret."""
    if not webhooks.take(token, request.get_json(force=True, silent=True)):
        return Response(status=404)
    jobs.wake()
    return Response(status=200)
