"""Conditions that a value is one of a list, in statements that are built once: the list is one parameter, as JSON.

A list of parameters would be written into the statement anew each time that it is executed.

https://www.sqlite.org/json1.html#jeach
https://www.postgresql.org/docs/current/functions-json.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Text, bindparam, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeEngine


class _values_of(GenericFunction[str]):
    """The values of a JSON array as a table."""

    type = Text()
    inherit_cache = True


@compiles(_values_of)
def _on_sqlite(element: _values_of, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_each{compiler.process(element.clause_expr, **how)}"


@compiles(_values_of, "postgresql")
def _on_postgres(element: _values_of, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clause_expr, **how)} AS JSON))"


def is_listed(value: Any, name: str, kind: TypeEngine[Any]) -> ColumnElement[bool]:
    """Return the condition that a value is one of those in the parameter of this name, which `listed` writes.

    :param kind: the type of the values.
    """
    return _is_in(value, bindparam(name, type_=Text), kind)


def is_one_of(value: Any, values: Iterable[Any], kind: TypeEngine[Any]) -> ColumnElement[bool]:
    """Return the condition that a value is one of these; the statement is the same for any number of them."""
    return _is_in(value, bindparam(None, listed(values), type_=Text), kind)


def _is_in(value: Any, parameter: BindParameter[str], kind: TypeEngine[Any]) -> ColumnElement[bool]:
    values = _values_of(parameter).table_valued("value", name="listed")
    found: ColumnElement[bool] = value.in_(select(cast(values.c.value, kind)).correlate(None))
    return found


def listed(values: Iterable[Any]) -> str:
    """Write numbers or texts as the parameter of `is_listed`."""
    return json.dumps(list(values))
