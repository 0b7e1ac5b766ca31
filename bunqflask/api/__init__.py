"""The JSON API: the same services as the pages, for programs with a token."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the API, its guards and its description."""
    from bunqflask.api import access, accounts, blueprint, bunq, connections, description, metrics, payments, server
    from bunqflask.extensions import csrf

    for area in (server, connections, accounts, payments, bunq):
        assert area.__name__  # importing an area adds its views to the blueprint
    access.init_app(app)
    csrf.exempt(blueprint.bp)
    app.register_blueprint(blueprint.bp)
    app.register_blueprint(metrics.bp)
    description.init_app(app)
