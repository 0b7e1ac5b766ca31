"""When the payments of a connection are to be synced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConnectionState, ErrorKind, MonetaryAccount
from bunqflask.services.connections import accounts
from bunqflask.services.gateway.retry_policy import LONGEST_RETRY, NOT_LISTED_RETRY

FRESH = timedelta(minutes=60)
# bunq gives a callback up after six tries, so even with callbacks payments are listed now and then.
FRESH_WITH_CALLBACKS = timedelta(hours=24)
# Accounts that were synced one after the other fall due one after the other; one round syncs them all.
ROUND = timedelta(minutes=10)


def is_due(connection: Connection) -> bool:
    """Tell whether the payments of a connection should be synced now, and no worker does it."""
    if connection.state != ConnectionState.ACTIVE or not accounts.is_due(connection):
        return False
    if _is_requested(connection):
        return True
    states = states_of(connection)
    if any(leases.is_taken(state) for state in states):
        return False
    if not any(account.is_shared for account in connection.monetary_accounts):
        return clock.is_over(connection.accounts_synced_at, after=FRESH)
    return bool(_due(connection, states, clock.now()))


def _is_requested(connection: Connection) -> bool:
    asked, synced = connection.sync_requested_at, connection.accounts_synced_at
    return asked is not None and (synced is None or asked > synced)


def due_accounts(connection: Connection) -> list[tuple[MonetaryAccount, AccountSync | None]]:
    """Return the accounts that are due, or will be within a round, each with how far it is synced."""
    return _due(connection, states_of(connection), clock.now() + ROUND)


def unchanged_since(state: AccountSync | None) -> ColumnElement[bool]:
    """The condition that no worker has synced this account since its state was read."""
    return and_(
        AccountSync.synced_at.is_not_distinct_from(state.synced_at if state else None),
        AccountSync.next_try_at.is_not_distinct_from(state.next_try_at if state else None),
    )


def states_of(connection: Connection) -> list[AccountSync]:
    """Return how far each account of a connection is synced."""
    query = select(AccountSync).join(MonetaryAccount, MonetaryAccount.id == AccountSync.id)
    query = query.where(MonetaryAccount.connection_id == connection.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _due(
    connection: Connection, states: Sequence[AccountSync], moment: datetime
) -> list[tuple[MonetaryAccount, AccountSync | None]]:
    oldest = moment - (FRESH if connection.callbacks_set_at is None else FRESH_WITH_CALLBACKS)
    by_id = {state.id: state for state in states}
    found = [(account, by_id.get(account.id)) for account in connection.monetary_accounts if account.is_shared]
    return [(account, state) for account, state in found if _is_behind(state, oldest)]


def _is_behind(state: AccountSync | None, oldest: datetime) -> bool:
    if state is None:
        return True
    if state.error_kind is not None:
        longest = NOT_LISTED_RETRY if state.error_kind == ErrorKind.NOT_LISTED else LONGEST_RETRY
        return clock.has_come(state.next_try_at, longest=longest)
    if state.synced_at is None or state.synced_at < oldest or clock.is_ahead(state.synced_at):
        return True
    return state.requested_at is not None and state.requested_at > state.synced_at
