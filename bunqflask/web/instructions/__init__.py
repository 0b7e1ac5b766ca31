"""What this site writes at bunq: what is switched on, and drafts, requests, links and transfers."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.instructions import abilities, pay, transfers

    app.register_blueprint(pay.bp)
    app.register_blueprint(abilities.bp)
    app.register_blueprint(transfers.bp)
