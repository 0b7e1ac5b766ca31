"""Whether an account is up to date: one function decides, for the list, the account's page, exports and programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import func, select

from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import AccountSync, ConnectionState, ErrorKind, MonetaryAccount, Payment
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.sync import coverage, progress, reconciliation


class SyncState(StrEnum):
    """How an account stands, the most important first where several hold."""

    # a worker imports its payments now
    SYNCING = "syncing"
    # nothing will be updated any more: the connection has ended, or the permission does not cover the account
    STOPPED = "stopped"
    # bunq does not list payments of this account
    NOT_LISTED = "not_listed"
    # its history was not imported to the end yet
    INCOMPLETE = "incomplete"
    # a payment's balance does not follow from the one before it
    GAP = "gap"
    # the last try failed
    FAILING = "failing"
    # bunq's balance is not the balance after the newest payment
    CATCHING_UP = "catching_up"
    UP_TO_DATE = "up_to_date"


@dataclass(frozen=True, kw_only=True)
class AccountStatus:
    """How far one account is synced; all times are aware UTC.

    `not_imported` is bunq's balance less the balance after the newest payment, None where one of them is unknown.
    `stored` and `expected` count payments, as long as the history is not complete. `verified_until` is the time up to
    which all balances follow from one another, `verified_again_from` that from which they do so again.
    """

    account_id: int
    state: SyncState
    not_imported: Decimal | None = None
    has_payments: bool = False
    error_kind: ErrorKind | None = None
    synced_at: datetime | None = None
    next_try_at: datetime | None = None
    stored: int | None = None
    expected: int | None = None
    next_call_in_s: int = 0
    verified_until: datetime | None = None
    verified_again_from: datetime | None = None
    discrepancy_count: int = 0


def of_connections(connections: Sequence[ConnectionOverview]) -> dict[int, AccountStatus]:
    """Return how every account of some connections stands, by our id of it."""
    accounts = [account for connection in connections for account in connection.accounts]
    rows = _Rows.load(accounts)
    owners = {account.id: connection for connection in connections for account in connection.accounts}
    return {account.id: _status(account, owners[account.id], rows) for account in accounts}


@dataclass(frozen=True)
class _Rows:
    """What the database knows about some accounts, loaded with a few statements for all of them."""

    states: dict[int, AccountSync]
    newest_balances: dict[int, Decimal | None]
    counts: dict[int, int]
    times: dict[int, datetime]

    @classmethod
    def load(cls, accounts: Sequence[AccountBalance]) -> _Rows:
        ids = [account.id for account in accounts]
        states = {state.id: state for state in db.session.scalars(select(AccountSync).where(AccountSync.id.in_(ids)))}
        unfinished = [each for each in ids if each in states and _shows_count(states[each])]
        return cls(states, _newest_balances(ids), _counts(unfinished), _times(_named_rows(states.values())))


def _status(account: AccountBalance, connection: ConnectionOverview, rows: _Rows) -> AccountStatus:
    state = rows.states.get(account.id)
    error_kind, next_try_at = _error(state, connection)
    newest = rows.newest_balances.get(account.id)
    not_imported = account.balance - newest if account.balance is not None and newest is not None else None
    is_syncing = state is not None and leases.is_taken(state)
    return AccountStatus(
        account_id=account.id,
        state=_state(account, connection, state, error_kind=error_kind, not_imported=not_imported),
        not_imported=not_imported,
        has_payments=account.id in rows.newest_balances,
        error_kind=error_kind,
        synced_at=state.synced_at if state else None,
        next_try_at=next_try_at,
        stored=rows.counts.get(account.id, 0) if state is None or _shows_count(state) else None,
        expected=progress.expected_total(account.id, state) if is_syncing and state else None,
        next_call_in_s=progress.next_call_in_s() if is_syncing else 0,
        verified_until=_verified_until(state, rows.times),
        verified_again_from=_verified_again_from(state, rows.times),
        discrepancy_count=len(state.discrepancies) if state else 0,
    )


def _state(
    account: AccountBalance,
    connection: ConnectionOverview,
    state: AccountSync | None,
    *,
    error_kind: ErrorKind | None,
    not_imported: Decimal | None,
) -> SyncState:
    if state is not None and leases.is_taken(state):
        return SyncState.SYNCING
    if connection.state != ConnectionState.ACTIVE or not account.is_shared:
        return SyncState.STOPPED
    if error_kind == ErrorKind.NOT_LISTED:
        return SyncState.NOT_LISTED
    if state is None or state.synced_at is None or not coverage.is_complete(state.covered):
        return SyncState.INCOMPLETE
    if state.discrepancies:
        return SyncState.GAP
    if error_kind not in (None, ErrorKind.WAITING):
        return SyncState.FAILING
    is_current = not not_imported and not connection.is_requested
    return SyncState.UP_TO_DATE if is_current else SyncState.CATCHING_UP


def _error(state: AccountSync | None, connection: ConnectionOverview) -> tuple[ErrorKind | None, datetime | None]:
    """What keeps an account from being synced, and the next try: its own error, else that of its connection."""
    if state is not None and state.error_kind is not None:
        return state.error_kind, state.next_try_at
    if connection.state == ConnectionState.ACTIVE and connection.error_kind not in (None, ErrorKind.WAITING):
        return connection.error_kind, connection.next_try_at
    return None, None


def _shows_count(state: AccountSync) -> bool:
    return state.synced_at is None or leases.is_taken(state)


def _named_rows(states: Iterable[AccountSync]) -> set[int]:
    """The payments whose times say how far balances are verified."""
    broken = [state for state in states if state.discrepancies]
    ends = {state.verified_id for state in broken if state.verified_id is not None}
    return ends | {state.discrepancies[-1].row_id for state in broken if reconciliation.is_fully_known(state)}


def _verified_until(state: AccountSync | None, times: dict[int, datetime]) -> datetime | None:
    """All of a history without discrepancies is verified until its last sync; else until the last that follows."""
    if state is None or state.synced_at is None:
        return None
    if not state.discrepancies:
        return state.synced_at
    return times.get(state.verified_id) if state.verified_id is not None else None


def _verified_again_from(state: AccountSync | None, times: dict[int, datetime]) -> datetime | None:
    if state is None or not state.discrepancies or not reconciliation.is_fully_known(state):
        return None
    return times.get(state.discrepancies[-1].row_id)


def _newest_balances(account_ids: Sequence[int]) -> dict[int, Decimal | None]:
    """Return the balance after the newest payment of each account that has one: one index look-up each."""
    newest = (
        select(Payment.id)
        .where(Payment.account_id == MonetaryAccount.id)
        .order_by(Payment.id.desc())
        .limit(1)
        .correlate(MonetaryAccount)
        .scalar_subquery()
    )
    query = (
        select(MonetaryAccount.id, Payment.balance_after)
        .join(Payment, Payment.id == newest)
        .where(MonetaryAccount.id.in_(account_ids))
    )
    return {row.id: row.balance_after for row in db.session.execute(query)}


def _counts(account_ids: Sequence[int]) -> dict[int, int]:
    query = select(Payment.account_id, func.count()).where(Payment.account_id.in_(account_ids))
    rows = db.session.execute(query.group_by(Payment.account_id)) if account_ids else ()
    return {row[0]: row[1] for row in rows}


def _times(row_ids: set[int]) -> dict[int, datetime]:
    query = select(Payment.id, Payment.created_at).where(Payment.id.in_(row_ids))
    rows = db.session.execute(query) if row_ids else ()
    return {row[0]: row[1] for row in rows}
