"""Payments of one account in step with bunq: the backfill of its history once, then incremental syncs.

For each account we know which ranges of its history are stored without a hole. A sync takes the newest page, and goes
on below it until it meets a covered range or the end of history. Each page is committed together with the ranges, so a
crash costs at most the page that is being stored.

https://doc.bunq.com/basics/pagination
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.payment import PaymentPage
from bunqflask.database import leases
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import AccountSync, CoveredRange, ErrorKind
from bunqflask.models.payments import payment_id_of
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq
from bunqflask.services.payments import aggregates, repository
from bunqflask.services.sync import coverage, payment_rows, payment_store, progress, reconciliation

# A discrepancy that bunq itself has stays one: asking for it again costs no more calls than this at each sync.
_MOST_REPAIRS = 3


@dataclass(frozen=True)
class Progress:
    """How far the import of one account is: payments stored, and of about how many; done or not."""

    account_id: int
    stored: int
    expected: int | None = None
    done: bool = False
    error_kind: ErrorKind | None = None


@dataclass(frozen=True)
class _Account:
    """The account that is synced, under which lease, and in which bunq session."""

    id: int
    monetary_account_id: int
    lease: Lease
    bunq: Bunq


def run(
    connection_id: int,
    account_id: int,
    monetary_account_id: int,
    *conditions: ColumnElement[bool],
    patience_s: float,
    full: bool = False,
    is_background: bool = False,
    report: Callable[[Progress], None] | None = None,
) -> bool:
    """Sync the payments of one account; True when all of it succeeded, or another worker does it.

    :param conditions: what must still hold of its `AccountSync` row.
    :param full: import the whole history again, for what has changed since.
    """
    error_kind = None
    try:
        state = _ensure_state(account_id)
        with leases.held(state, *conditions) as lease:
            if lease is None:
                return True
            limiter = RateLimiter(patience_s, is_background=is_background, lease=lease)
            try:
                with sessions.of_connection(connection_id, limiter) as bunq:
                    _sync(_Account(account_id, monetary_account_id, lease, bunq), full=full, report=report)
            except errors.BunqError as error:
                error_kind = _record(lease, account_id, error)
        aggregates.rebuild(account_id)
    except (sessions.SessionGone, LeaseLost, ObjectDeletedError, StaleDataError, IntegrityError):
        return False  # the connection was ended, or another worker has taken over
    if report is not None:
        stored = repository.count(account_id)
        report(Progress(account_id, stored, done=error_kind is None, error_kind=error_kind))
    return error_kind in (None, ErrorKind.NOT_LISTED)


def _sync(account: _Account, *, full: bool, report: Callable[[Progress], None] | None) -> None:
    asked_at = clock.now()
    _import(account, full=full, report=report)
    check = reconciliation.check_all(account.id) if full else _repair(account)
    with transaction():
        account.lease.verify()
        state = db.session.get_one(AccountSync, account.id)
        _record_success(state, asked_at, check, full=full)


def _import(account: _Account, *, full: bool, report: Callable[[Progress], None] | None) -> None:
    before = db.session.get_one(AccountSync, account.id).covered
    covered: Sequence[CoveredRange] = () if full else before
    page, below = account.bunq.list_payments(account.monetary_account_id), None
    while True:
        merged = coverage.merge(covered, page, below=below)
        oldest = merged[0].oldest
        if below is not None and oldest >= below and not merged[0].reaches_end:
            raise errors.ResponseNotUnderstood("bunq repeats a page of payments")
        _store_page(account, page, merged, before)
        if report is not None:
            state = db.session.get_one(AccountSync, account.id)
            report(Progress(account.id, repository.count(account.id), progress.expected_total(account.id, state)))
        if merged[0].reaches_end:
            return
        covered, below = merged, oldest
        page = account.bunq.list_payments(account.monetary_account_id, older_id=below)


def _store_page(
    account: _Account, page: PaymentPage, covered: tuple[CoveredRange, ...], before: tuple[CoveredRange, ...]
) -> None:
    """Store a page together with the ranges that are covered with it.

    :raises ResponseNotUnderstood: a payment names another account.
    :raises LeaseLost: another worker has taken over, or the account was deleted.
    """
    rows = _rows(account, page)
    with transaction():
        account.lease.verify()
        lowest = payment_store.store(account.id, rows, covered=before)
        state = db.session.get_one(AccountSync, account.id)
        state.covered = covered
        if lowest is not None:
            state.unreconciled_from = min(lowest, state.unreconciled_from or lowest)


def _rows(account: _Account, page: PaymentPage) -> list[payment_rows.Row]:
    for payment in page.payments:
        if payment.monetary_account_id not in (None, account.monetary_account_id):
            raise errors.ResponseNotUnderstood("bunq listed a payment of another account")
    return payment_rows.rows_of(account.id, page.payments)


def _repair(account: _Account) -> reconciliation.Check:
    """Fetch again the payments around each discrepancy: one may have come late, or have changed.

    The newest first: a page holds it and older payments, so it repairs its neighbours too. Then what is below that
    page, because a discrepancy that bunq itself has must not keep older ones from being repaired. Returns how the
    balances then add up.
    """
    check = _check(account)
    places = [payment_id_of(each.row_id) for each in check.discrepancies]
    for _ in range(_MOST_REPAIRS):
        if not places:
            break
        page = account.bunq.list_payments(account.monetary_account_id, older_id=places[-1] + 1)
        state = db.session.get_one(AccountSync, account.id)
        _store_page(account, page, state.covered, state.covered)
        lowest = min([places[-1], *(payment.payment_id for payment in page.payments)])
        check = _check(account)
        left = [payment_id_of(each.row_id) for each in check.discrepancies]
        # What comes before the last payment of a page is on the next page.
        places = [place for place in left if place <= lowest and place < places[-1]]
    return check


def _check(account: _Account) -> reconciliation.Check:
    return reconciliation.check_new(account.id, db.session.get_one(AccountSync, account.id))


def _record_success(state: AccountSync, asked_at: datetime, check: reconciliation.Check, *, full: bool) -> None:
    """Record the success, as of the time when bunq was first asked, and how far the balances add up."""
    state.synced_at = asked_at
    state.clear_error()
    state.verified_id, state.discrepancies = check.verified_id, check.discrepancies
    state.unreconciled_from = None
    if state.requested_at is not None and clock.is_ahead(state.requested_at):
        state.requested_at = None  # recorded by a clock that was wrong: this sync was meant
    if check.is_full:
        state.reconciled_at = asked_at
    if full:
        state.is_full_requested = False


def _record(lease: Lease, account_id: int, error: errors.BunqError) -> ErrorKind:
    kind, wait_s = retry_policy.kind_of(error), getattr(error, "wait_s", 0.0) or None
    if isinstance(error, errors.ObjectNotFound | errors.PermissionRefused):
        kind = ErrorKind.NOT_LISTED
    if kind != ErrorKind.WAITING:
        current_app.logger.warning("payments of account %s: %s", account_id, error)
    with transaction():
        lease.verify()
        state = db.session.get_one(AccountSync, account_id)
        retry_policy.record_kind(state, kind, wait_s=wait_s or _retry_after(kind).total_seconds())
        state.error_facts = retry_policy.facts_of(error)
    return kind


def _retry_after(kind: ErrorKind) -> timedelta:
    """A history costs many calls: after an error it waits at least for the longest usual interval."""
    return max(retry_policy.policy_for(kind).retry_after, retry_policy.LONGEST_RETRY)


def _ensure_state(account_id: int) -> AccountSync:
    state = db.session.get(AccountSync, account_id)
    if state is None:
        with transaction():
            fresh = insert_into(AccountSync).values(id=account_id, covered=(), discrepancies=())
            db.session.execute(fresh.on_conflict_do_nothing())
        state = db.session.get_one(AccountSync, account_id)
    return state
