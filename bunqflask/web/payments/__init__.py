"""Payments and the notes on them."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register the area's views."""
    from bunqflask.web.payments import note_writing, notes, views

    app.register_blueprint(notes.bp)
    app.register_blueprint(note_writing.bp)
    app.register_blueprint(views.bp)
