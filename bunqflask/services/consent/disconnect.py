"""Giving up one's own rights on a connection, and erasing what nobody has a right to any more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select

from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AuditKind,
    Connection,
    Consent,
    ConsentAttempt,
    ConsentGrantState,
    EventKind,
    MonetaryAccount,
    Pack,
    PackAccount,
)
from bunqflask.services import policy
from bunqflask.services.audit import origin, trail
from bunqflask.services.connections import lifecycle, rights
from bunqflask.services.payments import aggregates
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.sync import webhooks


def disconnect(principal: Principal, connection_id: int, *, erase: bool) -> None:
    """End the principal's consents on a connection: erase their permissions, close their sessions.

    The grant itself stays at bunq until its holder withdraws it in the bunq app: there is no call for that.

    :param erase: give up the right to what was imported too. Accounts that nobody else holds are deleted with their
        payments; the others stay for the members who hold them. Without it, all stays readable.
    :raises NotFoundHere: the principal may not manage it, or it was erased meanwhile.
    """
    policy.check_can_manage(principal, connection_id)
    if not _is_used_by_others(principal.id, connection_id):
        webhooks.remove(connection_id)
    with transaction():
        # A renewal may end at the same time: its new consent is ended too.
        connection = db.session.get(Connection, connection_id, with_for_update=True, populate_existing=True)
        if connection is None:
            raise NotFoundHere
        held = rights.held_by(principal.id, connection_id)
        _record(AuditKind.DISCONNECTED, connection, held)
        rights.end_consents(principal.id, connection)
        if erase:
            rights.give_up(principal.id, held)
            erase_unheld(connection)
        emit(EventKind.CONNECTION_ENDED, connection_id=connection_id)


def erase_unheld(connection: Connection) -> None:
    """Delete the accounts of a connection that nobody holds, and the connection itself when none is left.

    Takes part in the caller's transaction.
    """
    gone = rights.without_holder(connection.id)
    if gone:
        _record(AuditKind.ERASED, connection, gone)
        _delete_packs(gone)
        accounts = delete(MonetaryAccount).where(MonetaryAccount.id.in_(gone))
        db.session.execute(accounts.execution_options(synchronize_session="fetch"))
    if _is_needed(connection.id):
        lifecycle.settle(connection)
    else:
        # A renewal that is still under way continues, and must not lose what it holds.
        db.session.execute(delete(ConsentAttempt).where(ConsentAttempt.connection_id == connection.id))
        db.session.delete(connection)
        db.session.flush()
    if gone:
        aggregates.forget_gone()
        emit(EventKind.DATA_ERASED, connection_id=connection.id)


def _record(kind: AuditKind, connection: Connection, account_ids: Collection[int]) -> None:
    trail.record(
        kind,
        actor_id=origin.current().member_id,
        subject=connection.display_name,
        connection_id=connection.id,
        account_ids=account_ids,
    )


def end_all_of(member_id: int) -> None:
    """End all consents and rights of a member who is removed, and erase what nobody else holds.

    Takes part in the caller's transaction.
    """
    own = select(Consent.connection_id).where(Consent.member_id == member_id)
    held = select(MonetaryAccount.connection_id).where(MonetaryAccount.id.in_(rights.held_by(member_id)))
    query = select(Connection).where(Connection.id.in_(own) | Connection.id.in_(held)).order_by(Connection.id)
    for connection in list(db.session.scalars(query.with_for_update())):
        rights.end_consents(member_id, connection)
        rights.give_up(member_id, rights.held_by(member_id, connection.id))
        for consent in db.session.scalars(select(Consent).filter_by(member_id=member_id, connection_id=connection.id)):
            db.session.delete(consent)
        erase_unheld(connection)


def remove_callbacks_of(member_id: int) -> None:
    """Remove our callbacks at bunq for the connections on which no other member has a consent."""
    own = select(Consent.connection_id).filter_by(member_id=member_id, state=ConsentGrantState.ACTIVE)
    for connection_id in set(db.session.scalars(own)):
        if not _is_used_by_others(member_id, connection_id):
            webhooks.remove(connection_id)


def _is_used_by_others(member_id: int, connection_id: int) -> bool:
    others = select(Consent.id).filter_by(connection_id=connection_id, state=ConsentGrantState.ACTIVE)
    return db.session.scalar(others.where(Consent.member_id != member_id).limit(1)) is not None


def _is_needed(connection_id: int) -> bool:
    """Tell whether a connection has an account, or a consent that works."""
    accounts = select(MonetaryAccount.id).filter_by(connection_id=connection_id)
    active = select(Consent.id).filter_by(connection_id=connection_id, state=ConsentGrantState.ACTIVE)
    return any(db.session.scalar(query.limit(1)) is not None for query in (accounts, active))


def _delete_packs(account_ids: list[int]) -> None:
    """Delete all packs that name one of the accounts, whichever member made them: they hold balances and amounts."""
    named = select(PackAccount.pack_key).where(PackAccount.account_id.in_(account_ids))
    db.session.execute(delete(Pack).where(Pack.key.in_(named)).execution_options(synchronize_session=False))
