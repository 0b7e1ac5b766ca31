"""Developers: the tokens of a member, and the documentation of the API."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.developers import documentation, token_pages

    app.register_blueprint(documentation.bp)
    app.register_blueprint(documentation.llms_bp)
    app.register_blueprint(token_pages.bp)
