"""The statements that keep payments, in the database's own words: as few as can be, and quickly made.

One statement for a page, not one for each row: SQLite's search writes out what it has gathered whenever a statement
ends, which for single rows takes longer than all the rest; and while it works, another thread reads the next page.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, Dialect

from bunqflask.extensions import Base, table_of
from bunqflask.models import Payment, PaymentRaw
from bunqflask.services.sync.payment_rows import Row

# A statement, and the values that go to the driver with it.
Statement = tuple[str, tuple[Any, ...]]

# Databases take a limited number of values with one statement; pages of bunq's are never larger.
_ROWS_AT_ONCE = 200
# Absent and null mean the same to bunq: what is known of a balance is not forgotten for it.
_CHANGES = {"balance_after": "coalesce(excluded.balance_after, payment.balance_after)"}
_APART = "\x1e"
_SIDE_BY_SIDE = "SELECT id, data::json FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1e')) AS page(id, data)"


def statements(dialect: Dialect, rows: Sequence[Row]) -> list[Statement]:
    """Return the statements that keep rows; of a payment kept already, the later `updated` wins."""
    found: list[Statement] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        payments, raw = (upsert.statement(rows[start : start + _ROWS_AT_ONCE]) for upsert in _upserts(dialect))
        found += [_together(payments, raw)] if dialect.name == "postgresql" else [payments, raw]
    return found


def _together(payments: Statement, raw: Statement) -> Statement:
    """Both as one, which a server is asked for once."""
    return f"WITH kept AS ({payments[0]}) {raw[0]}", (*payments[1], *raw[1])


class _Upsert:
    """A statement that keeps rows, in the database's own words."""

    def __init__(self, dialect: Dialect, model: type[Base], condition: str = "") -> None:
        table = table_of(model)
        names = [column.name for column in table.columns]
        updates = ", ".join(f"{name} = {_CHANGES.get(name, f'excluded.{name}')}" for name in names if name != "id")
        self._columns = {column.name: _preparation(column, dialect) for column in table.columns}
        self._head = f"INSERT INTO {table.name} ({', '.join(names)}) "
        self._tail = f" ON CONFLICT (id) DO UPDATE SET {updates}{f' WHERE {condition}' if condition else ''}"

    def statement(self, rows: Sequence[Row]) -> Statement:
        """Return what keeps rows, as many as one statement takes."""
        given = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
        columns = [map(prepare, given[name]) if prepare else given[name] for name, prepare in self._columns.items()]
        source, values = self._source(list(zip(*columns, strict=True)))
        return self._head + source + self._tail, values

    def _source(self, prepared: Sequence[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
        """Return from where the statement takes its rows, and what is given to the driver with it."""
        marks = f"({', '.join('?' * len(self._columns))})"
        return f"VALUES {', '.join([marks] * len(prepared))}", tuple(itertools.chain.from_iterable(prepared))


class _UpsertRecords(_Upsert):
    """PostgreSQL's driver takes one long text many times as quickly as thousands of values."""

    def __init__(self, dialect: Dialect, model: type[Base], condition: str = "") -> None:
        super().__init__(dialect, model, condition)
        kinds = ", ".join(f"{column.name} {column.type.compile(dialect)}" for column in table_of(model).columns)
        self._records = f"SELECT * FROM json_to_recordset(%s::json) AS page({kinds})"  # noqa: S608 - our own columns

    def _source(self, prepared: Sequence[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
        page = [dict(zip(self._columns, values, strict=True)) for values in prepared]
        return self._records, (msgspec.json.encode(page).decode(),)


class _UpsertRaw(_Upsert):
    """And JSON in its own quotes takes PostgreSQL twice as long as side by side: no JSON holds a bare control sign."""

    def _source(self, prepared: Sequence[tuple[Any, ...]]) -> tuple[str, tuple[Any, ...]]:
        ids, raw = zip(*prepared, strict=True)
        return _SIDE_BY_SIDE, (f"{{{','.join(map(str, ids))}}}", _APART.join(raw))


@cache
def _upserts(dialect: Dialect) -> tuple[_Upsert, _Upsert]:
    """Return the statements that keep payments and what bunq said of them."""
    is_postgres = dialect.name == "postgresql"
    return (
        (_UpsertRecords if is_postgres else _Upsert)(dialect, Payment, "excluded.updated_at >= payment.updated_at"),
        (_UpsertRaw if is_postgres else _Upsert)(dialect, PaymentRaw),
    )


def _preparation(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """How a value of a column is given to the driver; JSON is there as text already, and bunq's own."""
    if isinstance(column.type, JSON):
        return None
    return column.type.dialect_impl(dialect).bind_processor(dialect)
