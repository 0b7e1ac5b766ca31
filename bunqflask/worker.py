"""Work in the background: finishing consents and keeping payments in step, without anybody pressing anything.

Rows in our database say what is to be done, and leases on them see to it that it is done once, however many
workers run; the queue only wakes a worker early. So a task that is lost with a killed worker costs a minute:
the next sweep finds the row again.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app
from huey import Huey, MemoryHuey, PostgresHuey, SqliteHuey, crontab
from huey.serializer import SignedSerializer
from sqlalchemy.engine import make_url

from bunqflask.services.connections import access
from bunqflask.services.consent import attempts, completion
from bunqflask.services.gateway import abandoned_sessions
from bunqflask.services.sync import payment_sync

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "bunqflask"
THREADS = 4
# A sweep that nobody has begun by then is not needed any more: the next one is there.
_SWEEP_EXPIRES_S = 60
_CONSENT_PATIENCE_S = 20.0
_SYNC_PATIENCE_S = 900.0


class Jobs:
    """The queue of one app and the tasks in it."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._waking = threading.Lock()
        self._huey = _queue(app.config["DATABASE_URL"], app.config["SECRET_KEY"])
        self._sync: Callable[[int], object] = self._huey.task(name="sync")(self._run_sync)
        self._sweep: Callable[[], object] = self._huey.task(name="sweep", expires=_SWEEP_EXPIRES_S)(self._run_sweep)
        self._huey.periodic_task(crontab(minute="*"), name="every minute")(self._run_sweep)

    def wake(self) -> None:
        """Ask a worker to look now for what is to be done; without a worker, nothing is lost."""
        # Huey's threads share one connection, which none may close for another.
        with self._waking:
            try:
                self._sweep()
            finally:
                # Pages seldom wake anybody.
                self._huey.storage.close()

    def work(self) -> None:
        """Do the work, until the process is told to end."""
        self._sweep()
        self._huey.create_consumer(workers=THREADS, worker_type="thread", graceful_signal="TERM").run()

    def _run_sweep(self) -> None:
        with self._app.app_context():
            attempts.end_all_overdue()
            abandoned_sessions.close_left_over()
            completion.advance_all(patience_s=_CONSENT_PATIENCE_S)
            due = [connection.id for connection in access.list_active() if payment_sync.is_due(connection)]
        for connection_id in due:
            self._sync(connection_id)

    def _run_sync(self, connection_id: int) -> None:
        with self._app.app_context():
            try:
                connection = access.by_id(connection_id)
            except access.NotFoundHere:
                return  # erased since
            if payment_sync.is_due(connection):
                payment_sync.run_due(connection, patience_s=_SYNC_PATIENCE_S)


def init_app(app: Flask) -> None:
    """Give the app its jobs; their queue is opened when it is first needed."""
    app.extensions["bunqflask.worker"] = None


def current() -> Jobs:
    """Return the jobs of the current app."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    jobs: Jobs | None = app.extensions["bunqflask.worker"]
    if jobs is None:
        jobs = app.extensions["bunqflask.worker"] = Jobs(app)
    return jobs


def wake() -> None:
    """Ask a worker to look now; a queue that cannot be reached is no reason for a page to fail."""
    try:
        current().wake()
    except Exception:
        current_app.logger.exception("the queue cannot be reached; the next sweep will find the work")


def _queue(database_url: str, secret_key: str) -> Huey:
    # Huey's tasks are pickled: signed, so that nobody who can write to the queue can have us run their code.
    settings = {"results": False, "serializer": SignedSerializer(secret=secret_key, salt=NAME)}
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return _postgres_queue(dsn, settings)
    if url.database in (None, "", ":memory:"):
        return MemoryHuey(NAME, **settings)
    # A file of its own: polling it must not hold up the pages.
    return SqliteHuey(NAME, filename=str(Path(str(url.database)).with_suffix(".queue.sqlite3")), **settings)


def _postgres_queue(dsn: str, settings: dict[str, Any]) -> Huey:
    """Open the queue; of several workers that start on a new database, each tries to make its tables."""
    from psycopg import errors

    try:
        return PostgresHuey(NAME, dsn=dsn, **settings)
    except (errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
        # "create … if not exists" is not atomic on PostgreSQL: another was quicker, and by now they exist.
        return _postgres_queue(dsn, settings)
