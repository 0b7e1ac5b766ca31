"""The signs of life of workers: who runs the duties, and whether anybody does."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import WorkerHeartbeat

BEAT_EVERY = timedelta(seconds=5)
# A worker that has not written for so long does not run any more.
_ALIVE_FOR = timedelta(seconds=30)


def is_alive() -> bool:
    """Tell whether a worker runs."""
    return not clock.is_over(last_seen_at(), after=_ALIVE_FOR)


def last_seen_at() -> datetime | None:
    """Return the last sign of life of any worker."""
    return db.session.scalar(select(func.max(WorkerHeartbeat.seen_at)))


def name() -> str:
    """Return the name of this process as a worker."""
    return f"{socket.gethostname()[:150]} {os.getpid()}"


def beat(worker: str) -> None:
    """Write that this worker lives, and delete those that have not for a day."""
    now = clock.now()
    fresh = insert_into(WorkerHeartbeat).values(worker=worker, started_at=now, seen_at=now)
    with transaction():
        db.session.execute(fresh.on_conflict_do_update(index_elements=["worker"], set_={"seen_at": now}))
        gone = WorkerHeartbeat.seen_at < now - timedelta(days=1)
        db.session.execute(delete(WorkerHeartbeat).where(gone))


def end(worker: str) -> None:
    """Write that this worker does not run any more."""
    with transaction():
        db.session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker == worker))
