"""`flask doctor`: what is wrong between this server and bunq, or with this server itself."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from bunqflask.services.doctor import report, runs


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="one JSON object, for programs")
@with_appcontext
def doctor_command(as_json: bool) -> None:
    """Check everything now, also at bunq, and say how to fix what is wrong; exit 1 when something is broken."""
    found = runs.run()
    if as_json:
        click.echo(json.dumps(report.as_json(found), ensure_ascii=False))
    else:
        for line in report.for_terminal(found):
            click.echo(line)
    if found.is_broken:
        raise SystemExit(1)
