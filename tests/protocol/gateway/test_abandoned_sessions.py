"""A crash while a session is closed leaves no secret behind: a sweep of the worker finds what was left."""

import threading
import time
from datetime import timedelta

import pytest
import requests
from flask import Flask

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, Installation, MonetaryAccount
from bunqflask.services.gateway import abandoned_sessions
from tests.support import rows
from tests.support.apps import GunicornSite, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import connect
from tests.support.worker import worker


def age_left(app: Flask) -> None:
    with app.app_context():
        for model in (BunqSession, Installation):
            db.session.execute(
                db.update(model)
                .where(model.abandoned_at.is_not(None))
                .values(abandoned_at=clock.now() - timedelta(minutes=6), **_free(model))
            )
        db.session.commit()
        db.session.remove()


def _free(model: type[BunqSession] | type[Installation]) -> dict[str, None]:
    return {"lease_holder": None, "lease_until": None} if model is BunqSession else {}


def close_left_over(app: Flask) -> None:
    with app.app_context():
        abandoned_sessions.close_all()
        db.session.remove()


def left(app: Flask) -> int:
    return sum(
        rows.count(app, model) - rows.count(app, model, abandoned_at=None) for model in (BunqSession, Installation)
    )


def press_and_kill(site: GunicornSite, robin: Browser, data: str, behind: Flask) -> None:
    """Press "disconnect", and kill the server while it waits for bunq to close the session."""

    def press() -> None:
        with pytest.raises(requests.ConnectionError):
            robin.submit(action="/disconnect", data=data)

    pressed = threading.Thread(target=press)
    pressed.start()
    deadline = time.monotonic() + 20
    while not left(behind):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    site.kill()
    pressed.join()


@pytest.mark.parametrize("data", ["keep", "erase"])
def test_killed_while_bunq_closes_the_session_nothing_is_left_behind(
    gunicorn_app: GunicornSite, behind: Flask, bank: Bank, data: str
) -> None:
    gunicorn_app.start(workers=1)
    robin = sign_in(gunicorn_app, "robin@example.com")
    connect(robin, bank)
    robin.get(f"/connections/{rows.connection(behind).id}/disconnect")
    bank.fault(call="DELETE session", fault="timeout", seconds=30)
    press_and_kill(gunicorn_app, robin, data, behind)
    bank.no_faults()

    assert rows.count(behind, Connection, access_token_sealed=None) == rows.count(behind, Connection)
    assert rows.count(behind, Connection) == (data == "keep")
    assert (rows.count(behind, MonetaryAccount) > 0) == (data == "keep")
    close_left_over(behind)
    assert left(behind) == 1, "whoever left it may still be at it"
    age_left(behind)
    with worker(gunicorn_app):
        deadline = time.monotonic() + 20
        while left(behind):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert rows.permissions(behind) == 0
    assert rows.count(behind, BunqSession) == 1, "our own"


def test_what_was_left_is_closed_at_bunq_with_the_key_that_opened_it(site: ThreadSite, bank: Bank) -> None:
    """As after a crash between leaving a session and closing it."""
    connect(sign_in(site, "robin@example.com"), bank)
    with site.app.app_context():
        connection = db.session.scalars(db.select(Connection)).one()
        session = connection.session
        connection.session_id = None
        unused = Installation(environment="SANDBOX", is_current=False, created_at=clock.now())
        db.session.add(unused)
        abandoned_sessions.leave(session, unused)
        db.session.commit()
        db.session.remove()
    bank.forget_calls()
    close_left_over(site.app)
    assert bank.calls("DELETE", "session") == []
    age_left(site.app)
    for _ in range(2):
        close_left_over(site.app)
    assert [call["status"] for call in bank.calls("DELETE", "session")] == [200]
    assert left(site.app) == 0
    assert rows.count(site.app, Installation) == 1, "our own"
