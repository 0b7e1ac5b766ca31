"""Revisions of an account: numbers by which a program asks for what changed since it asked last.

Each transaction that stores or withdraws a payment, or stores a note on one, gives it the next number of its account.
It holds a lock on the account's row until it is committed, so the numbers of an account are committed in their order: a
reader of one can read all smaller ones. A sequence of the database would not do: of two numbers the larger may be
committed first.
"""

from __future__ import annotations

from sqlalchemy import bindparam, update

from bunqflask.extensions import db, table_of
from bunqflask.models import MonetaryAccount, Payment

_account, _payment = table_of(MonetaryAccount), table_of(Payment)
_NEXT = (
    update(_account)
    .where(_account.c.id == bindparam("of_account"))
    .values(revision=_account.c.revision + 1)
    .returning(_account.c.revision)
)
_TOUCH = update(_payment).where(_payment.c.id == bindparam("of_row"))


def next_of(account_id: int) -> int:
    """Return a new revision of an account, which is locked until the caller's transaction ends."""
    return int(db.session.connection().execute(_NEXT, {"of_account": account_id}).scalar_one())


def touch(account_id: int, payment_row_id: int) -> None:
    """Let a payment count as changed, because a note on it has. Takes part in the caller's transaction."""
    values = _TOUCH.values(revision=next_of(account_id))
    db.session.connection().execute(values, {"of_row": payment_row_id})
