"""Syncing the payments of one account: the backfill of its history once, then incremental syncs.

For each account we know which ranges of its history are stored without a hole. A sync takes the newest page, and goes
on below it until it meets a covered range or the end of history. Each page is committed together with the ranges, so a
crash costs at most the page that is being stored. A full import does the same with ranges of its own, so it goes on
after a crash too, and what is stored stays complete meanwhile.

https://doc.bunq.com/basics/pagination
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import ColumnElement
from sqlalchemy.exc import DataError, IntegrityError
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
from bunqflask.services.connections import consents
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq
from bunqflask.services.payments import aggregates, repository
from bunqflask.services.sync import (
    balances,
    coverage,
    payment_rows,
    payment_store,
    progress,
    reconciliation,
    withdrawals,
)

# A discrepancy that bunq itself has stays one: asking for it again costs no more calls than this at each sync.
_MOST_REPAIRS = 3
MOST_UNREADABLE = 100
# After the first refusal in a row: one proves nothing, and a history may be half imported.
_SOON_S = 30.0
# When to ask again for what no payment explains yet, after the sync that found it, and after the first time.
_FOLLOW_UPS = (timedelta(seconds=30), timedelta(minutes=5))


@dataclass(frozen=True)
class Progress:
    """How far the import of one account is: payments stored, and of about how many; done or not."""

    account_id: int
    stored: int
    expected: int | None = None
    done: bool = False
    error_kind: ErrorKind | None = None


@dataclass(frozen=True)
class Target:
    """An account to sync, by our id and bunq's.

    `conditions` must still hold of its `AccountSync` row. `full`: import the whole history again, for what has changed
    since.
    """

    account_id: int
    monetary_account_id: int
    conditions: tuple[ColumnElement[bool], ...] = ()
    full: bool = False


@dataclass(frozen=True)
class _Account:
    """The account that is synced, under which lease, and in which bunq session."""

    id: int
    monetary_account_id: int
    lease: Lease
    bunq: Bunq


Report = Callable[[Progress], None]


def run(
    target: Target,
    *,
    patience_s: float,
    is_background: bool = False,
    lease_patience_s: float = 0.0,
    report: Report | None = None,
) -> bool:
    """Sync the payments of one account with the newest consent that covers it; False when no working one does.

    Returns True when all of it succeeded, or another worker does it.

    :param lease_patience_s: how long to wait for another worker; False when it has not ended until then.
    """
    account_id, error_kind = target.account_id, None
    if consents.reader_of(account_id) is None:
        return False
    try:
        state = _ensure_state(account_id)
        with leases.held(state, *target.conditions, patience_s=lease_patience_s) as lease:
            if lease is None:
                return lease_patience_s == 0
            limiter = RateLimiter(patience_s, is_background=is_background, lease=lease)
            try:
                with consents.session_for(account_id, limiter) as bunq:
                    account = _Account(account_id, target.monetary_account_id, lease, bunq)
                    _sync(account, full=target.full, report=report)
            except (errors.BunqError, NotSetUp) as error:
                error_kind = _record(lease, account_id, error)
            except (ValueError, TypeError, LookupError, ArithmeticError, DataError) as error:
                # A mistake of ours, or an answer of a shape that nobody foresaw: it must not stop other accounts.
                db.session.rollback()
                current_app.logger.exception("payments of account %s cannot be synced", account_id)
                error_kind = _record(lease, account_id, errors.ResponseNotUnderstood(type(error).__name__))
        aggregates.rebuild(account_id)
    except (sessions.SessionGone, LeaseLost, ObjectDeletedError, StaleDataError, IntegrityError):
        return False  # the consent was ended, or another worker has taken over
    if report is not None:
        stored = repository.count(account_id)
        report(Progress(account_id, stored, done=error_kind is None, error_kind=error_kind))
    return error_kind in (None, ErrorKind.NOT_LISTED)


def _sync(account: _Account, *, full: bool, report: Report | None) -> None:
    started_at = clock.now()
    if full:
        with transaction():
            _locked(account).full_import = ()
    is_full = _state(account.id).full_import is not None
    covered = _import(account, is_full=is_full, report=report)
    has_news = _state(account.id).unreconciled_from is not None
    check = reconciliation.check_all(account.id) if is_full else _repair(account)
    with transaction():
        state = _locked(account)
        if is_full:
            state.covered, state.full_import = covered, None
        _record_success(state, started_at, check, has_news=has_news)


def _import(account: _Account, *, is_full: bool, report: Report | None) -> tuple[CoveredRange, ...]:
    """Import what is not covered yet; returns the ranges that are covered then."""
    state = _state(account.id)
    covered = (state.full_import or ()) if is_full else state.covered
    covered_before = state.covered
    page, below = _list(account), None
    while True:
        covered = coverage.merge(covered, page, below=below)
        if below is not None and covered[0].oldest >= below and not covered[0].reaches_end:
            raise errors.ResponseNotUnderstood("bunq repeats a page of payments")
        _store_page(account, page, covered, covered_before, below=below, is_full=is_full)
        if report is not None:
            expected = progress.expected_total(account.id, _state(account.id))
            report(Progress(account.id, repository.count(account.id), expected))
        if covered[0].reaches_end:
            return covered
        below = covered[0].oldest
        page = _list(account, older_id=below)


def _list(account: _Account, *, older_id: int | None = None) -> PaymentPage:
    page = account.bunq.list_payments(account.monetary_account_id, older_id=older_id)
    return payment_rows.storable(page, account.monetary_account_id)


def _store_page(
    account: _Account,
    page: PaymentPage,
    covered: tuple[CoveredRange, ...],
    covered_before: tuple[CoveredRange, ...],
    *,
    below: int | None,
    is_full: bool = False,
) -> None:
    """Store a page together with the ranges that are covered with it.

    :param below: bunq's id below which the page begins; None for the newest page.
    :raises LeaseLost: another worker has taken over, or the account was deleted.
    """
    rows = payment_rows.rows_of(account.id, page.payments)
    with transaction():
        # First the account, as who erases it does: in the other order each would wait for the other.
        aggregates.lock(account.id)
        state = _locked(account)
        lowest = payment_store.store(account.id, rows, covered=covered_before)
        _note_unreadable(account, state, page)
        if is_full:
            state.full_import = covered
        else:
            state.covered = covered
        if lowest is not None:
            state.unreconciled_from = min(lowest, state.unreconciled_from or lowest)
        withdrawals.compare(state, page, below=below)


def _note_unreadable(account: _Account, state: AccountSync, page: PaymentPage) -> None:
    """Name the payments of a page that cannot be stored, and forget those that can be now."""
    stored = {payment.payment_id for payment in page.payments}
    found = {*state.unreadable, *page.unreadable} - stored
    state.unreadable = tuple(sorted(found))[-MOST_UNREADABLE:]
    if page.unreadable:
        current_app.logger.warning("account %s: payments that cannot be read: %s", account.id, page.unreadable)


def _repair(account: _Account) -> reconciliation.Check:
    """Fetch again the payments around each discrepancy and where one is missing: one may have come late, or changed.

    The newest first: a page holds it and older payments, so it repairs its neighbours too. Then what is below that
    page, because a discrepancy that bunq itself has must not keep older ones from being repaired. Returns how the
    balances then add up.
    """
    check = reconciliation.check_new(account.id, _state(account.id))
    places = _places(account, check)
    for _ in range(_MOST_REPAIRS):
        if not places:
            break
        page = _list(account, older_id=places[-1] + 1)
        covered = _state(account.id).covered
        _store_page(account, page, covered, covered, below=places[-1] + 1)
        lowest = min([places[-1], *(payment.payment_id for payment in page.payments)])
        check = reconciliation.check_new(account.id, _state(account.id))
        # What comes before the last payment of a page is on the next page.
        places = [place for place in _places(account, check) if place <= lowest and place < places[-1]]
    return check


def _places(account: _Account, check: reconciliation.Check) -> list[int]:
    """Return bunq's ids of the payments to fetch again, the oldest first."""
    missing = withdrawals.places_to_look(_state(account.id))
    return sorted({payment_id_of(each.row_id) for each in check.discrepancies} | set(missing))


def _record_success(state: AccountSync, started_at: datetime, check: reconciliation.Check, *, has_news: bool) -> None:
    """Record the success, as of the time when bunq was first asked, and how far the balances add up."""
    state.synced_at = started_at
    state.clear_error()
    state.verified_id, state.discrepancies = check.verified_id, check.discrepancies
    state.newest_id, state.newest_balance = reconciliation.balance_at_end(state.id)
    state.unreconciled_from = None
    if state.requested_at is not None and clock.is_ahead(state.requested_at):
        state.requested_at = None  # recorded by a clock that was wrong: this sync was meant
    if check.is_full:
        state.reconciled_at = started_at
    difference = balances.differences([state.id]).get(state.id)
    if has_news or difference != state.balance_difference:
        state.follow_ups = 0
    state.balance_difference = difference
    _plan_follow_up(state, has_news=has_news)
    withdrawals.postpone(state)


def _plan_follow_up(state: AccountSync, *, has_news: bool) -> None:
    """Plan to ask again soon where a callback or bunq's balance says that a payment is still to come."""
    if has_news:
        state.called_back_at = None
    is_explained = not state.balance_difference and state.called_back_at is None
    if is_explained or state.follow_ups >= len(_FOLLOW_UPS):
        state.follow_up_at = state.called_back_at = None
        return
    state.follow_up_at = clock.now() + _FOLLOW_UPS[state.follow_ups]
    state.follow_ups += 1


def _record(lease: Lease, account_id: int, error: errors.BunqError | NotSetUp) -> ErrorKind:
    if isinstance(error, NotSetUp):
        kind, wait_s, facts = ErrorKind.NOT_SET_UP, None, None
    else:
        kind, wait_s = retry_policy.kind_of(error), getattr(error, "wait_s", 0.0) or None
        facts = retry_policy.facts_of(error)
    if kind != ErrorKind.WAITING:
        current_app.logger.warning("payments of account %s: %s", account_id, error)
    with transaction():
        lease.verify()
        state = db.session.get_one(AccountSync, account_id)
        is_refused = isinstance(error, errors.ObjectNotFound | errors.PermissionRefused)
        if is_refused and not state.covered:
            kind = ErrorKind.NOT_LISTED  # of an account that has ever been listed, it is a refusal like any other
        elif is_refused and state.error_kind is None:
            wait_s = _SOON_S
        retry_policy.record_kind(state, kind, wait_s=wait_s or _retry_after(kind).total_seconds())
        state.error_facts = facts
    return kind


def _retry_after(kind: ErrorKind) -> timedelta:
    """A history costs many calls: after an error it waits at least for the longest usual interval."""
    return max(retry_policy.policy_for(kind).retry_after, retry_policy.LONGEST_RETRY)


def _locked(account: _Account) -> AccountSync:
    """Return the account's row, locked for this transaction.

    :raises LeaseLost: another worker has taken over, or the account was deleted.
    """
    account.lease.verify()
    return db.session.get_one(AccountSync, account.id)


def _state(account_id: int) -> AccountSync:
    """Return how far an account is synced.

    :raises LeaseLost: it was deleted.
    """
    state = db.session.get(AccountSync, account_id)
    if state is None:
        raise LeaseLost
    return state


def _ensure_state(account_id: int) -> AccountSync:
    """Return the same, with its row made if need be.

    :raises IntegrityError: the account was deleted.
    """
    if db.session.get(AccountSync, account_id) is None:
        with transaction():
            fresh = insert_into(AccountSync).values(id=account_id, covered=(), discrepancies=())
            db.session.execute(fresh.on_conflict_do_nothing())
    return _state(account_id)
