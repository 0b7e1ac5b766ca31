"""The statements that store payments, written by hand where SQLAlchemy's cost more than half of an import.

SQLite gets one statement for many rows: its full-text index writes out what it has gathered whenever a statement ends.
PostgreSQL gets one statement that psycopg repeats for each row without waiting in between.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import JSON, Column, Connection, Dialect

from bunqflask.extensions import Base, table_of
from bunqflask.models import Payment, PaymentRaw
from bunqflask.services.sync.payment_rows import Row

# With one statement, of 32,766 values at most. Only so many kinds of statement, because the driver keeps each it has
# seen, with about 1 kB for a row: of every number of rows up to 200, they took 20 MB for each connection.
_ROWS_AT_ONCE = (200, 100, 50, 20, 10, 5, 2, 1)
# Absent and null mean the same to bunq: a balance that is known is not deleted for it.
_KEPT = {"id", "first_revision"}
_UPDATES = {"balance_after": "coalesce(excluded.balance_after, payment.balance_after)"}

Prepare = Callable[[Any], Any]


def upsert(connection: Connection, rows: Sequence[Row]) -> None:
    """Store rows, within the caller's transaction; of a payment stored already, the later `updated` wins."""
    for model, condition in ((Payment, " WHERE excluded.updated_at >= payment.updated_at"), (PaymentRaw, "")):
        columns, insert, values, update = _parts(connection.dialect, model)
        prepared = [tuple(prepare(getattr(row, name)) for name, prepare in columns) for row in rows]
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql(insert + values + update + condition, prepared)
            continue
        for some in _in_groups(prepared):
            statement = insert + ", ".join([values] * len(some)) + update + condition
            connection.exec_driver_sql(statement, tuple(itertools.chain.from_iterable(some)))


def _in_groups(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Split rows into as few groups as there can be of these sizes."""
    start = 0
    while rest := len(rows) - start:
        size = next(size for size in _ROWS_AT_ONCE if size <= rest)
        yield rows[start : start + size]
        start += size


@cache
def _parts(dialect: Dialect, model: type[Base]) -> tuple[list[tuple[str, Prepare]], str, str, str]:
    """Return the columns with what prepares their values for the driver, and three parts of the statement."""
    table = table_of(model)
    names = [column.name for column in table.columns]
    updates = ", ".join(f"{name} = {_UPDATES.get(name, f'excluded.{name}')}" for name in names if name not in _KEPT)
    mark = "?" if dialect.name == "sqlite" else "%s"
    return (
        [(column.name, _preparation(column, dialect)) for column in table.columns],
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ",  # noqa: S608 - our own names
        f"({', '.join([mark] * len(names))})",
        f" ON CONFLICT (id) DO UPDATE SET {updates}",
    )


def _preparation(column: Column[Any], dialect: Dialect) -> Prepare:
    """Return what prepares a column's value for the driver; JSON is bunq's own text already."""
    processor = None if isinstance(column.type, JSON) else column.type.dialect_impl(dialect).bind_processor(dialect)
    return processor or (lambda value: value)
