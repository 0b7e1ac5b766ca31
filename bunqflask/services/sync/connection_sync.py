"""Syncing a connection: which accounts there are, then the payments of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm.exc import ObjectDeletedError

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import AccountSync, Connection, ConnectionState, Consent, ErrorKind, EventKind, MonetaryAccount
from bunqflask.services import policy
from bunqflask.services.connections import access, accounts, consents, rows
from bunqflask.services.connections.rows import ConsentRow
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.sync import payment_sync, schedule, webhooks
from bunqflask.services.sync.payment_sync import Report, Target


def request(principal: Principal, connection_id: int, *, account_id: int | None = None, full: bool = False) -> None:
    """Ask the worker to sync what the principal holds of a connection now, or one account of it.

    Nothing happens where the connection has ended.

    :param full: import the whole history again, for what has changed since.
    :raises NotFoundHere: the principal may not: they do not hold it, also if it is shared with them.
    :raises NotPermitted: the principal is a guest.
    """
    policy.check_can_refresh(principal)
    policy.check_can_manage(principal, connection_id)
    if account_id is not None:
        policy.check_holds(principal, [account_id])
    of_connection = select(MonetaryAccount.id).filter_by(connection_id=connection_id)
    held = of_connection.where(MonetaryAccount.id.in_(policy.held_accounts(principal)))
    account_ids = [each for each in db.session.scalars(held) if account_id in (None, each)]
    if db.session.scalar(select(Connection.state).filter_by(id=connection_id)) != ConnectionState.ACTIVE:
        return
    with transaction():
        now = clock.now()
        of_accounts = update(AccountSync).where(AccountSync.id.in_(account_ids))
        db.session.execute(of_accounts.values(requested_at=now, next_try_at=None))
        if full:
            # One that is under way goes on.
            db.session.execute(of_accounts.where(AccountSync.full_import.is_(None)).values(full_import=()))
        request_within(connection_id)


def request_after_outage() -> None:
    """Ask the worker to sync everything: nobody was here for a while, and callbacks may have been lost."""
    with transaction():
        active = select(Connection.id).filter_by(state=ConnectionState.ACTIVE)
        of_active = select(MonetaryAccount.id).where(MonetaryAccount.connection_id.in_(active))
        db.session.execute(update(AccountSync).where(AccountSync.id.in_(of_active)).values(requested_at=clock.now()))
        db.session.execute(update(Connection).values(callback_received_at=None))


def request_within(connection_id: int) -> None:
    """Ask the worker to test the consents of a connection now, within the caller's transaction."""
    db.session.execute(update(Connection).filter_by(id=connection_id).values(sync_requested_at=clock.now()))
    _forget_next_try(connection_id)
    emit(EventKind.SYNC_REQUESTED, connection_id=connection_id)


def retry_refused_within(connection_id: int) -> None:
    """Let accounts be asked for again that bunq refused to list: with a new permission it may do so now.

    Takes part in the caller's transaction.
    """
    of_connection = select(MonetaryAccount.id).where(MonetaryAccount.connection_id == connection_id)
    refused = AccountSync.error_kind.in_((ErrorKind.NOT_LISTED, ErrorKind.REFUSED))
    now = update(AccountSync).where(AccountSync.id.in_(of_connection), refused).values(next_try_at=None)
    db.session.execute(now)


def run(
    connection_id: int,
    *,
    patience_s: float,
    full: bool = False,
    only_account_id: int | None = None,
    report: Report | None = None,
) -> bool:
    """Bring one connection's accounts and payments up to date now, by hand; True when all of it succeeded.

    The time of the next try, after an error, is not waited for: a person may have mended its cause. Another worker
    that does the same is waited for. An error of one account is recorded on it and does not stop the others.

    :param full: import the whole history again, for what has changed since.
    :param only_account_id: sync the payments of one account only, by our id of it.
    """

    def choose(connection: Connection) -> list[Target]:
        return [
            Target(account.id, account.monetary_account_id, full=full)
            for account in connection.monetary_accounts
            if account.is_covered and only_account_id in (None, account.id)
        ]

    with transaction():
        _forget_next_try(connection_id)
    return _run(connection_id, choose, patience_s=patience_s, lease_patience_s=patience_s, report=report)


def run_due(connection_id: int, *, patience_s: float) -> bool:
    """Do the same for the accounts that are due, in the background: interactive requests come first."""

    def choose(connection: Connection) -> list[Target]:
        # Another worker may come to one of them first, while this one syncs those before it.
        return [
            Target(account.id, account.monetary_account_id, (schedule.unchanged_since(state),))
            for account, state in schedule.due_accounts(connection)
        ]

    return _run(connection_id, choose, patience_s=patience_s, is_background=True)


def _run(
    connection_id: int,
    choose: Callable[[Connection], list[Target]],
    *,
    patience_s: float,
    is_background: bool = False,
    lease_patience_s: float = 0.0,
    report: Report | None = None,
) -> bool:
    sync_accounts = partial(
        _sync_accounts,
        connection_id,
        patience_s=patience_s,
        is_background=is_background,
        lease_patience_s=lease_patience_s,
    )
    if not sync_accounts():
        return False
    webhooks.ensure(connection_id, RateLimiter(patience_s, is_background=is_background))
    sync_payments = partial(
        payment_sync.run,
        patience_s=patience_s,
        is_background=is_background,
        lease_patience_s=lease_patience_s,
        report=report,
    )
    try:
        targets, before = choose(access.by_id(connection_id)), _differences(connection_id)
        results = {each: sync_payments(each) for each in targets}
        if consents.is_refusal_pending(connection_id):
            # Find out whether that consent is lost; the next ones that cover its accounts read them.
            sync_accounts()
            results |= {each: sync_payments(replace(each, conditions=())) for each in targets if not results[each]}
    except NotFoundHere:
        return False
    after, asked = _differences(connection_id), _asked(connection_id)
    if any(found and found != before.get(account_id) for account_id, found in after.items()):
        # Money moved after the accounts were listed, so their balances are older than their payments.
        sync_accounts()
    # Of a connection that was erased meanwhile, or has ended, nobody is asked any more.
    return bool(asked) and all(map(consents.works, asked)) and all(results.values())


def _differences(connection_id: int) -> dict[int, Decimal | None]:
    """Return by how much bunq's balance and the newest payment of each account differed at its last sync."""
    query = select(AccountSync.id, AccountSync.balance_difference).join(
        MonetaryAccount, MonetaryAccount.id == AccountSync.id
    )
    found = db.session.execute(query.where(MonetaryAccount.connection_id == connection_id)).all()
    return {row.id: row.balance_difference for row in found}


def _asked(connection_id: int) -> list[ConsentRow]:
    """Return the consents with which bunq is asked for the accounts of a connection."""
    return consents.to_list(rows.consents_of([connection_id]).get(connection_id, []))


def _sync_accounts(connection_id: int, **how: Any) -> bool:
    """List which accounts there are; False when bunq could not be asked with any consent."""
    try:
        accounts.sync(access.by_id(connection_id), **how)
    except (NotFoundHere, ObjectDeletedError):
        return False
    state = db.session.scalar(select(Connection.state).where(Connection.id == connection_id))
    return state == ConnectionState.ACTIVE and any(map(consents.works, _asked(connection_id)))


def _forget_next_try(connection_id: int) -> None:
    """Let the next try of each consent of a connection be now, within the caller's transaction."""
    of_connection = update(Consent).where(Consent.connection_id == connection_id)
    db.session.execute(of_connection.values(next_try_at=None))
