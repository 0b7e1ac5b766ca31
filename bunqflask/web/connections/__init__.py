"""Connections and their accounts."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.connections import views

    app.register_blueprint(views.bp)
