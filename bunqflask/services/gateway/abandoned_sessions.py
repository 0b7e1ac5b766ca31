"""Sessions and installations that nothing uses any more: closed at bunq and deleted, also after a crash in between.

Whatever ends their use says so in the same transaction, so that none can be forgotten with its secrets.
"""

from __future__ import annotations

from datetime import timedelta

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Installation
from bunqflask.services.gateway import sessions
from bunqflask.services.gateway.rate_limiter import CallGate

_CLOSING_PATIENCE_S = 2.0
# Whoever left them closes them at once; what is left for so long, a crash left over.
_LEFT_OVER = timedelta(minutes=5)


def leave(session: BunqSession | None, own_installation: Installation | None) -> None:
    """Note that nothing uses a session, and an installation made for one grant, from here on. Does not commit."""
    for row in (session, own_installation):
        if row is not None:
            row.left_at = clock.now()


def close(session: BunqSession | None, own_installation: Installation | None) -> None:
    """Close at bunq what was left, and delete it here; a failure there changes nothing here."""
    if session is not None:
        signer = own_installation or sessions.find_installation()
        if signer is not None:
            sessions.close(session, signer, CallGate(_CLOSING_PATIENCE_S))
        db.session.delete(session)
    if own_installation is not None:
        db.session.delete(own_installation)
    db.session.commit()


def close_left_over() -> None:
    """Do the same for what a crash left over."""
    before = clock.now() - _LEFT_OVER
    for session in list(db.session.scalars(db.select(BunqSession).where(BunqSession.left_at < before))):
        # Not given back: the row goes.
        if leases.take(session) is not None:
            query = db.select(Installation).where(
                Installation.id == session.installation_id, Installation.left_at.is_not(None)
            )
            close(session, db.session.scalars(query).one_or_none())
    for installation in list(db.session.scalars(db.select(Installation).where(Installation.left_at < before))):
        close(None, installation)
