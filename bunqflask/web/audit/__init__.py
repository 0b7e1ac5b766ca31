"""Who saw or did what, and what is stored about a bunq user."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.audit import receipts, views

    app.register_blueprint(views.bp)
    app.register_blueprint(receipts.bp)
