"""Lists of values as tables that a statement can be joined with, so that its text is the same for any number of them.

A statement whose text depends on data is compiled anew for each, and every compiled one stays in memory.

https://www.sqlite.org/json1.html#jeach
https://www.postgresql.org/docs/current/functions-json.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Date,
    FromClause,
    Text,
    bindparam,
    column,
    func,
    select,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.types import TypeEngine

from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import db
from bunqflask.models import Unit
from bunqflask.models.aggregates import PaymentTotal


@dataclass(frozen=True)
class TimeRange:
    """A range of time of one account, the first timestamp in it and the first after it; `start` names it."""

    account_id: int
    start: date
    since: datetime
    before: datetime


@dataclass(frozen=True)
class PeriodRange:
    """Days or months of one account, the first and the last of them by their first days."""

    account_id: int
    unit: Unit
    first: date
    last: date


class Rows:
    """A list of rows as a table: `from_clause` to be joined with, and its columns by name."""

    def __init__(self, types: Mapping[str, TypeEngine[Any]], rows: Iterable[Sequence[Any]], name: str) -> None:
        names = list(types)
        given = [dict(zip(names, row, strict=True)) for row in rows]
        text = bindparam(None, json.dumps(given, default=str), type_=Text)
        self.from_clause: FromClause
        self.columns: dict[str, Any]
        if db.engine.dialect.name == "sqlite":
            table = func.json_each(text).table_valued("value", name=name)
            self.columns = {
                each: type_coerce(func.json_extract(table.c.value, f"$.{each}"), kind) for each, kind in types.items()
            }
        else:
            columns: list[Column[Any]] = [column(each, kind) for each, kind in types.items()]  # type: ignore[misc]
            table = func.json_to_recordset(sql_cast(text, JSON)).table_valued(*columns, name=name)
            table = table.render_derived(with_types=True)
            self.columns = {each: table.c[each] for each in types}
        self.from_clause = table

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]


def of_ids(ids: Iterable[int], name: str = "wanted") -> Rows:
    """Return row ids as a table with a column `id`."""
    return Rows({"id": BigInteger()}, ([each] for each in ids), name)


def is_one_of(value: Any, ids: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that a value is one of some row ids; the statement is the same for any number of them."""
    wanted = of_ids(ids)
    found: ColumnElement[bool] = value.in_(select(wanted["id"]).select_from(wanted.from_clause).correlate(None))
    return found


def of_times(ranges: Iterable[TimeRange]) -> Rows:
    """Return ranges of time as a table."""
    # As texts in the form in which each database stores or reads them.
    written = str if db.engine.dialect.name != "sqlite" else _as_stored
    types: dict[str, TypeEngine[Any]] = {
        "account_id": BigInteger(),
        "start": Date(),
        "since": UtcTimestamp(),
        "before": UtcTimestamp(),
    }
    rows = ([each.account_id, each.start, written(each.since), written(each.before)] for each in ranges)
    return Rows(types, rows, "time_range")


def of_periods(ranges: Iterable[PeriodRange]) -> Rows:
    """Return ranges of periods as a table."""
    types: dict[str, Any] = {
        "account_id": BigInteger(),
        "unit": PaymentTotal.unit.type,
        "first": Date(),
        "last": Date(),
    }
    return Rows(types, ([each.account_id, each.unit, each.first, each.last] for each in ranges), "period")


def _as_stored(value: datetime) -> str:
    bind: Any = UtcTimestamp().bind_processor(db.engine.dialect)
    text: str = bind(value)
    return text
