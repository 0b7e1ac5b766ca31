"""HTTP in, HTML out."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g, request
from werkzeug.routing import IntegerConverter, Map

from bunqflask.config import Config


class _RowId(IntegerConverter):
    """A number in an address; one that no row can have is no address of ours."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**63 - 1)


def init_app(app: Flask, config: Config) -> None:
    """Register the views, the guards around them and what every template knows."""
    from bunqflask.extensions import csrf
    from bunqflask.web import (
        accounts,
        auth,
        consent,
        errors,
        exporting,
        formats,
        health,
        hooks,
        htmx,
        notes,
        payments,
        security,
        settings,
    )

    app.url_map.converters["int"] = _RowId
    security.init_app(app, config)
    csrf.init_app(app)
    errors.init_app(app)
    formats.register(app)
    for area in (auth, accounts, payments, notes, consent, settings, exporting, health, hooks, htmx):
        app.register_blueprint(area.bp)
    # bunq sends no form token; the address it calls is the secret.
    csrf.exempt(hooks.bp)
    app.context_processor(_known_to_templates)


def _known_to_templates() -> dict[str, Any]:
    from bunqflask.web import formats, htmx
    from bunqflask.web.settings import THEMES

    member = g.get("team_member")
    theme = request.cookies.get("bunqflask_theme", "system")
    return {
        "bank": current_app.config["BUNQ_ENVIRONMENT"],
        "theme": theme if theme in THEMES else "system",
        "hide_amounts": request.cookies.get("bunqflask_hide_amounts") == "1",
        "member": {"name": member.name, "email": member.email, "initials": formats.initials(member.name)}
        if member
        else None,
        "htmx_url": htmx.script_url(),
    }
