"""Monetary accounts: listed by bunq under each consent, stored, and what follows when bunq refuses a consent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.orm.exc import ObjectDeletedError

from bunqflask import clock
from bunqflask.bunq import errors, resources
from bunqflask.database import leases
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import emit, transaction
from bunqflask.database.types import fits
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import (
    AccountHolder,
    Connection,
    ConnectionState,
    Consent,
    ConsentAccount,
    ConsentGrantState,
    CoOwner,
    ErrorKind,
    EventKind,
    MonetaryAccount,
)
from bunqflask.services.connections import consents, lifecycle, refusal, rows
from bunqflask.services.connections.rows import ConnectionRow
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter

STALE_AFTER = timedelta(minutes=5)


def is_stale(connection: Connection | ConnectionRow) -> bool:
    """Tell whether the accounts should be listed again."""
    return connection.state == ConnectionState.ACTIVE and clock.is_over(
        connection.accounts_synced_at, after=STALE_AFTER
    )


def is_due(connection: Connection) -> bool:
    """Tell whether bunq may be asked now with one of the consents."""
    return any(map(consents.is_due, consents.to_ask(connection.consents)))


def sync(
    connection: Connection, *, patience_s: float, is_background: bool = False, lease_patience_s: float = 0.0
) -> None:
    """List the accounts at bunq with as few consents as cover them, and store them; an error is recorded on a consent.

    A consent that turns out to be lost is replaced by the next ones that cover its accounts. One worker at a time;
    while another one does it, or bunq is not to be asked yet, nothing happens.

    :param is_background: no person waits for it, so interactive requests come first.
    :param lease_patience_s: how long to wait for another worker.
    """
    connection_id = connection.id
    if connection.state != ConnectionState.ACTIVE or not is_due(connection):
        return
    with leases.held(connection, patience_s=lease_patience_s) as lease:
        if lease is None:
            return
        limiter, asked = RateLimiter(patience_s, is_background=is_background, lease=lease), set[int]()
        try:
            while (consent_id := _next(connection_id, asked)) is not None:
                asked.add(consent_id)
                if not _ask(lease, consent_id, limiter):
                    return
        except (LeaseLost, ObjectDeletedError):
            return  # ended or taken over meanwhile


def _next(connection_id: int, asked: set[int]) -> int | None:
    """Return the next consent to ask, as of now: one that is lost by now is left out, and another takes its place."""
    found = consents.to_ask(rows.consents_of([connection_id]).get(connection_id, []))
    return next((each.id for each in found if each.id not in asked and consents.is_due(each)), None)


def _ask(lease: Lease, consent_id: int, limiter: RateLimiter) -> bool:
    """List the accounts with one consent; False when asking with another one would fail alike."""
    try:
        consent = db.session.get(Consent, consent_id)
        if consent is None:
            raise sessions.SessionGone
        if consent.refused_at is not None and consent.error_kind == ErrorKind.CHECKING:
            return _settle_refusal(lease, consent_id, consent.refused_at, limiter)
        _list(lease, consent_id, limiter)
    except errors.SecretRefused as error:
        return _record_refusal(lease, consent_id, error, limiter)
    except (errors.BunqError, NotSetUp) as error:
        return _record(lease, consent_id, error)
    except sessions.SessionGone:
        return True  # this one was ended meanwhile
    return True


def _list(lease: Lease, consent_id: int, limiter: RateLimiter) -> None:
    with sessions.of_consent(consent_id, limiter) as bunq:
        found = bunq.list_monetary_accounts()
    with transaction():
        consent = _locked(lease, consent_id)
        store(consent, found)
        consent.clear_error()


def store(consent: Consent, listed: list[resources.MonetaryAccount]) -> None:
    """Store what bunq listed under a consent, within the caller's transaction: it covers these accounts, no others.

    The consent's member becomes a holder of an account that it did not cover before. An account that no consent covers
    any more keeps its row; one that is covered again is the same row.
    """
    connection = db.session.get_one(Connection, consent.connection_id)
    ids = _store_rows(connection.id, listed)
    of_consent = ConsentAccount.consent_id == consent.id
    before = set(db.session.scalars(select(ConsentAccount.account_id).where(of_consent)))
    db.session.execute(delete(ConsentAccount).where(of_consent, ConsentAccount.account_id.in_(before - ids)))
    for account_id in sorted(ids - before):
        db.session.add(ConsentAccount(consent_id=consent.id, account_id=account_id))
        right = {"account_id": account_id, "member_id": consent.member_id, "since": clock.now()}
        db.session.execute(insert_into(AccountHolder).values(**right).on_conflict_do_nothing())
    connection.accounts_synced_at = clock.now()
    lifecycle.settle(connection)


def _store_rows(connection_id: int, listed: list[resources.MonetaryAccount]) -> set[int]:
    """Bring the rows of some accounts in line with what bunq listed; returns our ids of them."""
    query = select(MonetaryAccount).where(MonetaryAccount.connection_id == connection_id)
    stored = {row.monetary_account_id: row for row in db.session.scalars(query)}
    for account in listed:
        row = stored.get(account.monetary_account_id)
        if row is None:
            row = MonetaryAccount(connection_id=connection_id, monetary_account_id=account.monetary_account_id)
            stored[account.monetary_account_id] = row
            db.session.add(row)
        fill(row, account)
    db.session.flush()
    return {stored[account.monetary_account_id].id for account in listed}


def fill(row: MonetaryAccount, account: resources.MonetaryAccount) -> None:
    """Copy what bunq showed into a row."""
    row.wrapper = account.wrapper[:80]
    row.description = account.description[:500]
    row.iban, row.other_ibans = next(iter(account.ibans), None), account.ibans[1:]
    row.currency = account.currency[:10]
    row.balance = _exact(account.balance)
    row.status, row.sub_status = account.status[:40], account.sub_status[:60]
    row.color = account.color
    row.savings_goal = _exact(account.savings_goal)
    row.updated_at = account.updated_at
    row.co_owners = co_owners(account.raw)
    row.raw = dict(account.raw)


def from_raw(items: list[dict[str, Any]]) -> list[MonetaryAccount]:
    """Make rows, not stored, from bunq's list items kept as JSON."""
    made = []
    for item in items:
        account = resources.MonetaryAccount.from_item(item)
        if account is not None:
            row = MonetaryAccount(monetary_account_id=account.monetary_account_id)
            fill(row, account)
            made.append(row)
    return made


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


def _locked(lease: Lease, consent_id: int) -> Consent:
    """Lock the connection, and make sure that the consent with which bunq was asked still is active.

    :raises LeaseLost: another worker has taken over, or the connection was erased.
    :raises SessionGone: the consent was ended while bunq answered: its answer is about the past.
    """
    lease.verify()
    consent = db.session.get(Consent, consent_id, populate_existing=True)
    if consent is None or consent.state != ConsentGrantState.ACTIVE:
        raise sessions.SessionGone
    return consent


def _record(lease: Lease, consent_id: int, error: errors.BunqError | NotSetUp) -> bool:
    """Record an error on the consent; True when bunq refused this consent alone, so that others may be asked."""
    try:
        with transaction():
            consent = _locked(lease, consent_id)
            if isinstance(error, errors.BunqError):
                retry_policy.record(consent, error)
            else:
                retry_policy.record_kind(consent, ErrorKind.NOT_SET_UP)
    except sessions.SessionGone:
        return True
    return isinstance(error, errors.BunqError) and retry_policy.kind_of(error) == ErrorKind.REFUSED


def _record_refusal(lease: Lease, consent_id: int, error: errors.SecretRefused, limiter: RateLimiter) -> bool:
    """bunq refused the consent, or perhaps this server: record it, and try to find out which.

    Returns whether others may be asked.
    """
    refused_at = clock.now()
    try:
        with transaction():
            consent = _locked(lease, consent_id)
            consent.refused_at = refused_at
            retry_policy.record(consent, error)
        try:
            return _settle_refusal(lease, consent_id, refused_at, limiter)
        except errors.BunqError as later:
            with transaction():
                retry_policy.record_pending_check(_locked(lease, consent_id), later)
            return False
    except sessions.SessionGone:
        return True


def _settle_refusal(lease: Lease, consent_id: int, refused_at: datetime, limiter: RateLimiter) -> bool:
    """Find out whether the permission or this server is refused, and record it; True when it is the permission.

    Where bunq accepts this server it is asked with the permission again at once: most often, that is the end of it.
    """
    is_of_permission = refusal.is_of_permission(refused_at, limiter)
    if is_of_permission:
        try:
            _list(lease, consent_id, limiter)
        except errors.SecretRefused:
            pass  # twice in a row, and between them bunq has accepted this server
        else:
            return True
    with transaction():
        consent = _locked(lease, consent_id)
        if refusal.record(consent, of_permission=is_of_permission):
            _lose(consent)
    return is_of_permission


def _lose(consent: Consent) -> None:
    connection = db.session.get_one(Connection, consent.connection_id)
    current_app.logger.warning(
        "connection %s: consent %s is lost: bunq refuses its permission", connection.id, consent.id
    )
    lifecycle.end(consent, ConsentGrantState.LOST)
    lifecycle.settle(connection)
    emit(EventKind.CONNECTION_LOST, connection_id=connection.id, consent_id=consent.id)
