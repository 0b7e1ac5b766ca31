"""Payments that bunq does not list any more: kept, and out of every list and sum.

A page of payments is an account of a whole range: from its oldest payment up to where the page before it ended. What is
stored in that range and is not on the page is missing. One look proves nothing, so a payment is withdrawn only when
bunq leaves it out again an hour later, and it comes back when bunq lists it again. What is older than the oldest
payment of a list is never missing: a bank may show only the last months.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import delete, func, select

from bunqflask import clock
from bunqflask.bunq.payment import PaymentPage
from bunqflask.database.transactions import emit
from bunqflask.extensions import db, table_of
from bunqflask.models import (
    AccountSync,
    EventKind,
    MissingPayment,
    Payment,
    PaymentChange,
    PaymentRaw,
    WithdrawnPayment,
)
from bunqflask.models.payments import LARGEST_PAYMENT_ID, payment_id_of, row_id
from bunqflask.services.payments import aggregates, revisions
from bunqflask.services.sync import late_changes

# Between the two looks that it takes.
SECOND_LOOK_AFTER = timedelta(hours=1)
MOST_MISSING = 100


def compare(state: AccountSync, page: PaymentPage, *, below: int | None) -> None:
    """Compare a page with what is stored in its range, within the transaction that has stored the page.

    Notes on the account's state what is missing, withdraws what is missing for the second time, and forgets the
    withdrawal of what is listed again. Balances have to be reconciled again around what was withdrawn.

    :param below: bunq's id below which the page begins; None for the newest page.
    """
    listed = {payment.payment_id for payment in page.payments} | set(page.unreadable)
    if not page.payments or 0 in listed:  # 0: one of them has no readable id, so it may be any of the missing
        return
    first = row_id(min(each.payment_id for each in page.payments), state.id)
    last = row_id(LARGEST_PAYMENT_ID if below is None else below - 1, state.id)
    is_in_range = Payment.account_id == state.id, Payment.id.between(first, last)
    stored = db.session.scalars(select(Payment.id).where(*is_in_range))
    missing = sorted(each for each in stored if payment_id_of(each) not in listed)
    seen = {each.row_id: each.since for each in state.missing}
    if missing:
        current_app.logger.warning("account %s: bunq leaves out payments that it listed before: %s", state.id, missing)
    now, since = clock.now(), {each: seen.get(each, clock.now()) for each in missing}
    again = [each for each in missing if now - since[each] >= SECOND_LOOK_AFTER]
    outside = [each for each in state.missing if not first <= each.row_id <= last]
    still = [MissingPayment(each, since[each]) for each in missing if each not in again]
    state.missing = tuple((*outside, *still)[-MOST_MISSING:])
    _withdraw(state, again, now)
    _bring_back(state.id, [each.payment_id for each in page.payments])


def places_to_look(state: AccountSync) -> list[int]:
    """Return bunq's ids of the payments that have to be looked for again now, the newest first."""
    due = [each.row_id for each in state.missing if clock.now() - each.since >= SECOND_LOOK_AFTER]
    return sorted(map(payment_id_of, due), reverse=True)


def postpone(state: AccountSync) -> None:
    """Wait another hour for what no page has told about, within the transaction that ends a sync."""
    due, now = set(places_to_look(state)), clock.now()
    state.missing = tuple(
        MissingPayment(each.row_id, now) if payment_id_of(each.row_id) in due else each for each in state.missing
    )


def _withdraw(state: AccountSync, row_ids: Sequence[int], now: datetime) -> None:
    """Move payments out of the table that lists and sums are made of."""
    if not row_ids:
        return
    aggregates.lock(state.id)
    query = select(Payment, PaymentRaw.data).outerjoin(PaymentRaw, PaymentRaw.id == Payment.id)
    rows = db.session.execute(query.where(Payment.id.in_(row_ids))).all()
    aggregates.forget(state.id, [payment.created_at for payment, _data in rows])
    revision, changes = revisions.next_of(state.id), list[PaymentChange]()
    for payment, data in rows:
        columns = {column.name: getattr(payment, column.name) for column in table_of(Payment).columns}
        columns["revision"] = revision
        db.session.add(WithdrawnPayment(**columns, withdrawn_at=now, data=data))
        changes.append(late_changes.withdrawn(state.id, payment.id, payment.amount, payment.balance_after))
    db.session.add_all(changes)
    db.session.flush()
    emit(EventKind.PAYMENTS_CHANGED, account_id=state.id, change_ids=[each.id for each in changes])
    db.session.execute(delete(Payment).where(Payment.id.in_(row_ids)))
    after = select(func.min(Payment.id)).where(Payment.account_id == state.id, Payment.id > min(row_ids))
    lowest = db.session.scalar(after) or min(row_ids)
    state.unreconciled_from = min(lowest, state.unreconciled_from or lowest)
    current_app.logger.warning("account %s: payments that bunq lists no more are left out: %s", state.id, row_ids)


def _bring_back(account_id: int, payment_ids: Collection[int]) -> None:
    ids = [row_id(each, account_id) for each in payment_ids]
    is_listed = WithdrawnPayment.account_id == account_id, WithdrawnPayment.id.between(min(ids), max(ids))
    withdrawn = set(db.session.scalars(select(WithdrawnPayment.id).where(*is_listed)))
    if found := withdrawn.intersection(ids):
        db.session.execute(delete(WithdrawnPayment).where(WithdrawnPayment.id.in_(found)))
