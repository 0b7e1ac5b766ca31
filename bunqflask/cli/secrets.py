"""`flask secrets`: the keys that protect what is stored."""

import click
from flask.cli import AppGroup

from bunqflask.database.encryption import SecretUnreadable
from bunqflask.services import key_rotation

secrets_cli = AppGroup("secrets", help="The keys that protect stored secrets.")


@secrets_cli.command("rotate")
def rotate() -> None:
    """Encrypt every stored secret anew under the first key of ENCRYPTION_KEYS, all or nothing."""
    try:
        count = key_rotation.rotate()
    except SecretUnreadable as error:
        raise click.ClickException(f"Nothing was changed: {error}.") from error
    click.echo(f"{count} secrets are now under the first key. Older keys can be taken out of ENCRYPTION_KEYS.")
