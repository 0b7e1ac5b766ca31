"""The door for assistants: the Model Context Protocol (MCP), read only, on the same services as the API."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the endpoint."""
    from bunqflask.extensions import csrf
    from bunqflask.mcp import endpoint

    # A token is in the header of each request, and no cookie counts there.
    csrf.exempt(endpoint.bp)
    app.register_blueprint(endpoint.bp)
