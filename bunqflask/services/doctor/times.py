"""How the doctor writes a time: in this site's time zone, which it names, as its report may go to other places."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import current_app, has_app_context


def local(at: datetime) -> str:
    """Return a time to the minute; in UTC where a check is made without the app."""
    zone = current_app.config["TIME_ZONE"] if has_app_context() else UTC
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
