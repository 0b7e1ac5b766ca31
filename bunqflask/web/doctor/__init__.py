"""How this server stands with bunq, and every call to it."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.doctor import views

    app.register_blueprint(views.bp)
