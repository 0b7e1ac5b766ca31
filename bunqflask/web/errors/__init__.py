"""Errors as pages."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Answer every error with a page that a person can use."""
    from bunqflask.web.errors import handlers

    handlers.init_app(app)
