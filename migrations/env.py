"""Runs the migrations on the database of the app that calls them."""

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from bunqflask import models  # noqa: F401 - makes the tables known
from bunqflask.database import storage
from bunqflask.database.transactions import writing
from bunqflask.database.types import ExactAmount, TypedJson, UtcTimestamp


def _render_item(kind: str, item: object, autogen: AutogenContext) -> str | bool:
    """Name our column types by their class, with the import that a migration needs for it."""
    if kind == "type" and isinstance(item, TypedJson):
        return "sa.Text()"
    if kind == "type" and isinstance(item, UtcTimestamp | ExactAmount):
        autogen.imports.add("from bunqflask.database import types")
        return f"types.{type(item).__name__}()"
    return False


def _is_ours(_item: object, name: str | None, kind: str, *_rest: object) -> bool:
    """Leave out of the comparison what is not a model: the search index, made by hand."""
    return not (name or "").startswith("payment_search") or kind not in ("table", "column", "index")


def _migrate(engine: Engine) -> None:
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        if is_sqlite:
            # SQLite changes a table by making it anew; with foreign keys on, dropping the old one would delete
            # every row that depends on it. Inside a transaction this setting would be ignored.
            driver.execute("PRAGMA foreign_keys=OFF")
        try:
            context.configure(
                connection=connection,
                target_metadata=current_app.extensions["migrate"].db.metadata,
                render_as_batch=True,
                render_item=_render_item,
                include_object=_is_ours,
                compare_type=True,
                # SQLite can change tables within a transaction too: then all of it is done, or nothing.
                transactional_ddl=True,
            )
            with context.begin_transaction():
                context.run_migrations()
                broken = driver.execute("PRAGMA foreign_key_check").fetchall() if is_sqlite else []
                if broken:
                    raise RuntimeError(f"{len(broken)} rows point to rows that do not exist")
        finally:
            if is_sqlite:
                driver.execute("PRAGMA foreign_keys=ON")


try:
    with writing():
        _migrate(current_app.extensions["migrate"].db.engine)
except DBAPIError as error:
    if storage.fault_of(error) is None and not isinstance(error, OperationalError):
        raise
    # Flask-Migrate shows this one as a line.
    raise CommandError(storage.explain(error)) from error
