"""What programs call: health checks, bunq's callbacks, browsers' reports and fixed addresses."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.extensions import csrf
    from bunqflask.web.machine import health, ping, reports, webhooks, well_known

    # bunq sends no form token; the secret is in the address that it calls.
    csrf.exempt(webhooks.bp)
    # Nor does a browser with its reports.
    csrf.exempt(reports.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(ping.bp)
    app.register_blueprint(webhooks.bp)
    app.register_blueprint(reports.bp)
    app.register_blueprint(well_known.bp)
