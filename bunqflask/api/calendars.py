"""Reminders to renew as a calendar, at addresses with a token in them: for calendar programs, which send no header."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, g

from bunqflask import calendar_files
from bunqflask.api import blueprint
from bunqflask.models import TokenScope
from bunqflask.services import policy
from bunqflask.services.connections import overview, reminders

bp = Blueprint("calendars", __name__, url_prefix="/calendars/<token>")
blueprint.set_scope(f"{bp.name}.renewals", TokenScope.CALENDAR_READ)


@bp.url_value_preprocessor
def _keep_token(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Take the token out of what the views get; the guard looks at it first."""
    if values is not None:
        g.link_token = values.pop("token")


@bp.get("/renewals.ics")
def renewals() -> Response:
    """The days on which the token's member wants to renew connections."""
    policy.check_can_connect(g.bearer)
    connections = overview.list_all(g.bearer, with_people=False, with_standing=True)
    return current_app.response_class(reminders.calendar(connections), mimetype=calendar_files.MEDIA_TYPE)
