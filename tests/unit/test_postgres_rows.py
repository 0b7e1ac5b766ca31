"""Databases that tests use one after the other: each finds the tables as the migrations left them, without a row."""

import psycopg
import pytest

from tests.support import postgres_rows
from tests.support.databases import PostgresDatabases

CHANGES = [
    "ALTER TABLE payment ADD COLUMN more integer",
    "ALTER TABLE payment ALTER COLUMN description TYPE varchar(9000)",
    "ALTER TABLE payment DROP COLUMN description",
    "ALTER TABLE payment ADD CONSTRAINT more CHECK (id > 0)",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "CREATE INDEX more ON payment (id, description)",
    "CREATE TABLE more (id integer)",
    "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP TABLE payment CASCADE",
    "UPDATE alembic_version SET version_num = 'another'",
]


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, and return the rows of the last."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_database_is_used_again_without_rows_and_counts_from_one(postgres_databases: PostgresDatabases) -> None:
    url = postgres_databases.migrated()
    before = postgres_rows.read(url)
    add = "INSERT INTO backup_record (at, outcome) VALUES (now(), 'made') RETURNING id"
    assert execute(url, add) == [(1,)]
    assert execute(url, add) == [(2,)]
    filled = postgres_rows.read(url)
    assert filled != before
    postgres_databases.forget(url)
    assert postgres_databases.migrated() == url
    assert postgres_rows.read(url) == before
    assert execute(url, add) == [(1,)]
    postgres_rows.replace(url, filled)
    assert postgres_rows.read(url) == filled
    assert execute(url, add) == [(3,)]
    postgres_databases.forget(url)


@pytest.mark.parametrize("change", CHANGES)
def test_a_database_whose_tables_were_changed_is_not_used_again(
    postgres_databases: PostgresDatabases, change: str
) -> None:
    url = postgres_databases.migrated()
    execute(url, change)
    postgres_databases.forget(url)
    assert postgres_databases.migrated() != url
    with pytest.raises(psycopg.OperationalError):
        execute(url, "SELECT 1")
