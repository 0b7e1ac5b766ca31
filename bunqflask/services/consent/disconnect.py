"""Ending a connection, and erasing what was imported."""

from __future__ import annotations

from sqlalchemy import delete, select

from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AuditKind,
    Connection,
    ConnectionState,
    ConsentAttempt,
    EventKind,
    MonetaryAccount,
    Pack,
    PackAccount,
)
from bunqflask.services.audit import origin, trail
from bunqflask.services.connections import lifecycle
from bunqflask.services.gateway import abandoned_sessions
from bunqflask.services.payments import aggregates
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.sync import webhooks


def disconnect(connection_id: int, *, erase: bool) -> None:
    """End a connection: erase token and keys, and keep or erase what was imported.

    The grant itself stays at bunq until its holder withdraws it in the bunq app: there is no call for that.

    :raises NotFoundHere: somebody else has erased it meanwhile.
    """
    webhooks.remove(connection_id)
    with transaction():
        # A renewal may end at the same time: its new token and session are ended too.
        connection = db.session.get(Connection, connection_id, with_for_update=True, populate_existing=True)
        if connection is None:
            raise NotFoundHere
        _record(connection, AuditKind.ERASED if erase else AuditKind.DISCONNECTED)
        abandoned_sessions.abandon(connection.session_id, connection.installation_id)
        if erase:
            _erase(connection)
        else:
            connection.access_token = None
            connection.session_id = None
            connection.installation_id = None
            lifecycle.mark(connection, ConnectionState.DISCONNECTED)
        emit(EventKind.CONNECTION_ENDED, connection_id=connection_id)


def _record(connection: Connection, kind: AuditKind) -> None:
    trail.record(
        kind,
        actor_id=origin.current().member_id,
        subject=connection.display_name,
        connection_id=connection.id,
        account_ids=db.session.scalars(select(MonetaryAccount.id).filter_by(connection_id=connection.id)),
    )


def _erase(connection: Connection) -> None:
    _delete_packs(connection.id)
    # A renewal that is still under way continues, and must not lose what it holds.
    db.session.execute(delete(ConsentAttempt).where(ConsentAttempt.connection_id == connection.id))
    db.session.delete(connection)
    db.session.flush()
    aggregates.forget_gone()
    emit(EventKind.DATA_ERASED, connection_id=connection.id)


def _delete_packs(connection_id: int) -> None:
    """Delete all packs that name one of the accounts, whichever member made them: they hold balances and amounts."""
    # Locked first: a pack that is made at the same time is stored before, or not at all.
    query = select(MonetaryAccount.id).where(MonetaryAccount.connection_id == connection_id).with_for_update()
    account_ids = list(db.session.scalars(query))
    named = select(PackAccount.pack_key).where(PackAccount.account_id.in_(account_ids))
    db.session.execute(delete(Pack).where(Pack.key.in_(named)).execution_options(synchronize_session=False))
