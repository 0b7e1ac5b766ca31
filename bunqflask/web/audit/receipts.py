"""What is stored about a bunq user, for the members whose own the accounts are: as a page and as a file."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from flask import Blueprint, Response, g, render_template
from flask.typing import ResponseReturnValue

from bunqflask.services import receipt
from bunqflask.web.audit import presenters

bp = Blueprint("receipts", __name__, url_prefix="/connections/<int:connection_id>/stored")


@bp.get("")
def show(connection_id: int) -> ResponseReturnValue:
    """What is stored, since when, from which consent, and who has seen it."""
    found = receipt.of(g.team_member, connection_id)
    events = [presenters.view(g.team_member, event) for event in found.seen_by]
    return render_template("audit/receipt.html", receipt=found, events=events)


@bp.post("")
def download(connection_id: int) -> ResponseReturnValue:
    """The same as a file, with every event."""
    made = receipt.whole(g.team_member, connection_id)
    response = Response(json.dumps(made, default=_written, indent=2) + "\n", mimetype="application/json")
    name = f"bunqflask-stored-{connection_id}-{made['made_at']:%Y%m%d}.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _written(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")
