"""When the payments of a connection are to be synced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConnectionState, MonetaryAccount
from bunqflask.services.connections import access, accounts, consents
from bunqflask.services.gateway import retry_policy
from bunqflask.services.sync import balances, webhooks, withdrawals

FRESH = timedelta(minutes=60)
# Where a callback has come so lately, others are expected to come too. bunq gives one up after six tries, so even then
# the accounts are listed when they are not fresh, and payments where a balance has moved; all payments now and then.
FRESH_WITH_CALLBACKS = timedelta(hours=24)
# Accounts that were synced one after the other fall due one after the other; one round syncs them all.
ROUND = timedelta(minutes=10)


@dataclass(frozen=True)
class _Stored:
    """How far accounts are synced, and the balance after the newest payment of each, by our ids of them."""

    states: dict[int, AccountSync]
    after_newest: dict[int, Decimal | None]

    @classmethod
    def of(cls, connections: Sequence[Connection]) -> _Stored:
        ids = [account.id for connection in connections for account in connection.monetary_accounts]
        query = select(AccountSync).where(AccountSync.id.in_(ids)).execution_options(populate_existing=True)
        return cls({state.id: state for state in db.session.scalars(query)}, balances.after_newest(ids))


def due_connections() -> list[int]:
    """Return the connections whose payments should be synced now, and that no worker syncs."""
    connections = access.list_active()
    stored = _Stored.of(connections)
    return [connection.id for connection in connections if _is_due(connection, stored)]


def is_due(connection: Connection) -> bool:
    """Tell whether the payments of a connection should be synced now, and no worker does it."""
    return _is_due(connection, _Stored.of([connection]))


def due_accounts(connection: Connection) -> list[tuple[MonetaryAccount, AccountSync | None]]:
    """Return the accounts that are due, or will be within a round, each with how far it is synced."""
    return _due(connection, _Stored.of([connection]), clock.now() + ROUND)


def unchanged_since(state: AccountSync | None) -> ColumnElement[bool]:
    """The condition that no worker has synced this account since its state was read."""
    return and_(
        AccountSync.synced_at.is_not_distinct_from(state.synced_at if state else None),
        AccountSync.next_try_at.is_not_distinct_from(state.next_try_at if state else None),
    )


def _is_due(connection: Connection, stored: _Stored) -> bool:
    if connection.state != ConnectionState.ACTIVE or not accounts.is_due(connection):
        return False
    if webhooks.is_due(connection):
        return True
    if _is_requested(connection) or any(consents.is_due(each) for each in consents.pending(connection.consents)):
        return True
    states = [stored.states[each.id] for each in connection.monetary_accounts if each.id in stored.states]
    if any(leases.is_taken(state) for state in states):
        return False
    return clock.is_over(connection.accounts_synced_at, after=FRESH) or bool(_due(connection, stored, clock.now()))


def callbacks_come(connection: Connection) -> bool:
    """Tell whether callbacks may be relied upon: they are registered, and one has come lately."""
    is_set, received_at = connection.callbacks_set_at is not None, connection.callback_received_at
    return is_set and not clock.is_over(received_at, after=FRESH_WITH_CALLBACKS)


def _is_requested(connection: Connection) -> bool:
    requested_at, synced_at = connection.sync_requested_at, connection.accounts_synced_at
    # A request from the future was written by a clock that was wrong; it must not stay one until then.
    if requested_at is None or clock.is_ahead(requested_at):
        return False
    return synced_at is None or requested_at > synced_at


def _due(connection: Connection, stored: _Stored, at: datetime) -> list[tuple[MonetaryAccount, AccountSync | None]]:
    oldest = at - (FRESH_WITH_CALLBACKS if callbacks_come(connection) else FRESH)
    covered = [account for account in connection.monetary_accounts if account.is_covered]
    found = [(account, stored.states.get(account.id)) for account in covered]
    return [(account, state) for account, state in found if _is_behind(account, state, oldest, stored)]


def _is_behind(account: MonetaryAccount, state: AccountSync | None, oldest: datetime, stored: _Stored) -> bool:
    if state is None:
        return True
    if state.error_kind is not None:
        return retry_policy.is_due(state.next_try_at, state.error_kind)
    if state.synced_at is None or state.synced_at < oldest or clock.is_ahead(state.synced_at):
        return True
    if state.full_import is not None or (state.requested_at is not None and state.requested_at > state.synced_at):
        return True
    if state.follow_up_at is not None and clock.has_come(state.follow_up_at, longest=retry_policy.LONGEST_RETRY):
        return True
    if withdrawals.places_to_look(state):
        return True
    # A difference that the last sync has left was followed up: only another one is a reason to sync.
    difference = balances.difference(account.balance, stored.after_newest.get(account.id))
    return bool(difference) and difference != state.balance_difference
