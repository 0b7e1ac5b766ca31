"""Calls that write something, each done once for each key that its program made up.

The answer is kept in the transaction that did the work, so neither is ever there without the other. A second call with
the key waits for the first, on SQLite for its write lock, on PostgreSQL for its row.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import IdempotentCall

KEPT_FOR = timedelta(days=7)


class KeyUsedOtherwise(Exception):
    """The key belongs to another call: other address, other method or other body."""


@dataclass(frozen=True)
class KeptAnswer:
    """What a call was answered: its status, its JSON, and where to go on."""

    status: int
    answer: str
    location: str


def once(token_id: int, key: str, call_hash: str, work: Callable[[], KeptAnswer]) -> KeptAnswer:
    """Do the work of a call in one transaction with its answer, or return the answer that it was given before.

    What `work` calls takes part in this transaction. What it raises ends the transaction, and the key stays free.

    :param call_hash: of method, address and body.
    :raises KeyUsedOtherwise: the key belongs to another call.
    """
    with transaction():
        fresh = {"status": 0, "answer": "", "location": "", "created_at": clock.now()}
        made = insert_into(IdempotentCall).values(token_id=token_id, key=key, call_hash=call_hash, **fresh)
        db.session.execute(made.on_conflict_do_nothing())
        row = db.session.get_one(IdempotentCall, (token_id, key), populate_existing=True)
        if row.call_hash != call_hash:
            raise KeyUsedOtherwise
        if row.status:
            return KeptAnswer(row.status, row.answer, row.location)
        done = work()
        row.status, row.answer, row.location = done.status, done.answer, done.location
        return done


def delete_old() -> None:
    """Delete the answers that were kept for long enough."""
    with transaction():
        old = IdempotentCall.created_at < clock.now() - KEPT_FOR
        db.session.execute(delete(IdempotentCall).where(old))
