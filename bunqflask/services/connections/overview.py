"""Read models of connections: plain, frozen values, from which pages and programs are served alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Select, inspect, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConnectionState, CoOwner, ErrorKind, MonetaryAccount
from bunqflask.services import policy
from bunqflask.services.connections import access, accounts
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal


@dataclass(frozen=True, kw_only=True)
class AccountBalance:
    """One monetary account with its last known balance.

    `id` is our row, 0 for one that is not stored; `wrapper` is bunq's type of it; `iban` is bare; `is_shared` tells
    that the permission still covers it.
    """

    id: int
    connection_id: int
    monetary_account_id: int
    name: str
    wrapper: str
    iban: str | None
    currency: str
    balance: Decimal | None
    status: str
    sub_status: str
    color: str | None
    savings_goal: Decimal | None
    updated_at: datetime | None
    is_shared: bool
    co_owners: tuple[CoOwner, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConnectionOverview:
    """One connection as a principal may see it; all times are aware UTC.

    `may_manage` tells that the principal may share, renew and end it, `may_refresh` that they may ask for a sync.
    `is_stale` tells that its accounts should be listed again, `is_due` that bunq may be asked now, `is_syncing` that a
    worker does it, `is_requested` that somebody asked for it and no worker has done it yet.
    """

    id: int
    holder_name: str
    holder_type: str
    granted_user_id: int
    state: ConnectionState
    state_since: datetime
    consented_at: datetime
    accounts_synced_at: datetime | None
    error_kind: ErrorKind | None
    error_facts: dict[str, Any] | None
    next_try_at: datetime | None
    is_team_shared: bool
    may_manage: bool
    may_refresh: bool
    member_names: tuple[str, ...]
    accounts: tuple[AccountBalance, ...]
    is_stale: bool
    is_due: bool
    is_syncing: bool
    is_requested: bool


def get(principal: Principal, connection_id: int) -> ConnectionOverview:
    """Return one connection that the principal may see.

    :raises NotFoundHere: there is none.
    """
    found = _load(access.visible_to(principal).where(Connection.id == connection_id), principal)
    if not found:
        raise NotFoundHere
    return found[0]


def list_all(principal: Principal) -> list[ConnectionOverview]:
    """Return all connections that the principal may see, the oldest first."""
    return _load(access.visible_to(principal).order_by(Connection.id), principal)


def of_bunq_user(principal: Principal, granted_user_id: int) -> ConnectionOverview | None:
    """Return the connection of a bunq user in the configured environment, if the principal may see it."""
    environment = current_app.config["BUNQ_ENVIRONMENT"]
    query = (
        select(Connection.id)
        .where(policy.is_visible_to(principal))
        .where(Connection.granted_user_id == granted_user_id, Connection.environment == environment)
    )
    connection_id = db.session.scalar(query)
    return get(principal, connection_id) if connection_id is not None else None


def of_connection(connection: Connection, principal: Principal) -> ConnectionOverview:
    """Return the read model of a connection whose accounts and members are loaded."""
    is_syncing = db.session.scalar(select(_is_syncing()).where(Connection.id == connection.id))
    return _overview(connection, principal, is_syncing=bool(is_syncing))


def balance_of(account: MonetaryAccount, connection_id: int, holder_name: str) -> AccountBalance:
    """Return the read model of an account, stored or not; the holder is no co-owner worth naming."""
    return AccountBalance(
        id=account.id if inspect(account).persistent else 0,
        connection_id=connection_id,
        monetary_account_id=account.monetary_account_id,
        name=account.description,
        wrapper=account.wrapper,
        iban=account.iban,
        currency=account.currency,
        balance=account.balance,
        status=account.status,
        sub_status=account.sub_status,
        color=account.color,
        savings_goal=account.savings_goal,
        updated_at=account.updated_at,
        is_shared=account.is_shared,
        co_owners=_without_holder(account.co_owners, holder_name),
    )


def _load(query: Select[Connection], principal: Principal) -> list[ConnectionOverview]:
    rows = db.session.execute(query.add_columns(_is_syncing())).unique()
    return [_overview(connection, principal, is_syncing=is_syncing) for connection, is_syncing in rows]


def _overview(connection: Connection, principal: Principal, *, is_syncing: bool) -> ConnectionOverview:
    name, requested_at = connection.display_name, connection.sync_requested_at
    synced_at = connection.accounts_synced_at
    return ConnectionOverview(
        id=connection.id,
        holder_name=name,
        holder_type=connection.granted_user_type,
        granted_user_id=connection.granted_user_id,
        state=connection.state,
        state_since=connection.state_since,
        consented_at=connection.consented_at,
        accounts_synced_at=synced_at,
        error_kind=connection.error_kind,
        error_facts=connection.error_facts,
        next_try_at=connection.next_try_at,
        is_team_shared=connection.shared_at is not None,
        may_manage=policy.can_manage(principal, connection),
        may_refresh=policy.can_refresh(principal),
        member_names=tuple(each.member.name for each in connection.members),
        accounts=tuple(balance_of(each, connection.id, name) for each in connection.monetary_accounts),
        is_stale=accounts.is_stale(connection),
        is_due=accounts.is_due(connection),
        is_syncing=leases.is_taken(connection) or is_syncing,
        is_requested=requested_at is not None and (synced_at is None or requested_at > synced_at),
    )


def _is_syncing() -> ColumnElement[bool]:
    """The condition that one of a connection's accounts is being synced now."""
    return (
        select(AccountSync.id)
        .join(MonetaryAccount, MonetaryAccount.id == AccountSync.id)
        .where(MonetaryAccount.connection_id == Connection.id, AccountSync.lease_until > clock.now())
        .correlate(Connection)
        .exists()
    )


def _without_holder(owners: tuple[CoOwner, ...], holder_name: str) -> tuple[CoOwner, ...]:
    """bunq lists the holder among the owners, by the full or the short name; another owner of the same name stays."""
    own = next((number for number, each in enumerate(owners) if each.is_account_name or each.name == holder_name), None)
    return tuple(owner for number, owner in enumerate(owners) if number != own)
