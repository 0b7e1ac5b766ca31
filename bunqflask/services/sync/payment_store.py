"""Storing payments as bunq lists them: each once, the later `updated` wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from bunqflask.database.transactions import emit
from bunqflask.extensions import db
from bunqflask.models import CoveredRange, EventKind, PaymentChange
from bunqflask.models.payments import payment_id_of
from bunqflask.services.payments import aggregates, revisions
from bunqflask.services.sync import late_changes
from bunqflask.services.sync.payment_rows import Row
from bunqflask.services.sync.payment_upserts import upsert

# What programs are shown of a payment besides its balance, which is kept where bunq does not list it any more.
_shown_of = attrgetter(
    "created_at", "updated_at", "amount", "currency", "type", "sub_type", "description", "counterparty_name",
    "counterparty_iban",
)  # fmt: skip


def store(account_id: int, page: Sequence[Row], *, covered: Sequence[CoveredRange] = ()) -> int | None:
    """Store payments of one account, within the caller's transaction; of one stored already, the later `updated` wins.

    Returns the lowest row whose balance has to be reconciled with its neighbours again.

    :param account_id: our id of the account.
    :param page: rows of payments, by their ids.
    :param covered: the ranges that were covered before; a new payment within them came late.
    """
    if not page:
        return None
    aggregates.lock(account_id)
    stored = late_changes.stored(account_id, page[0].id, page[-1].id)
    # An older version changes nothing, not bunq's raw JSON either.
    rows = [row for row in page if row.id not in stored or row.updated_at >= stored[row.id].updated_at]
    if not rows:
        return None
    noticed = late_changes.notice(account_id, rows, stored, covered)
    aggregates.forget(account_id, _times_of_change(rows, stored))
    upsert(db.session.connection(), _with_revisions(account_id, rows, stored))
    db.session.add_all(noticed)
    _emit(account_id, rows, stored, noticed, covered)
    return next((row.id for row in rows if _is_unreconciled(row, stored.get(row.id))), None)


def _emit(
    account_id: int,
    rows: Sequence[Row],
    stored: Mapping[int, Any],
    noticed: Sequence[PaymentChange],
    covered: Sequence[CoveredRange],
) -> None:
    """Record that payments changed, and that some arrived: those above what was covered, so none of a first import."""
    if noticed:
        db.session.flush()
        emit(EventKind.PAYMENTS_CHANGED, account_id=account_id, change_ids=[each.id for each in noticed])
    newest = max((each.newest for each in covered), default=None)
    if newest is not None:
        arrived = [row.id for row in rows if row.id not in stored and payment_id_of(row.id) > newest]
        if arrived:
            emit(EventKind.PAYMENTS_ARRIVED, account_id=account_id, payment_ids=arrived)


def _with_revisions(account_id: int, rows: Sequence[Row], stored: Mapping[int, Any]) -> Sequence[Row]:
    """Return the rows with a new revision of the account, except those that are stored already as they are."""
    changed = {row.id for row in rows if _is_change(row, stored.get(row.id))}
    revision = revisions.next_of(account_id) if changed else 0
    return [
        row._replace(revision=revision, first_revision=revision)
        if row.id in changed
        else row._replace(revision=stored[row.id].revision)
        for row in rows
    ]


def _is_change(row: Row, was: Any) -> bool:
    if was is None or _shown_of(row) != _shown_of(was):
        return True
    return row.balance_after is not None and bool(row.balance_after != was.balance_after)


def _is_unreconciled(row: Row, was: Any) -> bool:
    if was is None or row.amount != was.amount:
        return True
    # A balance that bunq does not list any more is not deleted.
    return row.balance_after is not None and bool(row.balance_after != was.balance_after)


def _times_of_change(rows: Sequence[Row], stored: Mapping[int, Any]) -> Iterator[datetime]:
    """Yield the times of payments that are new, and both times of those of which an aggregate would change."""
    for row in rows:
        was = stored.get(row.id)
        if was is None:
            yield row.created_at
        elif late_changes.summed_of(was) != late_changes.summed_of(row):
            yield from (was.created_at, row.created_at)
