"""Keeping payments as bunq lists them: each once, the later `updated` winning, a page in one statement.

One statement for a page, not one for each row: SQLite's search writes out what it has gathered whenever a statement
ends, which for single rows takes longer than all the rest; and while it works, another thread reads the next page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, Connection, Dialect, Table

from bunqflask.bunq import payment as bunq
from bunqflask.bunq.errors import ResponseNotUnderstood
from bunqflask.extensions import Base, db, table_of
from bunqflask.models import MonetaryAccount, Payment, PaymentRaw
from bunqflask.models.payments import row_id
from bunqflask.services import accounts, changes, kept_sums
from bunqflask.services.payment_words import amount_word, fours, search_text

# The columns of `payment` and of `payment_raw` together.
Row = dict[str, Any]

# Databases take a limited number of values with one statement; pages of bunq's are never larger.
_ROWS_AT_ONCE = 200
# Absent and null mean the same to bunq: what is known of a balance is not forgotten for it.
_CHANGES = {"balance_after": "coalesce(excluded.balance_after, payment.balance_after)"}


def rows_of(account_id: int, found: Iterable[bunq.Payment]) -> list[Row]:
    """Make the rows that keep payments of one account, by their ids. Asks no database: it may be done ahead.

    :raises ResponseNotUnderstood: an amount is finer than any currency knows.
    """
    # A page may tell of one payment twice, when it changed while bunq made the page.
    latest = {payment.payment_id: payment for payment in sorted(found, key=lambda each: each.updated_at)}
    # In this order databases write quickest.
    return [_row(account_id, latest[payment_id]) for payment_id in sorted(latest)]


def store(account: MonetaryAccount, rows: Sequence[Row], *, known: Sequence[Sequence[Any]] = ()) -> None:
    """Keep payments of one account; of one kept already, the later `updated` wins. Does not commit.

    :param known: the stretches that had been read before; what is new within them came late.
    """
    if not rows:
        return
    kept_sums.lock(account)
    stored = changes.stored(account, [row["id"] for row in rows])
    # What is older than what is kept changes nothing, not bunq's raw words either.
    rows = [row for row in rows if row["id"] not in stored or row["updated_at"] >= stored[row["id"]].updated_at]
    if not rows:
        return
    noticed = changes.notice(account, rows, stored, known)
    kept_sums.forget(account, _moments_of_change(rows, stored))
    dialect = db.engine.dialect
    _keep(_upsert(dialect, Payment, "excluded.updated_at >= payment.updated_at"), rows)
    _keep(_upsert(dialect, PaymentRaw), rows)
    db.session.add_all(noticed)


def _moments_of_change(rows: Sequence[Row], stored: Mapping[int, Any]) -> Iterator[datetime]:
    """Yield the moments of payments that are new, and both moments of those of which a sum would change."""
    for row in rows:
        was = stored.get(row["id"])
        if was is None:
            yield row["created_at"]
        elif any(getattr(was, name) != row[name] for name in changes.SUMMED):
            yield from (was.created_at, row["created_at"])


@dataclass(frozen=True)
class _Upsert:
    """A statement that keeps rows, in the database's own words."""

    columns: dict[str, Callable[[Any], Any] | None]
    head: str
    record: str
    tail: str

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        prepared = [
            [prepare(row[name]) if prepare else row[name] for name, prepare in self.columns.items()] for row in rows
        ]
        if self.record:
            # PostgreSQL's driver takes one long text many times as quickly as thousands of values.
            page = [dict(zip(self.columns, values, strict=True)) for values in prepared]
            connection.exec_driver_sql(self.head + self.record + self.tail, (msgspec.json.encode(page).decode(),))
        else:
            marks = f"({', '.join('?' * len(self.columns))})"
            values = tuple(itertools.chain.from_iterable(prepared))
            connection.exec_driver_sql(f"{self.head}VALUES {', '.join([marks] * len(rows))}{self.tail}", values)


@cache
def _upsert(dialect: Dialect, model: type[Base], condition: str = "") -> _Upsert:
    table = table_of(model)
    names = [column.name for column in table.columns]
    updates = ", ".join(f"{name} = {_CHANGES.get(name, f'excluded.{name}')}" for name in names if name != "id")
    return _Upsert(
        columns={column.name: _preparation(column, dialect) for column in table.columns},
        head=f"INSERT INTO {table.name} ({', '.join(names)}) ",
        record=_record(table, dialect) if dialect.name == "postgresql" else "",
        tail=f" ON CONFLICT (id) DO UPDATE SET {updates}{f' WHERE {condition}' if condition else ''}",
    )


def _record(table: Table, dialect: Dialect) -> str:
    """Read rows from JSON; what is JSON itself comes as the text that it is kept as."""
    kinds = {column.name: column.type.compile(dialect) for column in table.columns}
    chosen = ", ".join(f"{name}::json" if kind == "JSON" else name for name, kind in kinds.items())
    given = ", ".join(f"{name} {'text' if kind == 'JSON' else kind}" for name, kind in kinds.items())
    return f"SELECT {chosen} FROM json_to_recordset(%s::json) AS page({given})"  # noqa: S608 - our own columns


def _preparation(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value of a column is given to the driver; JSON is there as text already, and bunq's own."""
    if isinstance(column.type, JSON):
        return None
    return column.type.dialect_impl(dialect).bind_processor(dialect)


def _keep(upsert: _Upsert, rows: Sequence[Row]) -> None:
    connection = db.session.connection()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        upsert.run(connection, rows[start : start + _ROWS_AT_ONCE])


def _row(account_id: int, payment: bunq.Payment) -> Row:
    amount = accounts.exact(payment.amount)
    if amount is None:
        raise ResponseNotUnderstood(f"the amount of payment {payment.payment_id} cannot be kept exactly")
    name, iban = payment.counterparty_name[:500], payment.counterparty_iban
    return {
        "id": row_id(payment.payment_id, account_id),
        "account_id": account_id,
        "payment_id": payment.payment_id,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "amount": amount,
        "currency": payment.amount.currency[:10],
        "balance_after": accounts.exact(payment.balance_after),
        "type": payment.type[:40],
        "sub_type": payment.sub_type[:40],
        "description": payment.description,
        "counterparty_name": name,
        "counterparty_iban": iban,
        # An IBAN is looked for as one word, or in the groups of four in which it is written.
        "words": search_text(
            " ".join([name, payment.description, iban or "", *fours(iban or ""), amount_word(amount)])
        ),
        "data": payment.raw,
    }
