"""Assistants: how one asks a member for access (OAuth 2.1), and the page on which the member answers."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.extensions import csrf
    from bunqflask.web.assistants import approval, metadata, programs

    # Programs send no form token; what counts is in their bodies, and no cookie does.
    csrf.exempt(programs.bp)
    app.register_blueprint(metadata.bp)
    app.register_blueprint(programs.bp)
    app.register_blueprint(approval.bp)
