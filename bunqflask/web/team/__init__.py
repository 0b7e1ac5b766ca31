"""The team: its people and invitations, logging in, and a member's own settings."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.team import invitations, login, people, settings

    for area in (login, settings, people, invitations):
        app.register_blueprint(area.bp)
