"""Lists of values as tables that a statement can be joined with, so that its text is the same for any number of them.

A statement whose text depends on data is compiled anew for each, and every compiled one stays in memory.

https://www.sqlite.org/json1.html#jeach
https://www.postgresql.org/docs/current/functions-json.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Column,
    Date,
    FromClause,
    Text,
    bindparam,
    column,
    func,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.types import TypeEngine

from bunqflask.database.types import UtcTimestamp
from bunqflask.extensions import db, table_of
from bunqflask.models import Unit
from bunqflask.models.aggregates import PaymentTotal

_ID: dict[str, TypeEngine[Any]] = {"id": BigInteger()}
_TIMES: dict[str, TypeEngine[Any]] = {
    "account_id": BigInteger(),
    "start": Date(),
    "since": UtcTimestamp(),
    "before": UtcTimestamp(),
}
_PERIODS: dict[str, TypeEngine[Any]] = {
    "account_id": BigInteger(),
    "unit": table_of(PaymentTotal).c.unit.type,
    "first": Date(),
    "last": Date(),
}


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
    """A list of rows as a table: `from_clause` to be joined with, and its columns by name.

    In a statement that is built once, a parameter stands in place of the rows, which `written` writes.
    """

    def __init__(
        self, types: Mapping[str, TypeEngine[Any]], rows: Iterable[Sequence[Any]] | BindParameter[str], name: str
    ) -> None:
        text = rows if isinstance(rows, BindParameter) else bindparam(None, written(types, rows), type_=Text)
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


def written(names: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """Write rows with columns of these names as a parameter."""
    columns = list(names)
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str)


def of_ids(ids: Iterable[int] | BindParameter[str], name: str = "wanted") -> Rows:
    """Return row ids, or the parameter that `written_ids` writes, as a table with a column `id`."""
    return Rows(_ID, ids if isinstance(ids, BindParameter) else zip(ids), name)


def written_ids(ids: Iterable[int]) -> str:
    """Write row ids as a parameter."""
    return written(_ID, zip(ids))


def of_times(ranges: Iterable[TimeRange] | BindParameter[str]) -> Rows:
    """Return ranges of time, or the parameter that `written_times` writes, as a table."""
    return Rows(_TIMES, ranges if isinstance(ranges, BindParameter) else _rows_of_times(ranges), "time_range")


def written_times(ranges: Iterable[TimeRange]) -> str:
    """Write ranges of time as a parameter."""
    return written(_TIMES, _rows_of_times(ranges))


def _rows_of_times(ranges: Iterable[TimeRange]) -> Iterator[Sequence[Any]]:
    # As texts in the form in which each database stores or reads them.
    stored = _TIMES["since"].bind_processor(db.engine.dialect) if db.engine.dialect.name == "sqlite" else None
    text = stored or str
    return ([each.account_id, each.start, text(each.since), text(each.before)] for each in ranges)


def of_periods(parameter: BindParameter[str]) -> Rows:
    """Return the parameter that `written_periods` writes as a table."""
    return Rows(_PERIODS, parameter, "period")


def written_periods(ranges: Iterable[PeriodRange]) -> str:
    """Write ranges of periods as a parameter."""
    return written(_PERIODS, ([each.account_id, each.unit, each.first, each.last] for each in ranges))
