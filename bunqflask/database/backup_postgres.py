"""Dumps of a PostgreSQL database, made, read back and restored by PostgreSQL's own programs.

https://www.postgresql.org/docs/current/app-pgdump.html
https://www.postgresql.org/docs/current/app-pgrestore.html
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from bunqflask.database.backup_sqlite import LOGIN_TABLES
from bunqflask.database.encryption import sealed_tables
from bunqflask.database.transactions import separate_transaction
from bunqflask.extensions import db

MAGIC = b"PGDMP"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# A table's rows in a dump, one a line, follow such a line and end with "\.".
_COPY = re.compile(r'COPY (?:"?\w+"?\.)?"?(\w+)"? \((.*)\) FROM stdin;\n')
_NOTHING = r"\N"


class ProgramFailed(Exception):
    """One of PostgreSQL's programs is missing or failed; the text says which, and what it said."""


def dump(into: Path) -> dict[str, int]:
    """Dump the database into a file, as it is at one point in time; return how many rows each table has then.

    :raises ProgramFailed: `pg_dump` is missing or failed.
    """
    with db.engine.connect() as connection:
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        rows = _rows(connection)
        _run("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={into}", f"--dbname={_address()}")
    return rows


def read(path: Path) -> dict[str, int]:
    """Read a dump to its end; return how many rows each table has.

    :raises ProgramFailed: `pg_restore` is missing or cannot read it.
    """
    rows: dict[str, int] = {}
    for table, _columns, _values in _lines(path):
        rows[table] = rows.get(table, 0) + (_values is not None)
    return rows


def sealed_values(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each encrypted value of a dump, and the place for which it was encrypted.

    :raises ProgramFailed: `pg_restore` is missing or cannot read it.
    """
    tables = sealed_tables()
    for name, columns, values in _lines(path):
        if name not in tables or values is None:
            continue
        row = dict(zip(columns, values, strict=True))
        for column in tables[name].columns:
            if row.get(column, _NOTHING) != _NOTHING:
                stored = bytes.fromhex(row[column].removeprefix("\\\\x"))
                yield tables[name].place(name, column, [row[key] for key in tables[name].keys]), stored


def is_in_use() -> bool:
    """Tell whether somebody else is connected to the database."""
    with db.engine.connect() as connection:
        return bool(connection.scalar(text(_OTHERS)))


def restore(path: Path) -> None:
    """Replace what is in the database by a dump, all or nothing, and log everybody out.

    :raises ProgramFailed: `pg_restore` is missing or failed.
    """
    _run(
        "pg_restore",
        "--clean",
        "--if-exists",
        "--no-owner",
        "--single-transaction",
        f"--dbname={_address()}",
        str(path),
    )
    # What ended after the dump was made would be good again.
    with separate_transaction() as connection:
        for table in LOGIN_TABLES & set(connection.scalars(text(_TABLES))):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - one of ours


def _rows(connection: Connection) -> dict[str, int]:
    names = connection.scalars(text(_TABLES)).all()
    return {
        name: connection.scalar(text(f'SELECT count(*) FROM "{name}"')) or 0  # noqa: S608 - a name of the schema
        for name in names
    }


def _lines(path: Path) -> Iterator[tuple[str, list[str], list[str] | None]]:
    """Yield (table, its columns, None) for each table, and then the same with the values of each of its rows."""
    command = [_program("pg_restore"), "--data-only", "--file=-", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        table, columns = "", [""]
        for line in process.stdout:
            if table and line == "\\.\n":
                table = ""
            elif table:
                yield table, columns, line.rstrip("\n").split("\t")
            elif found := _COPY.fullmatch(line):
                table, columns = found[1], [name.strip('" ') for name in found[2].split(",")]
                yield table, columns, None
        said = process.stderr.read()
    if process.returncode:
        raise ProgramFailed(f"pg_restore: {_first_line(said)}")


def _address() -> str:
    # Without the password, which other users of the machine would see among the arguments.
    return db.engine.url.set(drivername="postgresql", password=None).render_as_string()


def _run(program: str, *arguments: str) -> None:
    url: URL = db.engine.url
    environ = {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run(
        [_program(program), *arguments], env=environ, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise ProgramFailed(f"{program}: {_first_line(done.stderr)}")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ProgramFailed(f"{name} is not installed (Debian: apt-get install postgresql-client)")
    return found


def _first_line(said: str) -> str:
    return (said.strip().splitlines() or ["it failed without a word"])[0].split(": error: ")[-1]
