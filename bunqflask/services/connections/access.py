"""Connections as the principals see them: loading, listing, sharing with the team."""

from __future__ import annotations

from flask import current_app
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, selectinload

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AuditKind, Connection, ConnectionMember, ConnectionState
from bunqflask.services import policy
from bunqflask.services.audit import trail
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal


def get_for(principal: Principal, connection_id: int) -> Connection:
    """Return a connection that the principal may see, with its accounts and members.

    :raises NotFoundHere: there is none.
    """
    query = visible_to(principal).where(Connection.id == connection_id)
    found = db.session.scalars(query).unique().one_or_none()
    if found is None:
        raise NotFoundHere
    return found


def get_own(principal: Principal, connection_id: int) -> Connection:
    """Return a connection that the principal may manage.

    :raises NotFoundHere: there is none, or the principal may only see it.
    """
    found = get_for(principal, connection_id)
    policy.check_can_manage(principal, found)
    return found


def list_for(principal: Principal) -> list[Connection]:
    """Return all connections that the principal may see, with their accounts and members, the oldest first."""
    return list(db.session.scalars(visible_to(principal).order_by(Connection.id)).unique())


def list_active() -> list[Connection]:
    """Return every connection that works, with its accounts, for work that no principal asks for."""
    here = Connection.environment == current_app.config["BUNQ_ENVIRONMENT"]
    query = select(Connection).where(here, Connection.state == ConnectionState.ACTIVE).order_by(Connection.id)
    return list(db.session.scalars(query.options(selectinload(Connection.monetary_accounts))))


def by_id(connection_id: int) -> Connection:
    """Return a connection with its accounts, for work that no principal asks for.

    :raises NotFoundHere: there is none.
    """
    options = [selectinload(Connection.monetary_accounts)]
    found = db.session.get(Connection, connection_id, options=options, populate_existing=True)
    if found is None:
        raise NotFoundHere
    return found


def share(principal: Principal, connection_id: int) -> None:
    """Let the whole team see a connection.

    :raises NotFoundHere: there is none that the principal may manage.
    :raises NotPermitted: the principal is a guest.
    """
    policy.check_can_share(principal)
    with transaction():
        connection = get_own(principal, connection_id)
        connection.shared_at = clock.now()
        _record(AuditKind.SHARED, principal, connection)


def unshare(principal: Principal, connection_id: int) -> None:
    """Let only the members to whom a connection belongs see it.

    :raises NotFoundHere: there is none that the principal may manage.
    """
    with transaction():
        connection = get_own(principal, connection_id)
        connection.shared_at = None
        _record(AuditKind.UNSHARED, principal, connection)


def _record(kind: AuditKind, principal: Principal, connection: Connection) -> None:
    trail.record(
        kind,
        actor_id=principal.id,
        subject=connection.display_name,
        connection_id=connection.id,
        account_ids=[account.id for account in connection.monetary_accounts],
    )


def visible_to(principal: Principal) -> Select[Connection]:
    """Return a statement for the connections that the principal may see, with their accounts and members.

    Members are joined, so each connection comes once for each: its result has to be made unique.
    """
    return (
        select(Connection)
        .where(policy.is_visible_to(principal))
        .options(
            selectinload(Connection.monetary_accounts),
            joinedload(Connection.members).joinedload(ConnectionMember.member),
        )
        .execution_options(populate_existing=True)
    )
