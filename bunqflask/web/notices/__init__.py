"""Notices: on every page, as a list, and where else each member wants them."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.notices import choosing, views

    app.register_blueprint(views.bp)
    app.register_blueprint(choosing.bp)
    app.jinja_env.globals["open_notices"] = views.load
