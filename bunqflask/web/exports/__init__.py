"""Files for bookkeepers."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.exports import views

    app.register_blueprint(views.bp)
