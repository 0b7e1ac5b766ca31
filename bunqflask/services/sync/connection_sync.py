"""Syncing a connection: which accounts there are, then the payments of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm.exc import ObjectDeletedError

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConnectionState, ErrorKind, EventKind, MonetaryAccount
from bunqflask.services.connections import access, accounts
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.sync import payment_sync, schedule, webhooks
from bunqflask.services.sync.payment_sync import Progress


@dataclass(frozen=True)
class _Target:
    account_id: int
    monetary_account_id: int


@dataclass(frozen=True)
class _Due(_Target):
    is_unchanged: ColumnElement[bool]
    full: bool


def request(principal: Principal, connection_id: int, *, account_id: int | None = None, full: bool = False) -> None:
    """Ask the worker to sync a connection now, or one account of it.

    :param full: import the whole history again, for what has changed since.
    :raises NotFoundHere: the principal may not see it.
    """
    connection = access.get_for(principal, connection_id)
    account_ids = [each.id for each in connection.monetary_accounts if account_id in (None, each.id)]
    with transaction():
        now = clock.now()
        asked = {"requested_at": now, "next_try_at": None, **({"is_full_requested": True} if full else {})}
        db.session.execute(update(AccountSync).where(AccountSync.id.in_(account_ids)).values(asked))
        asked = {"sync_requested_at": now, "next_try_at": None}
        db.session.execute(update(Connection).where(Connection.id == connection_id).values(asked))
        emit(EventKind.SYNC_REQUESTED, connection_id=connection_id)


def run(
    connection_id: int,
    *,
    patience_s: float,
    full: bool = False,
    only_account_id: int | None = None,
    report: Callable[[Progress], None] | None = None,
) -> bool:
    """Bring one connection's accounts and payments up to date; True when all of it succeeded.

    An error of one account is recorded on it and does not stop the others.

    :param full: import the whole history again, for what has changed since.
    :param only_account_id: sync the payments of one account only, by our id of it.
    """
    if not _sync_accounts(connection_id, patience_s=patience_s):
        return False
    query = select(MonetaryAccount.id, MonetaryAccount.monetary_account_id).where(
        MonetaryAccount.connection_id == connection_id, MonetaryAccount.is_shared
    )
    if only_account_id is not None:
        query = query.where(MonetaryAccount.id == only_account_id)
    targets = [_Target(*row) for row in db.session.execute(query.order_by(MonetaryAccount.id))]
    results = [
        payment_sync.run(
            connection_id,
            target.account_id,
            target.monetary_account_id,
            patience_s=patience_s,
            full=full,
            report=report,
        )
        for target in targets
    ]
    return all(results)


def run_due(connection_id: int, *, patience_s: float) -> bool:
    """Do the same for the accounts that are due, in the background: interactive requests come first."""
    if not _sync_accounts(connection_id, patience_s=patience_s, is_background=True):
        return False
    try:
        due = schedule.due_accounts(access.by_id(connection_id))
    except NotFoundHere:
        return False
    # Another worker may come to one of them first, while this one syncs those before it.
    targets = [
        _Due(
            account.id,
            account.monetary_account_id,
            schedule.unchanged_since(state),
            full=state is not None and state.is_full_requested,
        )
        for account, state in due
    ]
    results = [
        payment_sync.run(
            connection_id,
            target.account_id,
            target.monetary_account_id,
            target.is_unchanged,
            patience_s=patience_s,
            full=target.full,
            is_background=True,
        )
        for target in targets
    ]
    return all(results)


def _sync_accounts(connection_id: int, *, patience_s: float, is_background: bool = False) -> bool:
    """List which accounts there are; False when bunq could not be asked."""
    try:
        accounts.sync(access.by_id(connection_id), patience_s=patience_s, is_background=is_background)
        connection = access.by_id(connection_id)
    except (NotFoundHere, ObjectDeletedError):
        return False
    if connection.state != ConnectionState.ACTIVE or connection.error_kind not in (None, ErrorKind.WAITING):
        return False
    webhooks.ensure(connection_id, RateLimiter(patience_s, is_background=is_background))
    return True
