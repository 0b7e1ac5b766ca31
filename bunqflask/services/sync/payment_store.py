"""Keeping payments as bunq lists them: each once, the later `updated` winning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bunqflask.extensions import db
from bunqflask.services.payments import aggregates
from bunqflask.services.sync import late_changes
from bunqflask.services.sync.payment_rows import Row
from bunqflask.services.sync.payment_upserts import Statement, statements


@dataclass(frozen=True)
class Prepared:
    """Rows of payments, by their ids, and the statements that keep them."""

    rows: list[Row]
    statements: list[Statement]


def prepare(rows: list[Row]) -> Prepared:
    """Get rows ready to be stored. Asks no database: it is done while those before are being stored."""
    return Prepared(rows, statements(db.engine.dialect, rows))


def store(account_id: int, page: Prepared, *, known: Sequence[Sequence[Any]] = ()) -> int | None:
    """Keep payments of one account; of one kept already, the later `updated` wins. Does not commit.

    Returns the lowest row whose place in the chain of balances is another now: from there on it is to be proved.

    :param account_id: our id of the account.
    :param known: the stretches that had been read before; what is new within them came late.
    """
    if not page.rows:
        return None
    aggregates.lock(account_id)
    stored = late_changes.stored(account_id, page.rows[0].id, page.rows[-1].id)
    # What is older than what is kept changes nothing, not bunq's raw words either.
    rows = [row for row in page.rows if row.id not in stored or row.updated_at >= stored[row.id].updated_at]
    if not rows:
        return None
    noticed = late_changes.notice(account_id, rows, stored, known)
    aggregates.forget(account_id, _moments_of_change(rows, stored))
    connection = db.session.connection()
    for statement, values in (page if len(rows) == len(page.rows) else prepare(rows)).statements:
        connection.exec_driver_sql(statement, values)
    db.session.add_all(noticed)
    return next((row.id for row in rows if _is_unproved(row, stored.get(row.id))), None)


def _is_unproved(row: Row, was: Any) -> bool:
    if was is None or row.amount != was.amount:
        return True
    # A balance that bunq does not tell any more is not forgotten.
    return row.balance_after is not None and bool(row.balance_after != was.balance_after)


def _moments_of_change(rows: Sequence[Row], stored: Mapping[int, Any]) -> Iterator[datetime]:
    """Yield the moments of payments that are new, and both moments of those of which a sum would change."""
    for row in rows:
        was = stored.get(row.id)
        if was is None:
            yield row.created_at
        elif late_changes.summed_of(was) != late_changes.summed_of(row):
            yield from (was.created_at, row.created_at)
