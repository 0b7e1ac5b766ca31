"""What programs look for at fixed addresses: whom to tell of a fault, where passwords are changed, what not to index.

https://www.rfc-editor.org/rfc/rfc9116 · https://www.w3.org/TR/change-password-url/
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, abort, current_app, redirect, url_for
from flask.typing import ResponseReturnValue

from bunqflask import clock
from bunqflask.web.marks import public, without_database

bp = Blueprint("well_known", __name__)

# The standard recommends less than a year.
_VALID = timedelta(days=180)


@bp.get("/.well-known/security.txt")
@public
@without_database
def security_txt() -> Response:
    """Whom to tell of a vulnerability, where SECURITY_CONTACT says so."""
    contact = current_app.config["SECURITY_CONTACT"]
    if not contact:
        abort(404)
    lines = [
        f"Contact: {contact}",
        f"Expires: {clock.now() + _VALID:%Y-%m-%dT00:00:00Z}",
        f"Canonical: {url_for('well_known.security_txt', _external=True)}",
        "Preferred-Languages: en",
    ]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


@bp.get("/.well-known/change-password")
@public
@without_database
def change_password() -> ResponseReturnValue:
    """Where a password manager sends a member who wants another password."""
    return redirect(url_for("settings.index"))


@bp.get("/robots.txt")
@public
@without_database
def robots() -> Response:
    """Nothing here is for a search engine."""
    return Response("User-agent: *\nDisallow: /\n", mimetype="text/plain")
