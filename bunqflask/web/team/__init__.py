"""The team: its people and invitations, logging in, and a member's own settings."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.team import factors, invitations, login, passkeys, people, settings

    for area in (factors, login, passkeys, settings, people, invitations):
        app.register_blueprint(area.bp)
