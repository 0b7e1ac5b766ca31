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
    from bunqflask.web import guards
    from bunqflask.web.connections import views as connection_views
    from bunqflask.web.consent import views as consent_views
    from bunqflask.web.errors import handlers
    from bunqflask.web.exports import views as export_views
    from bunqflask.web.machine import health, webhooks
    from bunqflask.web.payments import notes
    from bunqflask.web.payments import views as payment_views
    from bunqflask.web.team import login, settings
    from bunqflask.web.ui import formatting as ui_formatting
    from bunqflask.web.ui import htmx as ui_htmx

    app.url_map.converters["int"] = _RowId
    guards.init_app(app, config)
    csrf.init_app(app)
    handlers.init_app(app)
    ui_formatting.register(app)
    for area in (
        login,
        connection_views,
        payment_views,
        notes,
        consent_views,
        settings,
        export_views,
        health,
        webhooks,
        ui_htmx,
    ):
        app.register_blueprint(area.bp)
    # bunq sends no form token; the address it calls is the secret.
    csrf.exempt(webhooks.bp)
    app.context_processor(_known_to_templates)


def _known_to_templates() -> dict[str, Any]:
    from bunqflask.web.team.settings import THEMES
    from bunqflask.web.ui import formatting as ui_formatting
    from bunqflask.web.ui import htmx as ui_htmx

    member = g.get("team_member")
    theme = request.cookies.get("bunqflask_theme", "system")
    return {
        "bank": current_app.config["BUNQ_ENVIRONMENT"],
        "theme": theme if theme in THEMES else "system",
        "hide_amounts": request.cookies.get("bunqflask_hide_amounts") == "1",
        "member": {"name": member.name, "email": member.email, "initials": ui_formatting.initials(member.name)}
        if member
        else None,
        "htmx_url": ui_htmx.script_url(),
    }
