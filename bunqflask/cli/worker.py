"""`flask worker`: do the duties in the background."""

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from bunqflask.worker import Worker


@click.command("worker")
@with_appcontext
def worker_command() -> None:
    """Finish consents and sync payments, until told to end. Several may run."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    Worker(app).run()
