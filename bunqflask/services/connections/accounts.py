"""Monetary accounts: listed by bunq, stored, and compared with what was stored before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm.exc import ObjectDeletedError

from bunqflask import clock
from bunqflask.bunq import errors, resources
from bunqflask.database import leases
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import emit, transaction
from bunqflask.database.types import fits
from bunqflask.extensions import db
from bunqflask.models import Connection, ConnectionState, CoOwner, ErrorKind, EventKind, MonetaryAccount
from bunqflask.services.connections import lifecycle, refusal
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter

STALE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class AccountDiff:
    """What one listing changed, as bunq's monetary account ids."""

    new: list[int]
    gone: list[int]
    stays: list[int]


def is_stale(connection: Connection) -> bool:
    """Tell whether the accounts should be listed again."""
    return connection.state == ConnectionState.ACTIVE and clock.is_over(
        connection.accounts_synced_at, after=STALE_AFTER
    )


def is_due(connection: Connection) -> bool:
    """Tell whether bunq may be asked again now."""
    return clock.has_come(connection.next_try_at, longest=retry_policy.LONGEST_RETRY)


def sync(
    connection: Connection, *, patience_s: float, is_background: bool = False, lease_patience_s: float = 0.0
) -> None:
    """List the accounts at bunq and store them; an error is recorded on the connection.

    One worker at a time; while another one does it, or bunq is not to be asked yet, nothing happens.

    :param is_background: no person waits for it, so interactive requests come first.
    :param lease_patience_s: how long to wait for another worker.
    """
    if connection.state != ConnectionState.ACTIVE or not is_due(connection):
        return
    with leases.held(connection, patience_s=lease_patience_s) as lease:
        if lease is None:
            return
        limiter = RateLimiter(patience_s, is_background=is_background, lease=lease)
        try:
            _sync_under(lease, connection.id, connection.consented_at, limiter)
        except (sessions.SessionGone, LeaseLost, ObjectDeletedError):
            return  # ended or taken over meanwhile


def _sync_under(lease: Lease, connection_id: int, consented_at: datetime, limiter: RateLimiter) -> None:
    try:
        connection = db.session.get(Connection, connection_id)
        if connection is None:
            raise sessions.SessionGone
        refused_at = connection.refused_at
        if refused_at is not None:
            _settle_refusal(lease, connection_id, consented_at, refused_at, limiter)
            return
        with sessions.of_connection(connection_id, limiter) as bunq:
            found = bunq.list_monetary_accounts()
        with transaction():
            connection = _locked(lease, connection_id, consented_at)
            store(connection, found)
            connection.clear_error()
            connection.refused_at = None
    except errors.SecretRefused as error:
        _record_refusal(lease, connection_id, consented_at, error, limiter)
    except errors.BunqError as error:
        with transaction():
            retry_policy.record(_locked(lease, connection_id, consented_at), error)
    except NotSetUp:
        with transaction():
            retry_policy.record_kind(_locked(lease, connection_id, consented_at), ErrorKind.NOT_SET_UP)


def store(connection: Connection, accounts: list[resources.MonetaryAccount]) -> AccountDiff:
    """Bring the stored accounts in line with what bunq listed, within the caller's transaction.

    An account that is no longer in the grant keeps its row; one that is in it again is the same row.
    """
    query = select(MonetaryAccount).where(MonetaryAccount.connection_id == connection.id)
    rows = {row.monetary_account_id: row for row in db.session.scalars(query)}
    were_shared = {key for key, row in rows.items() if row.is_shared}
    seen = {account.monetary_account_id for account in accounts}
    for account in accounts:
        row = rows.get(account.monetary_account_id)
        if row is None:
            row = MonetaryAccount(connection_id=connection.id, monetary_account_id=account.monetary_account_id)
            db.session.add(row)
        fill(row, account)
    for key, row in rows.items():
        if key not in seen:
            row.is_shared = False
    connection.accounts_synced_at = clock.now()
    return AccountDiff(
        new=sorted(seen - were_shared), gone=sorted(were_shared - seen), stays=sorted(seen & were_shared)
    )


def fill(row: MonetaryAccount, account: resources.MonetaryAccount) -> None:
    """Copy what bunq showed into a row."""
    row.wrapper = account.wrapper[:80]
    row.description = account.description[:500]
    row.iban = account.iban
    row.currency = account.currency[:10]
    row.balance = _exact(account.balance)
    row.status, row.sub_status = account.status[:40], account.sub_status[:60]
    row.color = account.color
    row.savings_goal = _exact(account.savings_goal)
    row.updated_at = account.updated_at
    row.is_shared = True
    row.co_owners = co_owners(account.raw)
    row.raw = dict(account.raw)


def from_raw(items: list[dict[str, Any]]) -> list[MonetaryAccount]:
    """Make rows, not stored, from bunq's list items kept as JSON."""
    rows = []
    for item in items:
        account = resources.MonetaryAccount.from_item(item)
        if account is not None:
            row = MonetaryAccount(monetary_account_id=account.monetary_account_id)
            fill(row, account)
            rows.append(row)
    return rows


def co_owners(raw: Mapping[str, Any]) -> tuple[CoOwner, ...]:
    """Return the owners that bunq lists for a joint account, the holder among them."""
    listed = raw.get("all_co_owner")
    owners = []
    for item in listed if isinstance(listed, list) else []:
        alias = item.get("alias") if isinstance(item, dict) else None
        name = alias.get("display_name") if isinstance(alias, dict) else None
        if isinstance(name, str) and name:
            owners.append(CoOwner(name, str(item.get("status") or ""), name == raw.get("display_name")))
    return tuple(owners)


def _exact(amount: resources.Amount | None) -> Decimal | None:
    """Return an amount that fits its column; any other stays in the raw JSON alone."""
    return amount.value if amount is not None and fits(amount.value) else None


def _locked(lease: Lease, connection_id: int, consented_at: datetime) -> Connection:
    """Lock the connection, and make sure that it still holds the permission with which bunq was asked.

    While bunq answered it may have been renewed, ended or erased: then the answer is about the past.

    :raises LeaseLost: another worker has taken over.
    :raises SessionGone: the permission is another one.
    """
    lease.verify()
    connection = db.session.get_one(Connection, connection_id)
    if connection.state != ConnectionState.ACTIVE or connection.consented_at != consented_at:
        raise sessions.SessionGone
    return connection


def _record_refusal(
    lease: Lease, connection_id: int, consented_at: datetime, error: errors.SecretRefused, limiter: RateLimiter
) -> None:
    """bunq refused the grant, or perhaps this server: record it, and try to find out which."""
    refused_at = clock.now()
    with transaction():
        connection = _locked(lease, connection_id, consented_at)
        connection.refused_at = refused_at
        retry_policy.record(connection, error)
    try:
        _settle_refusal(lease, connection_id, consented_at, refused_at, limiter)
    except errors.BunqError as later:
        with transaction():
            retry_policy.record_pending_check(_locked(lease, connection_id, consented_at), later)


def _settle_refusal(
    lease: Lease, connection_id: int, consented_at: datetime, refused_at: datetime, limiter: RateLimiter
) -> None:
    """Find out whether the permission or this server is refused, and record it."""
    is_lost = refusal.is_of_permission(refused_at, limiter)
    with transaction():
        connection = _locked(lease, connection_id, consented_at)
        if is_lost:
            current_app.logger.warning("connection %s is lost: bunq refuses its permission", connection_id)
            facts = connection.error_facts
            lifecycle.mark(connection, ConnectionState.LOST)
            connection.error_facts = facts
            connection.access_token = None
            emit(EventKind.CONNECTION_LOST, connection_id=connection_id)
        else:
            # Not the permission's fault: when our own session works again, it is simply tried again.
            connection.refused_at = None
            retry_policy.record_kind(connection, ErrorKind.SERVER_REFUSED)
