"""What programs call: health checks and bunq's callbacks."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.extensions import csrf
    from bunqflask.web.machine import health, webhooks

    # bunq sends no form token; the secret is in the address that it calls.
    csrf.exempt(webhooks.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(webhooks.bp)
