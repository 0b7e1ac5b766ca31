"""`flask worker`: do the work in the background."""

import click
from flask.cli import with_appcontext

from bunqflask import worker


@click.command("worker")
@with_appcontext
def worker_command() -> None:
    """Finish consents and keep payments in step, until told to end. Several may run."""
    worker.current().work()
