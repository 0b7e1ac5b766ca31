"""What every command may run into, told in one line instead of a stack trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import DBAPIError, OperationalError

from bunqflask.database import storage
from bunqflask.database.encryption import SecretUnreadable


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn a database that cannot be used, and a secret that does not open, into an error for a person."""
    try:
        yield
    except DBAPIError as error:
        if storage.fault_of(error) is None and not isinstance(error, OperationalError):
            raise
        raise click.ClickException(storage.explain(error)) from error
    except SecretUnreadable as error:
        raise click.ClickException(f"A stored secret cannot be opened: {error}.") from error
