"""The hash chain: each event's hash covers the event, its accounts and the hash of the event before it.

Who may write the database can compute a chain anew. The lines in the log, which another machine or user can hold, show
that: each has its event's hash (`verification`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from sqlalchemy import func, insert, select, text

from bunqflask.extensions import db, table_of
from bunqflask.models import AuditAccount, AuditCut, AuditEvent

# What the first event of all follows.
GENESIS = "0" * 64
# Any number that no other advisory lock of this database has.
_LOCK = 0x6175646974
COLUMNS = tuple(column.name for column in table_of(AuditEvent).columns if column.name != "hash")


def append(values: dict[str, Any], account_ids: Iterable[int]) -> dict[str, Any]:
    """Add an event to the end of the chain, within the caller's transaction; return it as it is stored.

    Other writers wait from here to the commit: on SQLite all do in any case, on PostgreSQL those that append.
    """
    lock()
    last_id, last_hash = end()
    stored = {**values, "id": last_id + 1, "previous_hash": last_hash}
    accounts = sorted(set(account_ids))
    stored["hash"] = hash_of(stored, accounts)
    db.session.execute(insert(table_of(AuditEvent)), [stored])
    if accounts:
        rows = [{"event_id": stored["id"], "account_id": account_id} for account_id in accounts]
        db.session.execute(insert(table_of(AuditAccount)), rows)
    return {**stored, "account_ids": accounts}


def lock() -> None:
    """Let nobody else append until the end of the caller's transaction."""
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def end() -> tuple[int, str]:
    """Return the id and hash of the last event, or of the last one that was deleted, or where all begins."""
    last = db.session.execute(select(AuditEvent.id, AuditEvent.hash).order_by(AuditEvent.id.desc()).limit(1)).first()
    return (last.id, last.hash) if last is not None else beginning()


def beginning() -> tuple[int, str]:
    """Return the id and hash that the first stored event follows."""
    last_cut = select(func.max(AuditCut.event_id)).scalar_subquery()
    cut = db.session.execute(select(AuditCut.event_id, AuditCut.hash).where(AuditCut.event_id == last_cut)).first()
    return (cut.event_id, cut.hash) if cut is not None else (0, GENESIS)


def hash_of(values: dict[str, Any], account_ids: list[int]) -> str:
    """Return the SHA-256, in hexadecimal, over the previous hash and the event in its one written form.

    :param values: all columns but the hash.
    :param account_ids: ascending.
    """
    row = {name: values[name] for name in COLUMNS}
    row |= {"at": values["at"].astimezone(UTC).isoformat(timespec="microseconds"), "account_ids": account_ids}
    written = json.dumps(row, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{values['previous_hash']}{written}".encode()).hexdigest()
