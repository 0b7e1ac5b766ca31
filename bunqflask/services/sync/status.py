"""Whether an account is up to date: one function decides, for the list, the account's page, exports and programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import func, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import AccountSync, ConnectionState, Discrepancy, ErrorKind, Payment
from bunqflask.services.connections.overview import AccountBalance, ConnectionOverview
from bunqflask.services.payments import visibility
from bunqflask.services.sync import balances, coverage, progress, reconciliation, schedule


class SyncState(StrEnum):
    """How an account stands, the most important first where several hold."""

    # a worker imports its payments now
    SYNCING = "syncing"
    # it is not updated any more: the connection has ended, or no permission covers the account
    STOPPED = "stopped"
    # bunq does not list payments of this account
    NOT_LISTED = "not_listed"
    # its history was not imported to the end yet
    INCOMPLETE = "incomplete"
    # a payment's balance does not follow from the one before it, or bunq's balance from the newest payment, although
    # a sync since then has found nothing else
    GAP = "gap"
    # the last try failed
    FAILING = "failing"
    # bunq's balance is not the balance after the newest payment, a sync was asked for or went on waiting for bunq's
    # limit, or none has succeeded for a day
    CATCHING_UP = "catching_up"
    UP_TO_DATE = "up_to_date"


@dataclass(frozen=True, kw_only=True)
class AccountStatus:
    """How far one account is synced; all times are aware UTC.

    `not_imported` is bunq's balance less the balance after the newest payment, None where one of them is unknown.
    `has_payments` tells whether any is stored of a history that is not complete.
    `stored` and `expected` count payments, as long as the history is not complete. `verified_until` is the time up to
    which all balances follow from one another, `verified_again_from` that from which they do so again. `unreadable` are
    bunq's ids of payments that cannot be stored, 0 for one without a readable id.
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
    unreadable: tuple[int, ...] = ()


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
    after_newest: dict[int, Decimal | None]
    counts: dict[int, int]
    times: dict[int, datetime]
    next_call_in_s: int

    @classmethod
    def load(cls, accounts: Sequence[AccountBalance]) -> _Rows:
        ids = [account.id for account in accounts]
        states, after_newest = balances.with_states(ids)
        unfinished = [each for each in ids if each in states and _shows_count(states[each])]
        is_syncing = any(leases.is_taken(state) for state in states.values())
        return cls(
            states=states,
            after_newest=after_newest,
            counts=_counts(unfinished),
            times=_times(_named_rows(states, accounts)),
            next_call_in_s=progress.next_call_in_s() if is_syncing else 0,
        )


def _status(account: AccountBalance, connection: ConnectionOverview, rows: _Rows) -> AccountStatus:
    state = rows.states.get(account.id)
    error_kind, next_try_at = _error(state, connection)
    # Counts and times of payments that the principal may not see would tell of them.
    since, is_limited = visibility.since(account), account.first_day is not None
    discrepancies = _seen(state, rows, since) if state else []
    not_imported = balances.difference(account.balance, rows.after_newest.get(account.id))
    unreadable = state.unreadable if state is not None else ()
    is_syncing = state is not None and leases.is_taken(state)
    return AccountStatus(
        account_id=account.id,
        state=_state(
            account,
            connection,
            state,
            error_kind=error_kind,
            not_imported=not_imported,
            is_broken=bool(discrepancies or unreadable),
        ),
        not_imported=not_imported,
        has_payments=account.id in rows.after_newest,
        error_kind=error_kind,
        synced_at=state.synced_at if state else None,
        next_try_at=next_try_at or (state.follow_up_at if state else None),
        stored=rows.counts.get(account.id, 0) if not is_limited and (state is None or _shows_count(state)) else None,
        expected=progress.expected_total(account.id, state) if is_syncing and state and not is_limited else None,
        next_call_in_s=rows.next_call_in_s if is_syncing else 0,
        verified_until=None
        if not_imported or unreadable
        else _not_before(since, _verified_until(state, rows.times, is_broken=bool(discrepancies))),
        verified_again_from=_verified_again_from(state, rows.times) if discrepancies else None,
        discrepancy_count=len(discrepancies),
        unreadable=unreadable,
    )


def _state(
    account: AccountBalance,
    connection: ConnectionOverview,
    state: AccountSync | None,
    *,
    error_kind: ErrorKind | None,
    not_imported: Decimal | None,
    is_broken: bool,
) -> SyncState:
    if state is not None and leases.is_taken(state):
        return SyncState.SYNCING
    if connection.state != ConnectionState.ACTIVE or not account.is_covered:
        return SyncState.STOPPED
    if error_kind == ErrorKind.NOT_LISTED:
        return SyncState.NOT_LISTED
    if state is None or state.synced_at is None or not coverage.is_complete(state.covered):
        return SyncState.INCOMPLETE
    if is_broken or (not_imported and not_imported == state.balance_difference):
        return SyncState.GAP
    if error_kind not in (None, ErrorKind.WAITING):
        return SyncState.FAILING
    is_current = not not_imported and error_kind is None and not _is_wanted(connection, state)
    return SyncState.UP_TO_DATE if is_current else SyncState.CATCHING_UP


def _is_wanted(connection: ConnectionOverview, state: AccountSync) -> bool:
    """Tell whether a sync was asked for and not done yet, or should have been done long ago."""
    if connection.is_requested or state.full_import is not None or state.synced_at is None:
        return True
    if state.requested_at is not None and state.requested_at > state.synced_at:
        return True
    return clock.is_over(state.synced_at, after=schedule.FRESH_WITH_CALLBACKS + schedule.ROUND)


def _error(state: AccountSync | None, connection: ConnectionOverview) -> tuple[ErrorKind | None, datetime | None]:
    """What keeps an account from being synced, and the next try: its own error, else that of its connection."""
    if state is not None and state.error_kind is not None:
        return state.error_kind, state.next_try_at
    if connection.state == ConnectionState.ACTIVE and connection.error_kind not in (None, ErrorKind.WAITING):
        return connection.error_kind, connection.next_try_at
    return None, None


def _shows_count(state: AccountSync) -> bool:
    return state.synced_at is None or leases.is_taken(state)


def _named_rows(states: Mapping[int, AccountSync], accounts: Iterable[AccountBalance]) -> set[int]:
    """The payments whose times say how far balances are verified, and which discrepancies the principal may see."""
    broken = [state for state in states.values() if state.discrepancies]
    ends = {state.verified_id for state in broken if state.verified_id is not None}
    limited = {account.id for account in accounts if account.first_day is not None}
    seen = {each.row_id for state in broken if state.id in limited for each in state.discrepancies}
    return ends | seen | {state.discrepancies[-1].row_id for state in broken if reconciliation.is_fully_known(state)}


def _seen(state: AccountSync, rows: _Rows, since: datetime) -> list[Discrepancy]:
    """The discrepancies at payments that the principal may see; `rows` has the times where not all may be seen."""
    return [each for each in state.discrepancies if each.row_id not in rows.times or rows.times[each.row_id] >= since]


def _not_before(since: datetime, time: datetime | None) -> datetime | None:
    return time if time is not None and time >= since else None


def _verified_until(state: AccountSync | None, times: dict[int, datetime], *, is_broken: bool) -> datetime | None:
    """All of a history without discrepancies is verified until its last sync; else until the last that follows."""
    if state is None or state.synced_at is None:
        return None
    if not is_broken:
        return state.synced_at
    return times.get(state.verified_id) if state.verified_id is not None else None


def _verified_again_from(state: AccountSync | None, times: dict[int, datetime]) -> datetime | None:
    if state is None or not state.discrepancies or not reconciliation.is_fully_known(state):
        return None
    return times.get(state.discrepancies[-1].row_id)


def _counts(account_ids: Sequence[int]) -> dict[int, int]:
    query = select(Payment.account_id, func.count().label("payments")).where(Payment.account_id.in_(account_ids))
    found = db.session.execute(query.group_by(Payment.account_id)) if account_ids else ()
    return {row.account_id: row.payments for row in found}


def _times(row_ids: set[int]) -> dict[int, datetime]:
    query = select(Payment.id, Payment.created_at).where(Payment.id.in_(row_ids))
    return {row.id: row.created_at for row in db.session.execute(query)} if row_ids else {}
