"""`flask backup` and `flask restore`: the database as one file, and back."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import OperationalError

from bunqflask.database import storage
from bunqflask.services import backups
from bunqflask.services.backups import Backup, BackupFailed

_FILE = click.Path(path_type=Path)


@click.command("backup")
@click.argument("file", type=_FILE)
@click.option("--recipient", multiple=True, help="encrypt for this public key of age or SSH; may be repeated")
@with_appcontext
def backup_command(file: Path, recipient: tuple[str, ...]) -> None:
    """Write the database to a new FILE that only its owner can read, and read it back; the app may run meanwhile."""
    try:
        made = backups.write(file, recipient)
    except BackupFailed as error:
        raise click.ClickException(f"No backup was made: {error}.") from error
    click.echo(f"{file}: {_found(made)}.")
    try:
        backups.record(made, file)
    except OperationalError as error:
        # A disk that is full is a reason to make a backup, and none to refuse it.
        click.echo(f"The audit trail does not mention this backup: {storage.explain(error)}")
    if not made.is_encrypted:
        click.echo("The file is not encrypted: payments and balances are plain text in it.")
    click.echo("Keep the ENCRYPTION_KEYS of .env in another place: without them the file is of little use.")


@click.command("restore")
@click.argument("file", type=_FILE)
@click.option("--check", is_flag=True, help="only read the backup, and change nothing")
@click.option("--identity", type=_FILE, help="the file of the private key, for a backup that is encrypted")
@with_appcontext
def restore_command(file: Path, check: bool, identity: Path | None) -> None:
    """Replace the database by the backup in FILE; the app and its worker must not run."""
    try:
        if check:
            click.echo(f"{file}: {_found(backups.check(file, identity))}.")
            backups.record_test(file)
            return
        found, replaced = backups.restore(file, identity)
    except BackupFailed as error:
        raise click.ClickException(f"Nothing was changed: {error}.") from error
    click.echo(f"{file}: {_found(found)}.")
    if replaced is not None:
        click.echo(f"The database before is now {replaced}: delete it when you no longer need it.")
    click.echo("Restored. Everybody has to log in again. Now run `flask --app wsgi db upgrade`, then start the app.")


def _found(backup: Backup) -> str:
    return (
        f"complete, with {backup.payments} payments among {backup.rows} rows; "
        f"{backup.secrets} encrypted values open with the present keys"
    )
