"""Whether the database has the tables of this version."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bunqflask.extensions import db

_FOLDER = Path(__file__).resolve().parents[2] / "migrations"


def is_at_head() -> bool:
    """Tell whether the newest migration was applied.

    :raises DBAPIError: the database does not answer.
    """
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == _head()


@cache
def _head() -> str | None:
    return ScriptDirectory(str(_FOLDER)).get_current_head()
