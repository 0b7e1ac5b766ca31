"""The rows of a PostgreSQL database, taken out and put back: many times as quick as making a database anew."""

from dataclasses import dataclass

import psycopg
from psycopg import Connection, sql

_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version' ORDER BY 1
"""
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# All that a migration or a test could change of a database besides its rows.
_SHAPE = """
SELECT md5(concat_ws('|',
    (SELECT string_agg(concat_ws(',', c.relname, a.attname, a.atttypid, a.atttypmod, a.attnotnull), ';'
        ORDER BY c.relname, a.attnum)
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0),
    (SELECT string_agg(indexdef, ';' ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'),
    (SELECT string_agg(pg_get_constraintdef(oid), ';' ORDER BY conname) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace),
    (SELECT string_agg(pg_get_triggerdef(oid), ';' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal),
    (SELECT string_agg(version_num, ';') FROM alembic_version)))
"""


@dataclass(frozen=True)
class Rows:
    """What stands in the tables, and where the sequences are."""

    tables: dict[str, bytes]
    sequences: dict[str, int | None]


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
            _replace(connection, None)
            return True
    except psycopg.Error:
        return False


def read(url: str) -> Rows:
    """Take all rows out of a database, and leave it as it is."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        tables: dict[str, bytes] = {}
        for table in _tables(connection):
            with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
                tables[table] = b"".join(bytes(part) for part in copy)
        return Rows(tables, dict(connection.execute(_SEQUENCES).fetchall()))


def replace(url: str, rows: Rows) -> None:
    """Delete all rows, and put others in their place."""
    with psycopg.connect(url) as connection:
        _replace(connection, rows)


def _replace(connection: Connection, rows: Rows | None) -> None:
    with connection.cursor() as cursor:
        # Keys need not be checked, nor triggers run, on what was right when it was taken.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in _tables(connection):
            cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            if rows is not None and rows.tables[table]:
                with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                    copy.write(rows.tables[table])
        for name, last in connection.execute(_SEQUENCES).fetchall():
            wanted = rows.sequences[name] if rows is not None else None
            if last != wanted:
                cursor.execute("SELECT setval(%s::regclass, %s, %s)", (name, wanted or 1, wanted is not None))


def _shape(connection: Connection) -> str:
    [found] = connection.execute(_SHAPE).fetchone() or [""]
    return str(found)


def _tables(connection: Connection) -> list[str]:
    return [str(name) for (name,) in connection.execute(_TABLES).fetchall()]
