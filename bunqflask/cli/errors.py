"""What every command may run into, told in one line instead of a stack trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from bunqflask.database.encryption import SecretUnreadable


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn a database without our tables, and a secret that does not open, into an error for a person."""
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        raise click.ClickException(
            "The database does not answer, or has not the tables of this version: run `flask --app wsgi db upgrade`."
        ) from error
    except SecretUnreadable as error:
        raise click.ClickException(f"A stored secret cannot be opened: {error}.") from error
