"""`flask status`: how this server stands with bunq."""

import click
from flask.cli import with_appcontext

from bunqflask.services import health_report


@click.command("status")
@with_appcontext
def status_command() -> None:
    """Show how this server stands with bunq, without any secret; exit 1 when something needs a person."""
    report = health_report.report()
    for line in report.lines:
        click.echo(f"{line.name:<16} {line.found}")
        if line.to_do:
            click.echo(f"{'':<16} to do: {line.to_do}")
    if report.needs_a_person:
        raise SystemExit(1)
