"""Is the process alive; can it serve. For programs that watch the server; no login, no call to bunq."""

from __future__ import annotations

from flask import Blueprint, Response, current_app
from sqlalchemy.exc import DBAPIError

from bunqflask.database import migrations, storage
from bunqflask.database.storage import StorageFault
from bunqflask.web.marks import public, without_database

bp = Blueprint("health", __name__)

_NO_ANSWER = "the database does not answer"
_FAULTS: dict[StorageFault | None, str] = {
    StorageFault.FULL: "nothing can be stored: the disk is full",
    StorageFault.READ_ONLY: "nothing can be stored: the database is read-only",
    StorageFault.BROKEN: "nothing can be stored: the database or its disk is broken",
    StorageFault.NOT_OPENED: "the database cannot be opened",
    StorageFault.NO_TABLES: "the database is not migrated: flask db upgrade",
}


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
    """The database has the tables of this version, and stores what is written."""
    try:
        is_migrated = migrations.is_at_head()
    except DBAPIError as error:
        return _not_ready(_FAULTS.get(storage.fault_of(error), _NO_ANSWER), storage.explain(error))
    if not is_migrated:
        return _not_ready("the database is not migrated: flask db upgrade")
    checked = storage.check()
    if checked.message:
        return _not_ready(_FAULTS.get(checked.fault, _NO_ANSWER), checked.message)
    return Response("ready\n", mimetype="text/plain")


def _not_ready(reason: str, details: str = "") -> Response:
    """Tell anybody the reason, and the log the details: they name files and users."""
    current_app.logger.error("not ready: %s", details or reason)
    return Response(f"{reason}\n", status=503, mimetype="text/plain")
