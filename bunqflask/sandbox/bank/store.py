"""The database of the sandbox: one SQLite file, one connection, one writer at a time.

Most data is stored as items: a JSON body with a kind, an owner and a few columns to search by.
Money has tables of its own (ledger.py).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bunqflask.sandbox.bank.clock import Clock, bunq_time

Json = dict[str, Any]

# The command `seed` holds the database for half a minute; the bank beside it waits rather than fails.
LOCKED_S = 300

# Ids are global and increasing; the seeded ones lie below this.
FIRST_ID = 10_000_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner INTEGER, account INTEGER, parent INTEGER, name TEXT,
    created TEXT NOT NULL, updated TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS item_by_owner ON item (kind, owner, id);
CREATE INDEX IF NOT EXISTS item_by_account ON item (kind, account, id);
CREATE INDEX IF NOT EXISTS item_by_parent ON item (kind, parent, id);
CREATE INDEX IF NOT EXISTS item_by_name ON item (kind, name);
CREATE TABLE IF NOT EXISTS content (id INTEGER PRIMARY KEY, mime TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, due REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS job_by_due ON job (due);
CREATE TABLE IF NOT EXISTS ledger_account (
    id INTEGER PRIMARY KEY, currency TEXT NOT NULL, balance INTEGER NOT NULL, overdraft INTEGER);
CREATE TABLE IF NOT EXISTS ledger_entry (
    id INTEGER PRIMARY KEY, account INTEGER NOT NULL, movement INTEGER NOT NULL, amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL, created TEXT NOT NULL, type TEXT NOT NULL, sub_type TEXT NOT NULL,
    description TEXT NOT NULL, counterparty TEXT NOT NULL, extra TEXT);
CREATE INDEX IF NOT EXISTS entry_by_account ON ledger_entry (account, id);
CREATE INDEX IF NOT EXISTS entry_by_movement ON ledger_entry (movement);
"""


@dataclass(kw_only=True)
class Item:
    """One stored thing. `created` and `updated` are bunq's timestamps."""

    id: int
    kind: str
    owner: int | None
    account: int | None
    parent: int | None
    name: str | None
    created: str
    updated: str
    body: Json


# SQLite holds integers of 64 bits; a path may name a larger one, which no object has.
LARGEST_ID = 2**63 - 1


class Store:
    """All state of one sandbox. Two stores never share anything but a file."""

    def __init__(self, path: str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._after_commit: list[Callable[[], None]] = []
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=LOCKED_S)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(SCHEMA)
        self.clock = Clock(float(self.read_meta("clock_offset_s") or 0))

    def close(self) -> None:
        """Close the database; in memory this forgets everything."""
        with self._lock:
            self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the block as a whole or roll it back. A nested transaction joins the outer one."""
        with self._lock:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            # IMMEDIATE: another process on the same file would make a late upgrade to a write lock fail.
            self.db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            self._after_commit = []
            try:
                yield
            except BaseException:
                self.db.execute("ROLLBACK")
                self._after_commit = []
                raise
            else:
                self.db.execute("COMMIT")
            finally:
                self._depth = 0
            todo, self._after_commit = self._after_commit, []
        for each in todo:
            each()

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` after the current transaction commits; not if it rolls back."""
        self._after_commit.append(action)

    def clear(self) -> None:
        """Forget every item, entry and setting, and set the clock to real time."""
        with self.transaction():
            for table in ("meta", "item", "content", "job", "ledger_account", "ledger_entry"):
                self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the tuple above
            self.clock.offset_s = 0.0

    # Settings of the running bank.

    def read_meta(self, name: str) -> str | None:
        """Return the value kept under `name`, or None."""
        with self._lock:
            row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def write_meta(self, name: str, value: str) -> None:
        """Keep `value` under `name`."""
        with self.transaction():
            self.db.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )

    def version(self) -> tuple[int, int]:
        """Return a pair of numbers that changes whenever something is written, here or by another process."""
        with self._lock:
            foreign = self.db.execute("PRAGMA data_version").fetchone()[0]
            return self.db.total_changes, int(foreign)

    def next_id(self, how_many: int = 1) -> int:
        """Reserve `how_many` ids and return the first."""
        with self.transaction():
            first = int(self.read_meta("next_id") or FIRST_ID)
            self.write_meta("next_id", str(first + how_many))
        return first

    def advance_clock(self, seconds: float) -> None:
        """Move the clock forward and remember it over a restart.

        :raises ValueError: as `Clock.advance`.
        """
        with self.transaction():
            self.clock.advance(seconds)
            self.write_meta("clock_offset_s", repr(self.clock.offset_s))

    # Items.

    def insert(
        self,
        kind: str,
        body: Json,
        *,
        item_id: int | None = None,
        owner: int | None = None,
        account: int | None = None,
        parent: int | None = None,
        name: str | None = None,
        created: str | None = None,
        updated: str | None = None,
    ) -> Item:
        """Keep a new item and return it; its id is the next free one unless given."""
        with self.transaction():
            now = bunq_time(self.clock.now())
            created = created or now
            item = Item(
                id=self.next_id() if item_id is None else item_id,
                kind=kind,
                owner=owner,
                account=account,
                parent=parent,
                name=name,
                created=created,
                updated=updated or created,
                body=body,
            )
            row = (item.id, kind, owner, account, parent, name, item.created, item.updated)
            body_text = json.dumps(body, ensure_ascii=False)
            self.db.execute("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, body_text))
        return item

    def save(self, item: Item, *, touch: bool = True) -> None:
        """Write a changed item back; `touch` also sets its `updated` to now."""
        with self.transaction():
            if touch:
                item.updated = bunq_time(self.clock.now())
            self.db.execute(
                "UPDATE item SET owner=?, account=?, parent=?, name=?, updated=?, body=? WHERE id=?",
                (
                    item.owner,
                    item.account,
                    item.parent,
                    item.name,
                    item.updated,
                    json.dumps(item.body, ensure_ascii=False),
                    item.id,
                ),
            )

    def delete(self, item: Item) -> None:
        """Forget an item and the bytes kept under its id."""
        with self.transaction():
            self.db.execute("DELETE FROM item WHERE id = ?", (item.id,))
            self.db.execute("DELETE FROM content WHERE id = ?", (item.id,))

    def get(self, kind: str, item_id: int) -> Item | None:
        """Return the item of this kind and id, or None."""
        found = self._select("kind = ? AND id = ?", (kind, item_id))
        return found[0] if found else None

    def named(self, kind: str, name: str) -> Item | None:
        """Return the newest item of this kind and name, or None."""
        found = self._select("kind = ? AND name = ? ORDER BY id DESC LIMIT 1", (kind, name))
        return found[0] if found else None

    def select(
        self,
        kind: str,
        *,
        owner: int | None = None,
        account: int | None = None,
        parent: int | None = None,
        below: int | None = None,
        above: int | None = None,
        limit: int | None = None,
    ) -> list[Item]:
        """Return items of a kind, newest first; with `above`, the ones directly above it.

        A bound that is None is no bound.
        """
        where, values = ["kind = ?"], [kind]  # type: tuple[list[str], list[Any]]
        bounds = (("owner =", owner), ("account =", account), ("parent =", parent), ("id <", below), ("id >", above))
        for column, value in bounds:
            if value is not None:
                where.append(f"{column} ?")
                values.append(value)
        upwards = above is not None and limit is not None
        tail = f" ORDER BY id {'ASC' if upwards else 'DESC'}"
        if limit is not None:
            tail += " LIMIT ?"
            values.append(limit)
        found = self._select(" AND ".join(where) + tail, values)
        return found[::-1] if upwards else found

    def _select(self, where: str, values: Sequence[Any]) -> list[Item]:
        rows = self.found(
            "SELECT id, kind, owner, account, parent, name, created, updated, body FROM item WHERE " + where,  # noqa: S608
            values,
        )
        return [
            Item(
                id=row[0],
                kind=row[1],
                owner=row[2],
                account=row[3],
                parent=row[4],
                name=row[5],
                created=row[6],
                updated=row[7],
                body=json.loads(row[8]),
            )
            for row in rows
        ]

    def found(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return what a query finds: nothing for a number of more than 64 bits, or a text of half characters."""
        with self._lock:
            try:
                return self.db.execute(query, values).fetchall()
            except (OverflowError, UnicodeEncodeError):
                return []

    # Bytes of attachments and statements.

    def put_content(self, item_id: int, mime: str, content: bytes) -> None:
        """Keep raw bytes under the id of an item."""
        with self.transaction():
            self.db.execute("INSERT OR REPLACE INTO content VALUES (?, ?, ?)", (item_id, mime, content))

    def get_content(self, item_id: int) -> tuple[str, bytes] | None:
        """Return (MIME type, bytes) kept under an id, or None."""
        with self._lock:
            row = self.db.execute("SELECT mime, bytes FROM content WHERE id = ?", (item_id,)).fetchone()
        return None if row is None else (str(row[0]), bytes(row[1]))

    # Scheduled jobs.

    def schedule(self, kind: str, due: float, body: Json) -> None:
        """Store a job that is due at `due`, seconds since 1970 on the sandbox's clock."""
        with self.transaction():
            self.db.execute("INSERT INTO job (due, kind, body) VALUES (?, ?, ?)", (due, kind, json.dumps(body)))

    def take_due(self, *, webhooks: bool = False) -> tuple[str, float, Json] | None:
        """Remove and return the earliest due job, or None: of the webhooks, or of all other kinds."""
        sign = "=" if webhooks else "<>"
        with self.transaction():
            row = self.db.execute(
                f"DELETE FROM job WHERE id = (SELECT id FROM job WHERE due <= ? AND kind {sign} 'webhook'"  # noqa: S608
                " ORDER BY due, id LIMIT 1) RETURNING kind, due, body",
                (self.clock.timestamp(),),
            ).fetchone()
        return None if row is None else (str(row[0]), float(row[1]), json.loads(row[2]))

    def next_due(self) -> float | None:
        """Return the due time of the earliest job, in seconds since 1970, or None."""
        with self._lock:
            row = self.db.execute("SELECT MIN(due) FROM job").fetchone()
        return None if row[0] is None else float(row[0])
