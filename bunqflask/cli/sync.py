"""`flask sync`: bring payments up to date by hand, or from cron."""

from __future__ import annotations

import sys
from functools import partial

import click
from flask.cli import with_appcontext

from bunqflask.database.encryption import SecretUnreadable
from bunqflask.models import ConnectionState, ConsentGrantState, ErrorKind
from bunqflask.services.connections import access
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.sync import connection_sync
from bunqflask.services.sync.payment_sync import Progress

# A backfill on the command line may wait for bunq's limits for as long as it takes: no page waits for it.
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
        names = {account.id: account.description for account in connection.monetary_accounts}
        report = partial(_report, names)
        succeeded = connection_sync.run(connection_id, patience_s=_PATIENCE_S, full=full, report=report)
        return succeeded or _say_why(connection_id)
    except NotFoundHere:
        return True  # it was erased meanwhile
    except SecretUnreadable as unreadable:
        # The others can be synced all the same.
        click.echo(f"  stopped: a stored secret cannot be opened: {unreadable}")
        return False


def _say_why(connection_id: int) -> bool:
    """Say what stands in the way of a connection that was not synced to its end; False, as it was not."""
    connection = access.by_id(connection_id)  # asked again: it may have been erased meanwhile
    if connection.state != ConnectionState.ACTIVE:
        click.echo(f"  {connection.state}: {connection.display_name} needs to approve again")
    for consent in connection.consents:
        if consent.state == ConsentGrantState.ACTIVE and consent.error_kind is not None:
            message = (consent.error_facts or {}).get("message", "")
            click.echo(f"  stopped: {consent.error_kind} {message}".rstrip())
    return False


def _report(names: dict[int, str], progress: Progress) -> None:
    name = f"  {names.get(progress.account_id, '')[:30]:<30}"
    if progress.error_kind == ErrorKind.NOT_LISTED:
        click.echo(f"{name} {progress.stored} payments; bunq does not list any more of this account")
    elif progress.error_kind is not None:
        click.echo(f"{name} {progress.stored} payments; stopped: {progress.error_kind}")
    elif progress.done:
        click.echo(f"{name} {progress.stored} payments, up to date")
    elif sys.stdout.isatty():
        # Overwritten by the next line; a log, from cron, gets the last one only.
        click.echo(f"{name} {_bar(progress.stored, progress.expected)}\r", nl=False)


def _bar(stored: int, expected: int | None) -> str:
    """Return a bar with its text; without an end in sight, the text alone."""
    if expected is None:
        return f"{stored} payments so far"
    done = _BAR_WIDTH * stored // max(stored, expected, 1)
    return f"[{'#' * done}{'.' * (_BAR_WIDTH - done)}] {stored} of about {expected}"
