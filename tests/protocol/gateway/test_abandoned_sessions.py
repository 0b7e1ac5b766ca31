"""A crash while a session is closed leaves no secret behind: a sweep of the worker finds what was left."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from flask import Flask

from bunqflask import clock
from bunqflask.bunq.client import BunqClient
from bunqflask.database import leases
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, Consent, Installation, MonetaryAccount
from bunqflask.services.gateway import abandoned_sessions, installations
from bunqflask.services.gateway.rate_limiter import RateLimiter
from tests.support import rows
from tests.support.apps import GunicornSite, ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.consents import connect
from tests.support.worker import worker


def close_left_over(app: Flask) -> None:
    with app.app_context():
        abandoned_sessions.close_all()
        db.session.remove()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def left(app: Flask) -> int:
    return sum(
        rows.count(app, model) - rows.count(app, model, abandoned_at=None) for model in (BunqSession, Installation)
    )


@pytest.mark.parametrize("data", ["keep", "erase"])
def test_killed_while_bunq_closes_the_session_nothing_is_left_behind(
    gunicorn_app: GunicornSite, behind: Flask, bank: Bank, data: str
) -> None:
    gunicorn_app.start(workers=1)
    robin = sign_in(gunicorn_app, "robin@example.com")
    connect(robin, bank)
    robin.get(f"/connections/{rows.connection(behind).id}/disconnect")
    robin.submit(action="/disconnect", data=data)
    bank.fault(call="DELETE session", fault="timeout", seconds=30)
    with worker(gunicorn_app) as killed:
        wait_until(lambda: not bank.state()["faults"])
        killed.kill()
        killed.wait()
    bank.no_faults()

    assert rows.count(behind, Consent, access_token_sealed=None) == rows.count(behind, Consent)
    assert rows.count(behind, Connection) == (data == "keep")
    assert (rows.count(behind, MonetaryAccount) > 0) == (data == "keep")
    close_left_over(behind)
    assert left(behind) == 1, "the worker that had begun may still be at it"
    rows.end_leases(behind)
    with worker(gunicorn_app):
        wait_until(lambda: not left(behind))
    assert rows.permissions(behind) == 0
    assert rows.count(behind, BunqSession) == 1, "our own"


def test_what_was_left_is_closed_at_bunq_with_the_key_that_opened_it(site: ThreadSite, bank: Bank) -> None:
    """As after a crash between leaving a session and closing it."""
    connect(sign_in(site, "robin@example.com"), bank)
    with site.app.app_context():
        with transaction():
            consent = db.session.scalars(db.select(Consent)).one()
            unused = Installation(environment="SANDBOX", is_current=False, created_at=clock.now())
            unused.redirect_uris = []
            db.session.add(unused)
            db.session.flush()
            abandoned_sessions.abandon(consent.session_id, unused.id)
            consent.session_id = None
        db.session.remove()
    bank.forget_calls()
    for _ in range(2):
        close_left_over(site.app)
    assert [call["status"] for call in bank.calls("DELETE", "session")] == [200]
    assert left(site.app) == 0
    assert rows.count(site.app, Installation) == 1, "our own"


@pytest.mark.sqlite_only
@pytest.mark.bank(oauth_variant="B")
def test_the_session_of_a_permission_with_its_own_installation_is_closed_with_that_key(
    site: ThreadSite, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers, client_for = list[int](), installations.client_for

    def note_signer(installation: Installation, limiter: RateLimiter) -> AbstractContextManager[BunqClient]:
        signers.append(installation.id)
        return client_for(installation, limiter)

    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    assert rows.count(site.app, Installation) == 2
    its_own = rows.consent(site.app).installation_id
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", data="keep")
    bank.forget_calls()
    monkeypatch.setattr(installations, "client_for", note_signer)
    close_left_over(site.app)
    assert signers == [its_own]
    assert [call["status"] for call in bank.calls("DELETE", "session")] == [200]
    assert left(site.app) == 0
    assert (rows.count(site.app, Installation), rows.count(site.app, BunqSession)) == (1, 1), "our own"


@pytest.mark.sqlite_only
def test_a_session_that_is_being_opened_is_left_for_the_next_time(site: ThreadSite, bank: Bank) -> None:
    robin = sign_in(site, "robin@example.com")
    connect(robin, bank)
    with site.app.app_context():
        session = db.session.get_one(BunqSession, rows.consent(site.app).session_id)
        lease = leases.take(session)
        assert lease is not None
        db.session.remove()
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", data="erase")
    bank.forget_calls()
    close_left_over(site.app)
    assert (bank.calls(), left(site.app)) == ([], 1)
    with rows.behind(site.app), transaction():
        lease.release()
    close_left_over(site.app)
    assert [call["status"] for call in bank.calls("DELETE", "session")] == [200]
    assert left(site.app) == 0
