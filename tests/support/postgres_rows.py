"""The rows of a PostgreSQL database, taken out and put back: many times as quick as making a database anew."""

from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
AND pg_relation_size(c.oid) > 0 ORDER BY 1
"""
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Keys need not be checked, nor triggers run, on what was right when it was taken. A table without a page has no row.
_CLEAR = """
DO $$
DECLARE found regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR found IN SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
        AND pg_relation_size(c.oid) > 0
    LOOP
        EXECUTE format('DELETE FROM %s', found);
    END LOOP;
    PERFORM setval(seqrelid, 1, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""
# Which transactions have last written what describes tables, their columns, indexes, constraints, triggers and
# functions, and how much of each there is: all that a migration or a test could change of a database besides its rows.
_SHAPE = """
SELECT concat_ws('|',
    (SELECT string_agg(version_num, ';') FROM alembic_version),
    (SELECT concat_ws(',', count(*), max(xmin::text::bigint)) FROM pg_attribute WHERE attrelid >= 16384),
    (SELECT concat_ws(',', count(*), max(xmin::text::bigint)) FROM pg_index WHERE indexrelid >= 16384),
    (SELECT concat_ws(',', count(*), max(xmin::text::bigint)) FROM pg_constraint WHERE oid >= 16384),
    (SELECT concat_ws(',', count(*), max(xmin::text::bigint)) FROM pg_trigger WHERE oid >= 16384),
    (SELECT concat_ws(',', count(*), max(xmin::text::bigint)) FROM pg_proc WHERE oid >= 16384))
"""


@dataclass(frozen=True)
class Rows:
    """What stands in the tables that are not empty, and where the sequences are that were used."""

    tables: dict[str, bytes]
    sequences: dict[str, int]


def shape(url: str) -> str:
    """Return a mark of everything in a database but its rows."""
    with psycopg.connect(url) as connection:
        return _shape(connection)


def clear(url: str, wanted_shape: str) -> bool:
    """Delete all rows; False when that does not make the database what it was, or it is gone."""
    try:
        with psycopg.connect(url) as connection:
            connection.execute(_END_OTHERS)
            if _shape(connection) != wanted_shape:
                return False
            connection.execute(_CLEAR)
            return True
    except psycopg.Error:
        return False


def read(url: str) -> Rows:
    """Take all rows out of a database, and leave it as it is."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        tables: dict[str, bytes] = {}
        for table in _tables(connection):
            with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
                if content := b"".join(bytes(part) for part in copy):
                    tables[table] = content
        return Rows(tables, dict(connection.execute(_SEQUENCES).fetchall()))


def replace(url: str, rows: Rows) -> None:
    """Delete all rows, and put others in their place."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(_CLEAR)
        for table, content in rows.tables.items():
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                copy.write(content)
        cursor.executemany("SELECT setval(%s::regclass, %s)", list(rows.sequences.items()))


def _shape(connection: Connection) -> str:
    [found] = connection.execute(_SHAPE).fetchone() or [""]
    return str(found)


def _tables(connection: Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute(_TABLES).fetchall()]
