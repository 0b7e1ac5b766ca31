"""The JSON API: the same services as the pages, for programs with a token."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the API, its guards and its description."""
    from bunqflask.api import (
        access,
        accounts,
        attachments,
        blueprint,
        bunq,
        calendars,
        cards,
        changes,
        collections,
        connections,
        consents,
        description,
        doctor,
        exports,
        instructions,
        metrics,
        note_writing,
        payments,
        server,
        spreadsheet,
    )
    from bunqflask.extensions import csrf

    areas = (
        server,
        connections,
        accounts,
        payments,
        attachments,
        changes,
        exports,
        consents,
        instructions,
        collections,
        note_writing,
        cards,
        bunq,
        doctor,
    )
    for area in areas:
        assert area.__name__  # importing an area adds its views to the blueprint
    access.init_app(app)
    csrf.exempt(blueprint.bp)
    app.register_blueprint(blueprint.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(spreadsheet.bp)
    app.register_blueprint(calendars.bp)
    description.init_app(app)
