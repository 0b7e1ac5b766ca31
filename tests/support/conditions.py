"""A connection over time: the app's clock is moved, the worker's duties are done once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Condition, ConditionChange, Event, EventKind, StopReason, WorkerHeartbeat
from bunqflask.services import workers
from bunqflask.services.connections import timeline
from bunqflask.services.connections.standing import Standing
from bunqflask.services.notices import events
from tests.support import consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.browser import Browser

TOLD = (EventKind.CONNECTION_STOPPED, EventKind.CONNECTION_RECOVERED, EventKind.RENEWAL_DUE)


class Time:
    """The app's clock, ahead of the real one by what has passed in a test."""

    def __init__(self, app: Flask, patch: pytest.MonkeyPatch) -> None:
        self._app = app
        self._real, self._ahead = clock.now, timedelta(0)
        patch.setattr(clock, "now", lambda: self._real() + self._ahead)

    def jump(self, to: datetime) -> None:
        """Let it be this time; nobody was here meanwhile."""
        self._ahead = to - self._real()

    def skip(self, by: timedelta) -> None:
        """Let so much time pass in which nobody was here."""
        self._ahead += by

    def work(self, by: timedelta = timedelta(0)) -> None:
        """Let so much time pass, and let a worker that lives do its duties at its end."""
        self._ahead += by
        work(self._app)


def work(app: Flask) -> None:
    """Let a worker that lives do its duties."""
    rows.due_now(app)
    rows.end_leases(app)
    with rows.behind(app):
        workers.beat("a worker of this test")
    rows.run_duties(app)
    # What the sync has found is noted by the next round.
    rows.run_duties(app)


def up_to_date(site: ThreadSite, bank: Bank) -> Browser:
    """Let Robin connect bunq, and the worker read everything."""
    robin = sign_in(site, consents.ROBIN)
    consents.connect(robin, bank)
    work(site.app)
    return robin


def seen(app: Flask, connection_id: int = 1) -> Standing:
    """Return how a connection stands now, live."""
    with rows.behind(app):
        return timeline.standings()[connection_id]


def stored(app: Flask, connection_id: int = 1) -> list[tuple[Condition, str | None]]:
    """Return the conditions of a connection that were stored, the oldest first."""
    with rows.behind(app):
        query = db.select(ConditionChange).filter_by(connection_id=connection_id).order_by(ConditionChange.id)
        return [(each.condition, each.reason) for each in db.session.scalars(query)]


def told(app: Flask) -> list[tuple[EventKind, dict[str, object]]]:
    """Return the events that people are informed by, the oldest first."""
    with rows.behind(app):
        query = db.select(Event).where(Event.kind.in_(TOLD)).order_by(Event.id)
        return [(each.kind, each.facts) for each in db.session.scalars(query)]


@contextmanager
def no_worker(app: Flask) -> Iterator[None]:
    """No worker has ever run here."""
    with rows.behind(app):
        db.session.execute(db.delete(WorkerHeartbeat))
        db.session.commit()
    yield


# Each way in which a connection stops, and its reason.
STOPS = {
    "asked again": StopReason.REFUSED,
    "lost": StopReason.REFUSED,
    "address": StopReason.ADDRESS,
    "installation": StopReason.INSTALLATION,
    "outage": StopReason.BUNQ_AWAY,
    "answers": StopReason.ANSWERS,
    "accounts": StopReason.ACCOUNTS,
    "late": StopReason.LATE,
    "no worker": StopReason.NO_WORKER,
}
_FAULTS = {"answers": ("GET monetary-account", "bad-signature"), "accounts": ("GET monetary-account", "403-permission")}


def stop(time: Time, app: Flask, bank: Bank, how: str) -> None:
    """Let the connections that work stop in one of the ways of `STOPS`."""
    if how in ("asked again", "lost"):
        bank.revoke(JODI)
        time.work(timedelta(minutes=61))
        for _ in range(10 if how == "lost" else 0):
            time.work(timedelta(minutes=16))
    elif how == "address":
        bank.switch(permitted_ips_enforced=True, caller_address="203.0.113.7")
        rows.end_sessions(app)
        time.work(timedelta(minutes=61))
    elif how == "installation":
        bank.reset()
        time.work(timedelta(minutes=61))
    elif how == "late":
        time.skip(timedelta(hours=27))
        with rows.behind(app):
            workers.beat("a worker that does nothing else")
            timeline.note_changes()
            events.handle_all()
    elif how == "no worker":
        time.skip(timedelta(hours=20))
    else:
        if how == "outage":
            bank.switch(maintenance=True)
        else:
            call, fault = _FAULTS[how]
            bank.fault(call=call, fault=fault, times=None)
        time.work(timedelta(minutes=61))
        for _ in range(13):
            time.work(timedelta(minutes=5))
