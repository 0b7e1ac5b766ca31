"""HTTP in, HTML out."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, g
from flask_wtf.csrf import generate_csrf
from werkzeug.exceptions import NotFound
from werkzeug.routing import IntegerConverter, Map, ValidationError

from bunqflask.config import Config


class _Id(IntegerConverter):
    """An id in an address; one that nothing can have is no address of ours."""

    def to_python(self, value: str) -> int:
        """Read an id.

        :raises NotFound: nothing can have it. Left to Werkzeug, an address with views for other methods is answered
            with 405, as if it existed.
        """
        try:
            return int(super().to_python(value))
        except ValidationError:
            raise NotFound from None


class _RowId(_Id):
    """The id of a row."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**31 - 1)


class _LongId(_Id):
    """An id of 63 bits: bunq's own, or that of a payment's row."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**63 - 1)


def init_app(app: Flask, config: Config) -> None:
    """Register the views, the guards around them and what every template knows."""
    from bunqflask.extensions import csrf
    from bunqflask.web import (
        assistants,
        audit,
        connections,
        consent,
        cookies,
        developers,
        doctor,
        errors,
        exports,
        guards,
        instructions,
        machine,
        middleware,
        notices,
        payments,
        team,
    )
    from bunqflask.web.ui import addresses, amounts, appearance, formatting, htmx, icons, timestamps

    app.url_map.converters |= {"int": _RowId, "long": _LongId}
    app.wsgi_app = middleware.wrap(app.wsgi_app, config)  # type: ignore[method-assign, assignment]
    cookies.init_app(app, config)
    guards.init_app(app)
    csrf.init_app(app)
    # Flask-WTF's own reads its settings for each form again, and a page may have dozens.
    app.jinja_env.globals["csrf_token"] = _csrf_token
    errors.init_app(app)
    for each in (addresses, formatting, icons, appearance, amounts, timestamps):
        each.register(app)
    for area in (
        connections,
        consent,
        payments,
        exports,
        instructions,
        team,
        notices,
        audit,
        developers,
        doctor,
        assistants,
        machine,
    ):
        area.init_app(app)
    app.register_blueprint(htmx.bp)
    app.context_processor(_known_to_templates)


def _known_to_templates() -> dict[str, Any]:
    from bunqflask.services import policy
    from bunqflask.services.instructions import rights
    from bunqflask.web.ui import formatting as ui_formatting
    from bunqflask.web.ui import htmx as ui_htmx

    member = g.get("team_member")
    return {
        "rights": {
            "connect": policy.can_connect(member),
            "export": policy.can_export(member),
            "doctor": policy.can_see_doctor(member),
            "pay": rights.may_see_instructions(member),
        }
        if member
        else {},
        "attention": g.login.attention if g.get("login") else 0,
        "bank": current_app.config["BUNQ_ENVIRONMENT"],
        "member": {
            "name": member.name,
            "email": member.email,
            "initials": ui_formatting.initials(member.name),
            "unread": g.login.unread,
        }
        if member
        else None,
        "htmx_url": ui_htmx.script_url(),
    }


def _csrf_token() -> str:
    """Return the token that each form of this page sends."""
    token: str = g.get("csrf_token") or generate_csrf()
    return token
