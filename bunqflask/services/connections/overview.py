"""Read models of connections: plain, frozen values, from which pages and programs are served alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, ScalarSelect, Select, func, inspect, select

from bunqflask import clock
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    BunqSession,
    ConditionChange,
    Connection,
    ConnectionState,
    Consent,
    ConsentGrantState,
    CoOwner,
    ErrorKind,
    MonetaryAccount,
)
from bunqflask.services import policy, workers
from bunqflask.services.account_rights import AccountRight
from bunqflask.services.connections import access, accounts, condition_rows, consents
from bunqflask.services.connections.condition import Rows, assess
from bunqflask.services.connections.people import People
from bunqflask.services.connections.standing import Standing
from bunqflask.services.policy import NotFoundHere, VisibleAccount
from bunqflask.services.principal import Principal


@dataclass(frozen=True, kw_only=True)
class AccountBalance:
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
    others; `session_until`, known with the standing, is when bunq ends the session that is open.
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

    @property
    def held(self) -> tuple[AccountBalance, ...]:
        """The accounts that the principal holds."""
        return tuple(account for account in self.accounts if account.is_held)


def get(principal: Principal, connection_id: int, *, with_standing: bool = False) -> ConnectionOverview:
    """Return one connection that the principal may see.

    :param with_standing: with its condition; it costs two statements.
    :raises NotFoundHere: there is none.
    """
    one = access.visible_to(principal).where(Connection.id == connection_id)
    found = _load(one, principal, with_standing=with_standing)
    if not found:
        raise NotFoundHere
    return found[0]


def list_all(
    principal: Principal, *, with_people: bool = True, with_standing: bool = False
) -> list[ConnectionOverview]:
    """Return all connections that the principal may see, the oldest first.

    :param with_people: name the members who hold or read each account; it costs a statement.
    :param with_standing: with the condition of each; it costs two.
    """
    every = access.visible_to(principal).order_by(Connection.id)
    return _load(every, principal, with_people=with_people, with_standing=with_standing)


def accounts_of(principal: Principal) -> list[AccountBalance]:
    """Return all accounts that the principal may see, those of the oldest connection first, with one statement.

    They are those of `list_all`, without the connections and the people.
    """
    visible = sorted(policy.accounts_seen_by(principal).values(), key=lambda each: each.row.connection_id)
    return [balance_of(each.row, each.row.connection_id, each.holder_name, each.right) for each in visible]


def of_bunq_user(
    principal: Principal, granted_user_id: int, *, with_standing: bool = False
) -> ConnectionOverview | None:
    """Return the connection of a bunq user in the configured environment, if the principal may see it.

    :param with_standing: with its condition; it costs two statements.
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
    account: MonetaryAccount,
    connection_id: int,
    holder_name: str,
    right: AccountRight | None = None,
    people: People | None = None,
) -> AccountBalance:
    """Return the read model of an account, stored or not; the holder is no co-owner worth naming."""
    right, people = right or AccountRight(is_held=True), people or People()
    return AccountBalance(
        id=account.id if inspect(account).persistent else 0,
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
        holder_names=tuple(people.holders.get(account.id, {}).values()),
        other_holder_names=tuple(people.other_holders(account.id)),
        reader_names=tuple(people.readers.get(account.id, {}).values()),
        is_team_shared=account.id in people.team_reads,
        co_owners=_without_holder(account.co_owners, holder_name),
        revision=account.revision,
    )


def _load(
    query: Select[Connection], principal: Principal, *, with_people: bool = True, with_standing: bool = False
) -> list[ConnectionOverview]:
    visible = policy.accounts_seen_by(principal)
    columns: Select[Any] = query.add_columns(_is_syncing())
    if with_standing:
        columns = columns.add_columns(_session_until(), workers.last_seen())
    rows = db.session.execute(columns).unique().all()
    people = People.of(principal, list(visible)) if with_people else People()
    of_connection: dict[int, list[VisibleAccount]] = {}
    for each in visible.values():
        of_connection.setdefault(each.row.connection_id, []).append(each)
    found = [
        _overview(connection, principal, of_connection.get(connection.id, []), people, is_syncing=syncing)
        for connection, syncing, *_clocks in rows
    ]
    if not with_standing:
        return found
    before, syncs = condition_rows.latest([each.id for each in found]), condition_rows.syncs_of(list(visible))
    return [
        replace(
            each,
            session_until=session_until,
            known_standing=_standing(connection, each, visible, before.get(each.id), syncs, worker_seen_at),
        )
        for each, (connection, _syncing, session_until, worker_seen_at) in zip(found, rows, strict=True)
    ]


def _standing(
    connection: Connection,
    seen: ConnectionOverview,
    visible: Mapping[int, VisibleAccount],
    before: ConditionChange | None,
    syncs: Mapping[int, AccountSync],
    worker_seen_at: datetime | None,
) -> Standing:
    """Return the condition of a connection, as far as it is seen."""
    known = {permission.id for permission in seen.permissions}
    rows = Rows(
        connection=connection,
        state=seen.state,
        state_since=seen.state_since,
        consents=[consent for consent in connection.consents if _is_known(consent, known, seen)],
        accounts=[visible[account.id].row for account in seen.accounts],
        syncs=syncs,
        remind_after_days=seen.remind_after_days,
        before=before,
        worker_seen_at=worker_seen_at,
        now=clock.now(),
        zone=condition_rows.zone(),
    )
    return assess(rows)


def _is_known(consent: Consent, known: Collection[int], connection: ConnectionOverview) -> bool:
    """Tell whether a consent concerns who sees the connection; also one that has ended here."""
    seen = {account.id for account in connection.accounts}
    return consent.id in known or any(covered.account_id in seen for covered in consent.accounts)


def _overview(
    connection: Connection,
    principal: Principal,
    visible: Sequence[VisibleAccount],
    people: People,
    *,
    is_syncing: bool,
) -> ConnectionOverview:
    name, requested_at = connection.display_name, connection.sync_requested_at
    synced_at = connection.accounts_synced_at
    seen = tuple(balance_of(each.row, connection.id, name, each.right, people) for each in visible)
    permissions = _permissions(connection, principal, {each.id for each in seen})
    state, since = _state(connection, seen, permissions)
    may_manage = any(each.is_held for each in seen) or _has_own_consent(permissions)
    failing = _failing(connection, {each.id for each in seen}, permissions)
    return ConnectionOverview(
        id=connection.id,
        holder_name=name,
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
        is_due=accounts.is_due(connection) or connection.state != ConnectionState.ACTIVE,
        is_syncing=leases.is_taken(connection) or is_syncing,
        is_requested=requested_at is not None and (synced_at is None or requested_at > synced_at),
        remind_after_days=connection.remind_after_days if may_manage else None,
        current_until=connection.current_until,
        permissions=permissions,
    )


def _permissions(connection: Connection, principal: Principal, seen: Collection[int]) -> tuple[Permission, ...]:
    """The consents that concern the principal: their own, and those on accounts that they see; not the ended ones."""
    found = [
        Permission(
            id=each.id,
            member_name=each.member.name,
            is_own=each.member_id == principal.id,
            granted_at=each.granted_at,
            state=each.state,
            state_since=each.state_since,
            account_ids=tuple(sorted(account.account_id for account in each.accounts if account.account_id in seen)),
        )
        for each in connection.consents
        if each.state != ConsentGrantState.ENDED
    ]
    ordered = sorted(found, key=lambda each: (each.granted_at, each.id), reverse=True)
    return tuple(each for each in ordered if each.is_own or each.account_ids)


def _has_own_consent(permissions: Collection[Permission]) -> bool:
    return any(each.is_own and each.state == ConsentGrantState.ACTIVE for each in permissions)


def _state(
    connection: Connection, seen: Collection[AccountBalance], permissions: Collection[Permission]
) -> tuple[ConnectionState, datetime]:
    """The state of what the principal sees, and since when: others' accounts may be covered, and theirs not."""
    works = [each for each in permissions if each.state == ConsentGrantState.ACTIVE]
    if connection.state != ConnectionState.ACTIVE or not seen or any(each.is_covered for each in seen) or works:
        return connection.state, connection.state_since
    since = max(each.uncovered_since for each in seen if each.uncovered_since is not None)
    is_lost = any(each.state == ConsentGrantState.LOST for each in permissions)
    return ConnectionState.LOST if is_lost else ConnectionState.DISCONNECTED, since


def _failing(connection: Connection, seen: Collection[int], permissions: Collection[Permission]) -> Consent | None:
    """The consent with whose error the principal's accounts are not updated; its error may be one that only waits.

    One that bunq has refused concerns nobody as long as others cover all its accounts: they are updated.
    """
    own = {each.id for each in permissions if each.is_own}
    listing = consents.to_list(connection)
    updated = {account.account_id for each in listing if consents.works(each) for account in each.accounts}
    refused = [each for each in consents.pending(connection) if _covers_more(each, updated)]
    asked = [*refused, *listing]
    if connection.state != ConnectionState.ACTIVE:
        asked = sorted(connection.consents, key=lambda each: each.state_since, reverse=True)[:1]
    concerned = [
        each for each in asked if each.id in own or any(account.account_id in seen for account in each.accounts)
    ]
    failed = [each for each in concerned if each.error_kind is not None or each.error_facts is not None]
    return min(failed, key=consents.works) if failed else None


def _covers_more(consent: Consent, account_ids: Collection[int]) -> bool:
    """Tell whether a consent covers an account besides these, or none at all."""
    covered = {account.account_id for account in consent.accounts}
    return not covered or not covered <= set(account_ids)


def _is_syncing() -> ColumnElement[bool]:
    """The condition that one of a connection's accounts is being synced now."""
    return (
        select(AccountSync.id)
        .join(MonetaryAccount, MonetaryAccount.id == AccountSync.id)
        .where(MonetaryAccount.connection_id == Connection.id, AccountSync.lease_until > clock.now())
        .correlate(Connection)
        .exists()
    )


def _session_until() -> ScalarSelect[datetime | None]:
    """Until when the session lasts that was opened with a consent of a connection; the last of several."""
    return (
        select(func.max(BunqSession.expires_at))
        .join(Consent, Consent.session_id == BunqSession.id)
        .where(Consent.connection_id == Connection.id, Consent.state == ConsentGrantState.ACTIVE)
        # With the permission, bunq refuses the session that was opened with it.
        .where(BunqSession.token_sealed.is_not(None), Consent.refused_at.is_(None), Consent.refused_since.is_(None))
        .correlate(Connection)
        .scalar_subquery()
    )


def _without_holder(owners: tuple[CoOwner, ...], holder_name: str) -> tuple[CoOwner, ...]:
    """bunq lists the holder among the owners, by the full or the short name; another owner of the same name stays."""
    own = next((number for number, each in enumerate(owners) if each.is_account_name or each.name == holder_name), None)
    return tuple(owner for number, owner in enumerate(owners) if number != own)
