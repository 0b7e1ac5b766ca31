"""Read models of connections: plain, frozen values, from which pages and programs are served alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec
from flask import current_app
from sqlalchemy import select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionState, ConsentGrantState, CoOwner, ErrorKind, MonetaryAccount
from bunqflask.services import policy
from bunqflask.services.account_rights import AccountRight
from bunqflask.services.connections import accounts, condition_rows, consents, rows
from bunqflask.services.connections.condition import Rows, assess
from bunqflask.services.connections.people import NOBODY, People
from bunqflask.services.connections.rows import (
    AccountRow,
    ConnectionRow,
    ConsentRow,
    SyncRow,
)
from bunqflask.services.connections.standing import Standing
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_HELD = AccountRight(is_held=True)


class AccountBalance(msgspec.Struct, frozen=True, kw_only=True):
    """One monetary account with its last known balance.

    `id` is our row, 0 for one that is not stored; `wrapper` is bunq's type of it; `iban` is bare. `uncovered_since`
    tells since when no permission covers it. `is_held` tells that the principal may sync, share and give it up;
    payments before `first_day` do not exist for them. `holder_names` are the members who hold it, `other_holder_names`
    these without the principal, `reader_names` those with whom it is shared; `is_team_shared` tells that the whole team
    reads it. `revision` counts the changes of its payments.
    """

    id: int
    connection_id: int
    monetary_account_id: int
    name: str
    wrapper: str
    iban: str | None
    other_ibans: tuple[str, ...] = ()
    currency: str
    balance: Decimal | None
    status: str
    sub_status: str
    color: str | None
    savings_goal: Decimal | None
    updated_at: datetime | None
    uncovered_since: datetime | None = None
    is_held: bool = True
    first_day: date | None = None
    holder_names: tuple[str, ...] = ()
    other_holder_names: tuple[str, ...] = ()
    reader_names: tuple[str, ...] = ()
    is_team_shared: bool = False
    co_owners: tuple[CoOwner, ...] = ()
    revision: int = 0

    @property
    def ibans(self) -> tuple[str, ...]:
        """All its IBANs, the main one first."""
        return (self.iban, *self.other_ibans) if self.iban else ()

    @property
    def is_covered(self) -> bool:
        """Whether a permission covers it, so that bunq may be asked about it."""
        return self.uncovered_since is None


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One consent on a connection, as far as a principal may know of it: by whom, since when, for which accounts.

    `account_ids` are those that the principal may see.
    """

    id: int
    member_name: str
    is_own: bool
    granted_at: datetime
    state: ConsentGrantState
    state_since: datetime
    account_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ConnectionOverview:
    """One connection as a principal may see it: the accounts within their rights; all times are aware UTC.

    `state` is that of these accounts: active as long as a permission covers one of them. `may_manage` tells that the
    principal may sync, share, renew and end it. `is_stale` tells that its accounts should be listed again, `is_due`
    that bunq may be asked now, `is_syncing` that a worker does it, `is_requested` that somebody asked for it and no
    worker has done it yet. `permissions` come newest first. `current_until` tells up to when all of the connection was
    up to date, as it was stored; `remind_after_days` is when its holders want to be reminded to renew it, None for
    others; `session_until` is when bunq ends the session that is open.
    """

    id: int
    holder_name: str
    holder_type: str
    granted_user_id: int
    state: ConnectionState
    state_since: datetime
    accounts_synced_at: datetime | None
    error_kind: ErrorKind | None
    error_facts: dict[str, Any] | None
    next_try_at: datetime | None
    may_manage: bool
    accounts: tuple[AccountBalance, ...]
    is_stale: bool
    is_due: bool
    is_syncing: bool
    is_requested: bool
    remind_after_days: int | None = None
    current_until: datetime | None = None
    session_until: datetime | None = None
    permissions: tuple[Permission, ...] = ()
    known_standing: Standing | None = None

    @property
    def standing(self) -> Standing:
        """The condition of what the principal sees.

        :raises LookupError: it was not asked for.
        """
        if self.known_standing is None:
            raise LookupError("ask for the connection with its standing")
        return self.known_standing

    @cached_property
    def held(self) -> tuple[AccountBalance, ...]:
        """The accounts that the principal holds."""
        return tuple(account for account in self.accounts if account.is_held)


def get(principal: Principal, connection_id: int, *, with_standing: bool = False) -> ConnectionOverview:
    """Return one connection that the principal may see.

    :param with_standing: with its condition; it costs a statement.
    :raises NotFoundHere: there is none.
    """
    found = _load(principal, connection_id, with_standing=with_standing)
    if not found:
        raise NotFoundHere
    return found[0]


def list_all(
    principal: Principal, *, with_people: bool = True, with_standing: bool = False
) -> list[ConnectionOverview]:
    """Return all connections that the principal may see, the oldest first.

    :param with_people: name the members who hold or read each account; it costs a statement.
    :param with_standing: with the condition of each; it costs another.
    """
    return _load(principal, with_people=with_people, with_standing=with_standing)


def accounts_of(principal: Principal) -> list[AccountBalance]:
    """Return all accounts that the principal may see, those of the oldest connection first, with one statement.

    They are those of `list_all`, without the connections and the people.
    """
    seen = sorted(rows.accounts_seen_by(principal), key=lambda each: each.row.connection_id)
    return [balance_of(each.row, each.row.connection_id, each.holder_name, each.right) for each in seen]


def of_bunq_user(
    principal: Principal, granted_user_id: int, *, with_standing: bool = False
) -> ConnectionOverview | None:
    """Return the connection of a bunq user in the configured environment, if the principal may see it.

    :param with_standing: with its condition; it costs a statement.
    """
    environment = current_app.config["BUNQ_ENVIRONMENT"]
    query = (
        select(Connection.id)
        .where(policy.is_visible_to(principal))
        .where(Connection.granted_user_id == granted_user_id, Connection.environment == environment)
    )
    connection_id = db.session.scalar(query)
    return get(principal, connection_id, with_standing=with_standing) if connection_id is not None else None


def balance_of(
    account: MonetaryAccount | AccountRow,
    connection_id: int,
    holder_name: str,
    right: AccountRight = _HELD,
    people: People = NOBODY,
) -> AccountBalance:
    """Return the read model of an account, stored or not; the holder is no co-owner worth naming."""
    account_id = account.id or 0
    return AccountBalance(
        id=account_id,
        connection_id=connection_id,
        monetary_account_id=account.monetary_account_id,
        name=account.description,
        wrapper=account.wrapper,
        iban=account.iban,
        other_ibans=account.other_ibans,
        currency=account.currency,
        balance=account.balance,
        status=account.status,
        sub_status=account.sub_status,
        color=account.color,
        savings_goal=account.savings_goal,
        updated_at=account.updated_at,
        uncovered_since=account.uncovered_since,
        is_held=right.is_held,
        first_day=right.first_day,
        holder_names=people.holder_names(account_id),
        other_holder_names=people.other_holders(account_id),
        reader_names=people.reader_names(account_id),
        is_team_shared=account_id in people.team_reads,
        co_owners=_without_holder(account.co_owners, holder_name),
        revision=account.revision,
    )


def _load(
    principal: Principal, connection_id: int | None = None, *, with_people: bool = True, with_standing: bool = False
) -> list[ConnectionOverview]:
    visible = rows.accounts_seen_by(principal)
    connections = rows.connections_seen_by(principal, connection_id)
    consents_of = rows.consents_of(each.id for each in connections)
    people = People.of(principal, [each.row.id for each in visible]) if with_people else NOBODY
    syncs = rows.syncs_of(each.row.id for each in visible) if with_standing else None
    of_connection: dict[int, list[AccountBalance]] = {each.id: [] for each in connections}
    for each in visible:
        if (seen := of_connection.get(each.row.connection_id)) is not None:
            seen.append(balance_of(each.row, each.row.connection_id, each.holder_name, each.right, people))
    return [
        _overview(each, consents_of.get(each.id, []), principal, tuple(of_connection[each.id]), syncs)
        for each in connections
    ]


def _overview(
    connection: ConnectionRow,
    given: Sequence[ConsentRow],
    principal: Principal,
    seen: tuple[AccountBalance, ...],
    syncs: Mapping[int, SyncRow] | None,
) -> ConnectionOverview:
    ids = {each.id for each in seen}
    permissions = _permissions(given, principal, ids)
    state, since = _state(connection, seen, permissions)
    may_manage = any(each.is_held for each in seen) or _has_own_consent(permissions)
    remind_after_days = connection.remind_after_days if may_manage else None
    failing = _failing(connection, given, ids, permissions)
    requested_at, synced_at = connection.sync_requested_at, connection.accounts_synced_at
    return ConnectionOverview(
        id=connection.id,
        holder_name=connection.display_name,
        holder_type=connection.granted_user_type,
        granted_user_id=connection.granted_user_id,
        state=state,
        state_since=since,
        accounts_synced_at=synced_at,
        error_kind=failing.error_kind if failing else None,
        error_facts=failing.error_facts if failing else None,
        next_try_at=failing.next_try_at if failing else None,
        may_manage=may_manage,
        accounts=seen,
        is_stale=accounts.is_stale(connection),
        is_due=any(map(consents.is_due, consents.to_ask(given))) or connection.state != ConnectionState.ACTIVE,
        is_syncing=leases.is_taken(connection) or bool(connection.is_syncing),
        is_requested=requested_at is not None and (synced_at is None or requested_at > synced_at),
        remind_after_days=remind_after_days,
        current_until=connection.current_until,
        session_until=connection.session_until,
        permissions=permissions,
        known_standing=_standing(connection, (state, since), given, seen, permissions, remind_after_days, syncs),
    )


def _standing(
    connection: ConnectionRow,
    state: tuple[ConnectionState, datetime],
    given: Iterable[ConsentRow],
    seen: Sequence[AccountBalance],
    permissions: Iterable[Permission],
    remind_after_days: int | None,
    syncs: Mapping[int, SyncRow] | None,
) -> Standing | None:
    """Return the condition of a connection, as far as it is seen; None where it was not asked for."""
    if syncs is None:
        return None
    known, ids = {each.id for each in permissions}, {each.id for each in seen}
    # those that concern who sees the connection; also one that has ended here
    concerned = [each for each in given if each.id in known or not ids.isdisjoint(each.account_ids)]
    return assess(
        Rows(
            state=state[0],
            state_since=state[1],
            listed_at=connection.accounts_synced_at,
            consents=concerned,
            accounts=seen,
            syncs=syncs,
            remind_after_days=remind_after_days,
            before=connection.before,
            worker_seen_at=connection.worker_seen_at,
            now=clock.now(),
            zone=condition_rows.zone(),
        )
    )


def _permissions(given: Iterable[ConsentRow], principal: Principal, seen: set[int]) -> tuple[Permission, ...]:
    """The consents that concern the principal: their own, and those on accounts that they see; not the ended ones."""
    found = [
        Permission(
            id=each.id,
            member_name=each.member_name,
            is_own=each.member_id == principal.id,
            granted_at=each.granted_at,
            state=each.state,
            state_since=each.state_since,
            account_ids=tuple(sorted(each.account_ids & seen)),
        )
        for each in given
        if each.state != ConsentGrantState.ENDED
    ]
    ordered = sorted(found, key=lambda each: (each.granted_at, each.id), reverse=True)
    return tuple(each for each in ordered if each.is_own or each.account_ids)


def _has_own_consent(permissions: Collection[Permission]) -> bool:
    return any(each.is_own and each.state == ConsentGrantState.ACTIVE for each in permissions)


def _state(
    connection: ConnectionRow, seen: Collection[AccountBalance], permissions: Collection[Permission]
) -> tuple[ConnectionState, datetime]:
    """The state of what the principal sees, and since when: others' accounts may be covered, and theirs not."""
    works = [each for each in permissions if each.state == ConsentGrantState.ACTIVE]
    if connection.state != ConnectionState.ACTIVE or not seen or any(each.is_covered for each in seen) or works:
        return connection.state, connection.state_since
    since = max(each.uncovered_since for each in seen if each.uncovered_since is not None)
    is_lost = any(each.state == ConsentGrantState.LOST for each in permissions)
    return ConnectionState.LOST if is_lost else ConnectionState.DISCONNECTED, since


def _failing(
    connection: ConnectionRow, given: Sequence[ConsentRow], seen: set[int], permissions: Iterable[Permission]
) -> ConsentRow | None:
    """The consent with whose error the principal's accounts are not updated; its error may be one that only waits.

    One that bunq has refused concerns nobody as long as others cover all its accounts: they are updated.
    """
    if not any(map(_has_failed, given)):
        return None
    own = {each.id for each in permissions if each.is_own}
    listing = consents.to_list(given)
    updated = {account_id for each in listing if consents.works(each) for account_id in each.account_ids}
    refused = [each for each in consents.pending(given) if not each.account_ids or not each.account_ids <= updated]
    asked = [*refused, *listing]
    if connection.state != ConnectionState.ACTIVE:
        asked = sorted(given, key=lambda each: each.state_since, reverse=True)[:1]
    concerned = [each for each in asked if each.id in own or not seen.isdisjoint(each.account_ids)]
    return min(filter(_has_failed, concerned), key=consents.works, default=None)


def _has_failed(consent: ConsentRow) -> bool:
    return consent.error_kind is not None or consent.error_facts is not None


def _without_holder(owners: tuple[CoOwner, ...], holder_name: str) -> tuple[CoOwner, ...]:
    """bunq lists the holder among the owners, by the full or the short name; another owner of the same name stays."""
    own = next((number for number, each in enumerate(owners) if each.is_account_name or each.name == holder_name), None)
    return tuple(owner for number, owner in enumerate(owners) if number != own)
