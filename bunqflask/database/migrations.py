"""Whether the database has the tables of this version, and what `flask db` finds when it changes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import inspect, text
from werkzeug.local import LocalProxy

from bunqflask.extensions import db

# The revision of the newest migration; `make check` compares them.
HEAD = "0001"
FOLDER = Path(__file__).resolve().parents[2] / "migrations"


def init_app(app: Flask) -> None:
    """Let `flask db` find the migrations.

    Alembic is imported once a command asks for them: it would take 4 MB in each web process, which never migrates.
    """
    app.extensions["migrate"] = LocalProxy(lambda: _found_by_commands(app))


def is_at_head() -> bool:
    """Tell whether the newest migration was applied.

    :raises DBAPIError: the database does not answer.
    """
    with db.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


def _found_by_commands(app: Flask) -> Any:
    from bunqflask.database import migration_commands

    migration_commands.init_app(app, FOLDER)  # takes the place of the proxy
    return app.extensions["migrate"]
