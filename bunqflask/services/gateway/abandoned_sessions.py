"""Sessions and installations that nothing uses any more: closed at bunq and deleted, also after a crash.

Whatever ends their use marks them in the same transaction, so that none can be forgotten with its secrets; the worker
closes them.
"""

from __future__ import annotations

from flask import current_app
from sqlalchemy import delete, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import BunqSession, EventKind, Installation
from bunqflask.services.gateway import installations
from bunqflask.services.gateway.rate_limiter import RateLimiter

_CLOSING_PATIENCE_S = 2.0


def abandon(session_id: int | None, own_installation_id: int | None) -> None:
    """Mark a session, and an installation made for one grant, as unused, within the caller's transaction."""
    if session_id is not None:
        db.session.get_one(BunqSession, session_id).abandoned_at = clock.now()
    if own_installation_id is not None:
        db.session.get_one(Installation, own_installation_id).abandoned_at = clock.now()
    if session_id is not None or own_installation_id is not None:
        emit(EventKind.SESSION_ABANDONED)


def close_all() -> None:
    """Close at bunq what was abandoned, and delete it here; a failure there changes nothing here.

    A session that a worker is opening now is closed the next time.
    """
    for session_id in list(db.session.scalars(select(BunqSession.id).where(BunqSession.abandoned_at.is_not(None)))):
        with transaction():
            lease = leases.take_within(BunqSession, session_id)
        if lease is not None:
            _close(session_id)
            with transaction():
                # The lease goes with the row.
                db.session.execute(delete(BunqSession).where(BunqSession.id == session_id))
    # An installation is needed as long as a session has to be closed with its key.
    in_use = select(BunqSession.installation_id).where(BunqSession.installation_id.is_not(None))
    unused = Installation.id.not_in(in_use)
    with transaction():
        db.session.execute(delete(Installation).where(Installation.abandoned_at.is_not(None), unused))


def _close(session_id: int) -> None:
    session = db.session.get_one(BunqSession, session_id, populate_existing=True)
    try:
        token = session.token
        signer = db.session.get(Installation, session.installation_id) if session.installation_id else None
        if token is None or signer is None:
            return
        with installations.client_for(signer, RateLimiter(_CLOSING_PATIENCE_S)) as bunq:
            installations.close_session(bunq, token)
    except SecretUnreadable as error:
        # A session whose key is lost cannot be closed, but can be deleted.
        current_app.logger.info("a bunq session could not be closed: %s", error)
