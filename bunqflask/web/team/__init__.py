"""Logging in and a member's own settings."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.team import factors, login, notices, passkeys, settings

    app.register_blueprint(factors.bp)
    app.register_blueprint(login.bp)
    app.register_blueprint(notices.bp)
    app.register_blueprint(passkeys.bp)
    app.register_blueprint(settings.bp)
    app.jinja_env.globals["open_notices"] = notices.load
