"""Is the process alive; can it serve. For whatever watches the server; no login, no call to bunq."""

from __future__ import annotations

from functools import cache

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Response, current_app
from sqlalchemy.exc import SQLAlchemyError

from bunqflask.config import ROOT
from bunqflask.extensions import db
from bunqflask.web.marks import public, without_database

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public
@without_database
def alive() -> Response:
    """The process answers. Touches no database."""
    return Response("ok\n", mimetype="text/plain")


@bp.get("/readyz")
@public
@without_database
def ready() -> Response:
    """The database answers and has the tables of this version."""
    try:
        with db.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError:
        current_app.logger.exception("the database does not answer")
        return Response("the database does not answer\n", status=503, mimetype="text/plain")
    if found != _newest_revision():
        return Response("the database is not migrated: flask db upgrade\n", status=503, mimetype="text/plain")
    return Response("ready\n", mimetype="text/plain")


@cache
def _newest_revision() -> str | None:
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()
