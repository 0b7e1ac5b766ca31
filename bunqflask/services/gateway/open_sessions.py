"""Sessions of consents that are open now, found by one statement: a program calls often, and each time for a second."""

from __future__ import annotations

from flask import current_app
from sqlalchemy import and_, bindparam, or_, select

from bunqflask import clock
from bunqflask.bunq.transport import Transport
from bunqflask.database import encryption
from bunqflask.extensions import db, table_of
from bunqflask.models import BunqSession, Consent, Installation
from bunqflask.services.gateway import installations
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Opened

_session, _consent, _installation = (table_of(each).c for each in (BunqSession, Consent, Installation))
_is_its_installation = or_(
    _installation.id == _consent.installation_id,
    and_(
        _consent.installation_id.is_(None),
        _installation.is_current,
        _installation.environment == bindparam("environment"),
        _installation.device_registered_at.is_not(None),
    ),
)
_OPEN = (
    select(
        _session.id,
        _session.generation,
        _session.token_sealed,
        _session.path_user_id,
        _consent.connection_id,
        _installation.id.label("installation_id"),
        _installation.private_key_sealed,
        _installation.server_public_key,
    )
    .join(table_of(Consent), _consent.session_id == _session.id)
    .join(table_of(Installation), _installation.id == _session.installation_id)
    .where(_consent.id == bindparam("consent_id"), _consent.access_token_sealed.is_not(None), _is_its_installation)
    .where(_session.abandoned_at.is_(None), _session.expires_at > bindparam("now"))
    .where(_session.token_sealed.is_not(None), _session.path_user_id.is_not(None))
)


def find(consent_id: int, limiter: RateLimiter, transport: Transport) -> Opened | None:
    """Return the session of a consent if it is open and can be used; otherwise it has to be opened."""
    asked = {"consent_id": consent_id, "now": clock.now(), "environment": current_app.config["BUNQ_ENVIRONMENT"]}
    row = db.session.connection().execute(_OPEN, asked).one_or_none()
    if row is None:
        return None
    token = encryption.open_sealed(row.token_sealed, encryption.place_of(BunqSession.token, BunqSession, row.id))
    private_key = encryption.open_sealed(
        row.private_key_sealed, encryption.place_of(Installation.private_key, Installation, row.installation_id)
    )
    client = installations.client_with(private_key, row.server_public_key, limiter.about(row.connection_id), transport)
    return Opened(row.id, row.generation, client, token, row.path_user_id)
