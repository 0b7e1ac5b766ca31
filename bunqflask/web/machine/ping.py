"""Where the doctor calls this server through its public address."""

from __future__ import annotations

from flask import Blueprint, Response

from bunqflask.services.doctor import ping
from bunqflask.web.marks import public

bp = Blueprint("ping", __name__)


@bp.get(ping.PATH + "<token>")
@public
def answer(token: str) -> Response:
    """The proof that a one-time value of the doctor's came here; anybody else learns nothing."""
    proof = ping.answer(token)
    return Response(f"{proof}\n", mimetype="text/plain") if proof else Response(status=404)
