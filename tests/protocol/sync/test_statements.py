"""Statements do not get more kinds with more data: the driver keeps each kind, for the life of a process."""

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bunqflask.extensions import db
from bunqflask.models import MonetaryAccount, Payment
from tests.support import stored_payments

ROUNDS = 60
# eight sizes of groups, of payments and of their JSON
MOST_KINDS = 16


@pytest.mark.sqlite_only
def test_pages_of_many_sizes_are_stored_with_few_kinds_of_statements(connected_app: Flask) -> None:
    kinds: set[str] = set()
    stored = 0

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith(("INSERT INTO payment (", "INSERT INTO payment_raw (")):
            kinds.add(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for size in range(1, ROUNDS + 1):
            account = db.session.scalars(db.select(MonetaryAccount).order_by(MonetaryAccount.id)).first()
            assert account is not None
            stored_payments.store(account, size, text=str, first=stored)
            stored += size
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert db.session.scalar(db.select(db.func.count()).select_from(Payment)) == stored
    assert 4 <= len(kinds) <= MOST_KINDS
