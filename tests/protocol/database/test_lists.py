"""A list of values as one parameter: a database finds exactly what is in it."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import BigInteger, Text, bindparam, select
from sqlalchemy.types import TypeEngine

from bunqflask.database.lists import is_listed, is_one_of, listed
from bunqflask.extensions import db
from tests.support import rows

NAMES = ["robin", "Zoë \N{GRINNING FACE}", 'O\'Neil "Bo" \\ %s :now', "[1, 2]", ""]
NUMBERS = [0, 1, -7, 2**63 - 1]


def found(kind: TypeEngine[Any], value: object, values: list[Any]) -> list[bool]:
    """Return whether a value is in a list, as each way of asking finds it."""
    asked = bindparam("asked", value, type_=kind)
    built_before = select(is_listed(asked, "wanted", kind))
    with db.engine.connect() as connection:
        answers = [
            connection.scalar(built_before, {"wanted": listed(values), "asked": value}),
            connection.scalar(select(is_one_of(asked, values, kind))),
        ]
    return [bool(each) for each in answers]


@pytest.mark.parametrize(("kind", "values"), [(Text(), NAMES), (BigInteger(), NUMBERS)])
def test_each_value_of_a_list_is_found_and_no_other(app: Flask, kind: TypeEngine[Any], values: list[Any]) -> None:
    with rows.behind(app):
        for each in values:
            assert found(kind, each, values) == [True, True], each
            others = [other for other in values if other != each]
            assert found(kind, each, others) == [False, False], each


def test_in_an_empty_list_nothing_is_found_and_in_a_long_one_the_last(app: Flask) -> None:
    with rows.behind(app):
        assert found(BigInteger(), 1, []) == [False, False]
        assert found(BigInteger(), 40_000, list(range(40_001))) == [True, True]
        assert found(BigInteger(), 40_001, list(range(40_001))) == [False, False]
