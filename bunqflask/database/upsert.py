"""INSERT … ON CONFLICT for SQLite and PostgreSQL, which spell it alike but in two SQLAlchemy constructs."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

from bunqflask.extensions import Base, db


def insert_into(model: type[Base]) -> Any:
    """Return an INSERT for the current database, with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert)(model)
