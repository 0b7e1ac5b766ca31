"""Recording: in the caller's transaction, in one chain, with nothing left of what was rolled back."""

import json

import pytest
from flask import Flask
from sqlalchemy import select

from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.models import AuditEvent, AuditKind
from bunqflask.services.audit import chain, trail
from bunqflask.services.audit.origin import Origin, acting


def stored() -> list[AuditEvent]:
    return list(db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)))


def test_an_event_is_stored_with_its_origin_and_chained(here: Flask, lines: list[str]) -> None:
    with acting(Origin(login_id=7, address="203.0.113.7", browser="Firefox")), transaction():
        trail.record(AuditKind.LOGIN, actor_id=None, subject="Robin")
        trail.record(AuditKind.EXPORTED, actor_id=None, account_ids=[9, 5, 9], rows=3)
    [first, second] = stored()
    assert (first.id, first.previous_hash, second.id, second.previous_hash) == (1, chain.GENESIS, 2, first.hash)
    assert (first.login_id, first.address, first.browser, first.subject) == (7, "203.0.113.7", "Firefox", "Robin")
    assert second.facts == {"rows": 3}
    told = [json.loads(line) for line in lines]
    assert [(each["id"], each["hash"]) for each in told] == [(1, first.hash), (2, second.hash)]
    assert told[1]["account_ids"] == [5, 9]


def test_a_rolled_back_event_leaves_no_row_and_no_line(here: Flask, lines: list[str]) -> None:
    def fail() -> None:
        with transaction():
            trail.record(AuditKind.LOGIN, actor_id=None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (stored(), lines) == ([], [])
    with transaction():
        trail.record(AuditKind.SETUP_RUN, actor_id=None)
    assert [each.kind for each in stored()] == [AuditKind.SETUP_RUN]
    assert len(lines) == 1


def test_an_event_outside_a_unit_of_work_is_refused(here: Flask) -> None:
    with pytest.raises(RuntimeError, match="unit of work"):
        trail.record(AuditKind.LOGIN, actor_id=None)
