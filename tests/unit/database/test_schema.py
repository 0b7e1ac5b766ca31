"""Rules that every table keeps."""

import pytest
from sqlalchemy import Enum, Integer, Table
from sqlalchemy.dialects import sqlite

import bunqflask.models  # noqa: F401 - makes the tables known
from bunqflask.bunq import transport
from bunqflask.database import leases
from bunqflask.database.encryption import Encrypted, Secret
from bunqflask.extensions import Base

TABLES = sorted(Base.metadata.tables.values(), key=lambda table: table.name)


def generated_key(table: Table) -> str | None:
    """Return the name of a primary key that the database makes up, if there is one."""
    column = table.autoincrement_column
    return column.name if column is not None and isinstance(column.type, Integer) else None


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_id_that_sqlite_makes_up_is_never_used_again(table: Table) -> None:
    is_kept = bool(table.dialect_options["sqlite"]["autoincrement"])
    assert is_kept is (generated_key(table) is not None)


def test_the_rule_is_about_most_tables() -> None:
    generated = {table.name for table in TABLES if generated_key(table)}
    assert {"connection", "monetary_account", "bunq_session", "installation", "team_member", "login"} <= generated
    assert "consent_attempt" not in generated
    assert "payment" not in generated


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_states_are_checked_by_the_database(table: Table) -> None:
    names = {str(constraint.name) for constraint in table.constraints}
    for column in table.columns:
        if isinstance(column.type, Enum):
            checked = [name for name in names if name.endswith(str(column.type.name))]
            assert checked, f"{table.name}.{column.name} takes any text"
            assert max(map(len, column.type.enums)) <= (column.type.length or 0)


def test_a_lease_outlives_the_longest_call_to_bunq() -> None:
    """A lease is renewed before a call: it must still be held after it, with room for the storing of the answer."""
    assert leases.LEASE.total_seconds() >= transport.LONGEST_CALL_S + 5


def test_every_secret_has_its_column_and_every_column_its_secret() -> None:
    for mapper in Base.registry.mappers:
        names = {name for name, each in vars(mapper.class_).items() if isinstance(each, Secret)}
        sealed = {column.name for column in mapper.columns if column.name.endswith("_sealed")}
        assert {f"{name}_sealed" for name in names} == sealed, mapper.class_
        assert issubclass(mapper.class_, Encrypted) is bool(names), mapper.class_
        for column in mapper.columns:
            if column.name in sealed:
                assert column.type.compile(sqlite.dialect()) == "BLOB"
