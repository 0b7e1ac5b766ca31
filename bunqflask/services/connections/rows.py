"""What pages read of connections, their accounts, consents and syncs: plain rows, by statements that are built once.

A page with twenty connections reads hundreds of rows. As objects of the ORM they took half of its time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, ScalarSelect, Select, Text, bindparam, cast, func, select

from bunqflask import clock
from bunqflask.database.lists import is_listed, listed
from bunqflask.extensions import db, table_of
from bunqflask.models import (
    AccountSync,
    BunqSession,
    Condition,
    ConditionChange,
    Connection,
    ConnectionState,
    Consent,
    ConsentAccount,
    ConsentGrantState,
    CoOwner,
    ErrorKind,
    MonetaryAccount,
    StopReason,
    TeamMember,
)
from bunqflask.services import account_rights, policy, workers
from bunqflask.services.account_rights import AccountRight, Asker, asker_of
from bunqflask.services.principal import Principal

_account, _sync, _connection = (table_of(each).c for each in (MonetaryAccount, AccountSync, Connection))
_consent, _covered, _member = (table_of(each).c for each in (Consent, ConsentAccount, TeamMember))
_session, _change = table_of(BunqSession).c, table_of(ConditionChange).c


class AccountRow(NamedTuple):
    """What is stored of an account, but for bunq's own JSON."""

    id: int
    connection_id: int
    monetary_account_id: int
    description: str
    wrapper: str
    iban: str | None
    other_ibans: tuple[str, ...]
    currency: str
    balance: Decimal | None
    status: str
    sub_status: str
    color: str | None
    savings_goal: Decimal | None
    updated_at: datetime | None
    uncovered_since: datetime | None
    co_owners: tuple[CoOwner, ...]
    revision: int


class SeenAccount(NamedTuple):
    """An account that a principal may see, with their right on it."""

    row: AccountRow
    right: AccountRight
    holder_name: str


class ConsentRow(NamedTuple):
    """A consent, with its member's name and our ids of the accounts that it covers."""

    id: int
    connection_id: int
    member_id: int
    granted_at: datetime
    state: ConsentGrantState
    state_since: datetime
    refused_at: datetime | None
    refused_since: datetime | None
    error_kind: ErrorKind | None
    error_facts: dict[str, Any] | None
    error_since: datetime | None
    next_try_at: datetime | None
    member_name: str
    account_ids: frozenset[int]


class SyncRow(NamedTuple):
    """How far an account is synced, as far as the condition of its connection follows from it."""

    id: int
    synced_at: datetime | None
    requested_at: datetime | None = None
    lease_until: datetime | None = None
    error_kind: ErrorKind | None = None
    error_facts: dict[str, Any] | None = None
    error_since: datetime | None = None
    next_try_at: datetime | None = None


class ChangeRow(NamedTuple):
    """A condition that a connection came into, as it was stored."""

    id: int
    connection_id: int
    condition: Condition
    reason: StopReason | None
    since: datetime
    noted_at: datetime
    account_ids: tuple[int, ...]
    facts: dict[str, Any] | None


class ConnectionRow(NamedTuple):
    """A connection; `is_syncing` tells that a worker syncs one of its accounts now.

    `session_until` is when bunq ends the session that is open, `worker_seen_at` the last sign of life of any worker.
    `before` is the condition that was stored last.
    """

    id: int
    granted_user_id: int
    granted_user_type: str
    display_name: str
    state: ConnectionState
    state_since: datetime
    current_until: datetime | None
    remind_after_days: int | None
    accounts_synced_at: datetime | None
    sync_requested_at: datetime | None
    lease_until: datetime | None
    is_syncing: bool
    session_until: datetime | None
    worker_seen_at: datetime | None
    before: ChangeRow | None


def accounts_seen_by(principal: Principal) -> list[SeenAccount]:
    """Return all accounts that the principal may see, with their rights on them, in the order of bunq's ids."""
    found: dict[int, SeenAccount] = {}
    seen = db.session.connection().execute(_accounts_seen_by(asker_of(principal))).all()
    for *columns, name, is_held, first_day in seen:
        row, right = AccountRow(*columns), _right(is_held, first_day)
        if row.id in found:
            right = account_rights.widest((right, found[row.id].right))
        found[row.id] = SeenAccount(row, right, name)
    return list(found.values())


@lru_cache(256)
def _right(is_held: int, first_day: date | None) -> AccountRight:
    return AccountRight(bool(is_held), first_day)


@lru_cache(maxsize=policy.MOST_STATEMENTS)
def _accounts_seen_by(asker: Asker) -> Select[Any]:
    stored = (_account[name] for name in AccountRow._fields)
    seen = account_rights.accounts_with_rights(asker, *stored, _connection.display_name)
    return seen.join(table_of(Connection), _connection.id == _account.connection_id)


def connections_seen_by(principal: Principal, connection_id: int | None = None) -> list[ConnectionRow]:
    """Return the connections that the principal may see, the oldest first.

    :param connection_id: the only one wanted.
    """
    asked = {"connection_id": connection_id} if connection_id is not None else {}
    query = _connections_seen_by(asker_of(principal), only_one=connection_id is not None)
    found = []
    for row in db.session.connection().execute(query, asked):
        stored, change = row[:-_WIDTH_OF_CHANGE], row[-_WIDTH_OF_CHANGE:]
        before = ChangeRow(*change) if change[0] is not None else None
        found.append(ConnectionRow._make((*stored, before)))
    return found


@lru_cache(maxsize=policy.MOST_STATEMENTS)
def _connections_seen_by(asker: Asker, *, only_one: bool) -> Select[Any]:
    stored = (_connection[name] for name in ConnectionRow._fields if name in _connection)
    before = (_change[name] for name in ChangeRow._fields)
    query = (
        select(*stored, _IS_SYNCING, _SESSION_UNTIL, workers.last_seen(), *before)
        .outerjoin_from(table_of(Connection), table_of(ConditionChange), _change.id == _newest_change())
        .where(policy.is_visible_to_asker(asker))
        .order_by(_connection.id)
    )
    return query.where(_connection.id == bindparam("connection_id")) if only_one else query


def consents_of(connection_ids: Iterable[int]) -> dict[int, list[ConsentRow]]:
    """Return all consents of connections, by our id of each connection; also those that have ended."""
    found: dict[int, list[ConsentRow]] = {}
    for *columns, covered in db.session.connection().execute(_CONSENTS, {"connection_ids": listed(connection_ids)}):
        row = ConsentRow._make((*columns, frozenset(map(int, covered.split(",") if covered else ()))))
        found.setdefault(row.connection_id, []).append(row)
    return found


def syncs_of(account_ids: Iterable[int]) -> dict[int, SyncRow]:
    """Return how far accounts are synced, by our ids of them."""
    rows = db.session.connection().execute(_SYNCS, {"account_ids": listed(account_ids)}).all()
    return {row[0]: SyncRow(*row) for row in rows}


def latest_changes(connection_ids: Iterable[int]) -> dict[int, ChangeRow]:
    """Return the condition of each connection that was stored last, by our id of the connection."""
    rows = db.session.connection().execute(_LATEST, {"connection_ids": listed(connection_ids)})
    return {row.connection_id: ChangeRow(*row) for row in rows}


def _is_syncing() -> ColumnElement[bool]:
    # asked for when the statement is executed
    now = bindparam("now", callable_=lambda: clock.now(), unique=True, type_=_sync.lease_until.type)
    return (
        select(_sync.id)
        .join(table_of(MonetaryAccount), _account.id == _sync.id)
        .where(_account.connection_id == _connection.id, _sync.lease_until > now)
        .correlate(table_of(Connection))
        .exists()
    )


def _session_until() -> ScalarSelect[datetime | None]:
    """Until when the session lasts that was opened with a consent of a connection; the last of several."""
    return (
        select(func.max(_session.expires_at))
        .join(table_of(Consent), _consent.session_id == _session.id)
        .where(_consent.connection_id == _connection.id, _consent.state == ConsentGrantState.ACTIVE)
        # With the permission, bunq refuses the session that was opened with it.
        .where(_session.token_sealed.is_not(None), _consent.refused_at.is_(None), _consent.refused_since.is_(None))
        .correlate(table_of(Connection))
        .scalar_subquery()
    )


def _newest_change() -> ScalarSelect[int]:
    each = table_of(ConditionChange).alias("each").c
    newest = select(func.max(each.id)).where(each.connection_id == _connection.id)
    return newest.correlate(table_of(Connection)).scalar_subquery()


def _covered_ids() -> ScalarSelect[str | None]:
    """Our ids of the accounts that a consent covers, with commas between them: one row for each consent."""
    ids = select(func.aggregate_strings(cast(_covered.account_id, Text), ","))
    return ids.where(_covered.consent_id == _consent.id).correlate(table_of(Consent)).scalar_subquery()


_WIDTH_OF_CHANGE = len(ChangeRow._fields)
_IS_SYNCING, _SESSION_UNTIL = _is_syncing(), _session_until()
_CONSENTS = (
    select(*(_consent[name] for name in ConsentRow._fields if name in _consent), _member.name, _covered_ids())
    .join(table_of(TeamMember), _member.id == _consent.member_id)
    .where(is_listed(_consent.connection_id, "connection_ids", BigInteger()))
    .order_by(_consent.id)
)
_SYNCS = select(*(_sync[name] for name in SyncRow._fields)).where(is_listed(_sync.id, "account_ids", BigInteger()))
_newest = (
    select(func.max(_change.id))
    .where(is_listed(_change.connection_id, "connection_ids", BigInteger()))
    .group_by(_change.connection_id)
)
_LATEST = select(*(_change[name] for name in ChangeRow._fields)).where(_change.id.in_(_newest))
