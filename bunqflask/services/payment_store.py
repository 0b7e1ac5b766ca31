"""Keeping payments as bunq lists them: each once, the later `updated` winning, a page in one statement.

One statement for a page, not one for each row: SQLite's search writes out what it has gathered whenever a statement
ends, which for single rows takes longer than all the rest; and while it works, another thread reads the next page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, Connection, Dialect, Table

from bunqflask.extensions import Base, db, table_of
from bunqflask.models import Payment, PaymentRaw
from bunqflask.services import changes, kept_sums
from bunqflask.services.payment_rows import Row

# Databases take a limited number of values with one statement; pages of bunq's are never larger.
_ROWS_AT_ONCE = 200
# Absent and null mean the same to bunq: what is known of a balance is not forgotten for it.
_CHANGES = {"balance_after": "coalesce(excluded.balance_after, payment.balance_after)"}


def store(account_id: int, rows: Sequence[Row], *, known: Sequence[Sequence[Any]] = ()) -> None:
    """Keep payments of one account; of one kept already, the later `updated` wins. Does not commit.

    :param account_id: our id of the account.
    :param known: the stretches that had been read before; what is new within them came late.
    """
    if not rows:
        return
    kept_sums.lock(account_id)
    stored = changes.stored(account_id, rows[0].id, rows[-1].id)
    # What is older than what is kept changes nothing, not bunq's raw words either.
    rows = [row for row in rows if row.id not in stored or row.updated_at >= stored[row.id].updated_at]
    if not rows:
        return
    noticed = changes.notice(account_id, rows, stored, known)
    kept_sums.forget(account_id, _moments_of_change(rows, stored))
    dialect = db.engine.dialect
    _keep(_upsert(dialect, Payment, "excluded.updated_at >= payment.updated_at"), rows)
    _keep(_upsert(dialect, PaymentRaw), rows)
    db.session.add_all(noticed)


def _moments_of_change(rows: Sequence[Row], stored: Mapping[int, Any]) -> Iterator[datetime]:
    """Yield the moments of payments that are new, and both moments of those of which a sum would change."""
    for row in rows:
        was = stored.get(row.id)
        if was is None:
            yield row.created_at
        elif changes.summed_of(was) != changes.summed_of(row):
            yield from (was.created_at, row.created_at)


@dataclass(frozen=True)
class _Upsert:
    """A statement that keeps rows, in the database's own words."""

    columns: dict[str, Callable[[Any], Any] | None]
    head: str
    record: str
    tail: str

    def run(self, connection: Connection, rows: Sequence[Row]) -> None:
        given = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
        prepared = [map(prepare, given[name]) if prepare else given[name] for name, prepare in self.columns.items()]
        if self.record:
            # PostgreSQL's driver takes one long text many times as quickly as thousands of values.
            page = [dict(zip(self.columns, values, strict=True)) for values in zip(*prepared, strict=True)]
            connection.exec_driver_sql(self.head + self.record + self.tail, (msgspec.json.encode(page).decode(),))
        else:
            marks = f"({', '.join('?' * len(self.columns))})"
            values = tuple(itertools.chain.from_iterable(zip(*prepared, strict=True)))
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
