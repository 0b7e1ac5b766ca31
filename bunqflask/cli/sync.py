"""`flask sync`: bring payments up to date by hand, or from cron."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext

from bunqflask.database.encryption import SecretUnreadable
from bunqflask.services.connections import access
from bunqflask.services.sync import payment_sync

# Nobody else waits: a first history may sit out bunq's limits for as long as it takes.
_PATIENCE_S = 600.0
_BAR_WIDTH = 20


@click.command("sync")
@click.option("--connection", "connection_id", type=int, help="Only this connection, by its number.")
@click.option("--full", is_flag=True, help="Read the whole history again, for what has changed since.")
@with_appcontext
def sync_command(connection_id: int | None, full: bool) -> None:
    """Bring accounts and payments up to date; exit 1 when some of it did not work."""
    found = access.list_active()
    if connection_id is not None:
        found = [connection for connection in found if connection.id == connection_id]
        if not found:
            raise click.ClickException(f"There is no active connection {connection_id}.")
    elif not found:
        click.echo("There is no active connection.")
    went_well = [_one(connection.id, full) for connection in found]
    if not all(went_well):
        raise SystemExit(1)


def _one(connection_id: int, full: bool) -> bool:
    try:
        connection = access.by_id(connection_id)
        click.echo(f"{connection.display_name}:")
        went_well = payment_sync.run(connection, patience_s=_PATIENCE_S, full=full, tell=_tell)
        return went_well or _say_why(connection_id)
    except access.NotFoundHere:
        return True  # there is nothing left to read
    except SecretUnreadable as unreadable:
        # The others can be read all the same.
        click.echo(f"  stopped: a stored secret cannot be opened: {unreadable}")
        return False


def _say_why(connection_id: int) -> bool:
    """Say what stands in the way of a connection that was not read to its end; False, as it was not."""
    connection = access.by_id(connection_id)  # asked again: it may have been erased meanwhile
    if connection.status != "active":
        click.echo(f"  {connection.status}: {connection.display_name} needs to approve again")
    elif connection.trouble is not None:
        words = (connection.trouble_facts or {}).get("words", "")
        click.echo(f"  stopped: {connection.trouble} {words}".rstrip())
    return False


def _tell(progress: payment_sync.Progress) -> None:
    name = f"  {progress.account.description[:30]:<30}"
    if progress.trouble == payment_sync.NOT_LISTED:
        click.echo(f"{name} {progress.kept} payments; bunq does not list any more of this account")
    elif progress.trouble is not None:
        click.echo(f"{name} {progress.kept} payments; stopped: {progress.trouble}")
    elif progress.done:
        click.echo(f"{name} {progress.kept} payments, up to date")
    elif sys.stdout.isatty():
        # Written over by the next line; a log, from cron, gets the last one only.
        click.echo(f"{name} {_bar(progress.kept, progress.expected)}\r", nl=False)


def _bar(kept: int, expected: int | None) -> str:
    """Return a bar with the words for it; without an end in sight, the words alone."""
    if expected is None:
        return f"{kept} payments so far"
    done = _BAR_WIDTH * kept // max(kept, expected, 1)
    return f"[{'#' * done}{'.' * (_BAR_WIDTH - done)}] {kept} of about {expected}"
