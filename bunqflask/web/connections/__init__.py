"""Connections and their accounts."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.connections import conditions, sharing, views

    app.register_blueprint(views.bp)
    app.register_blueprint(conditions.bp)
    app.register_blueprint(sharing.bp)
