"""Our own call through PUBLIC_URL: whether calls from outside reach this very server.

The call carries a one-time value, of which the hash is stored; the answer proves that it reached an app on the same
database, and not some other site. PUBLIC_URL is the operator's own setting, and no redirect is followed.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

import requests
from flask import current_app
from sqlalchemy import update

from bunqflask import clock
from bunqflask.bunq import errors, transport
from bunqflask.database.transactions import release, transaction
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import DoctorState

PATH = "/bunq/ping/"
_LIFETIME = timedelta(minutes=1)
_TIMEOUTS_S = (3.0, 5.0)


def send(state_id: int) -> str:
    """Call ourselves; return what went wrong, empty when we answered."""
    value = secrets.token_urlsafe(32)
    with transaction():
        _update(state_id, ping_hash=digest(value), ping_at=clock.now())
    release()
    url = f"{current_app.config['PUBLIC_URL']}{PATH}{value}"
    with transport.bound(requests.Session()) as session:
        try:
            answer = session.get(url, timeout=_TIMEOUTS_S, allow_redirects=False)
        except requests.RequestException as error:
            return _said(transport.failure(error, url))
    if answer.status_code == 200 and answer.text.strip() == proof(value):
        return ""
    if answer.status_code == 200:
        return "another site answers there"
    return f"it answers {answer.status_code}"


def answer(value: str) -> str | None:
    """Return the proof that a one-time value has reached us, and use it up; None when it is not the one we sent."""
    is_it = (DoctorState.ping_hash == digest(value), DoctorState.ping_at > clock.now() - _LIFETIME)
    if db.session.scalar(db.select(DoctorState.id).where(*is_it)) is None:
        return None  # strangers write nothing
    with transaction():
        used = update(DoctorState).where(*is_it).values(ping_hash=None, ping_at=None).returning(DoctorState.id)
        return proof(value) if db.session.execute(used).all() else None


def proof(value: str) -> str:
    """Return what only a server that was sent the value, and knows what to make of it, can answer."""
    return digest(f"bunqflask ping {value}")


def _update(state_id: int, **values: object) -> None:
    db.session.execute(update(DoctorState).where(DoctorState.id == state_id).values(**values))


def _said(error: errors.BunqError) -> str:
    """Return what went wrong on the way; the transport speaks of bunq, which this call does not go to."""
    return str(error).replace(" to bunq", "").replace("bunq did not answer", "it did not answer")
