"""Consent in the browser."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views and error handlers."""
    from bunqflask.web.consent import errors, holder_views, views  # noqa: F401 - they register on one blueprint

    errors.init_app(app)
    app.register_blueprint(views.bp)
