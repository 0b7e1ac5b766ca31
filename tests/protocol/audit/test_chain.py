"""The chain has one end however many write, nobody can change it by SQL, and what is changed all the same is found."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db, table_of
from bunqflask.models import AuditAccount, AuditCut, AuditEvent, AuditKind
from bunqflask.services.audit import retention, trail, verification
from bunqflask.services.audit.verification import TrailBroken
from tests.protocol.audit.conftest import Tamper
from tests.support import rows

WRITERS, EACH = 8, 25


def record(count: int = 1, **values: Any) -> None:
    for number in range(count):
        with transaction():
            trail.record(
                AuditKind.EXPORTED, actor_id=None, subject=f"event {number}", account_ids=[number, 99], **values
            )


def record_at(moment: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: moment)
        record()


def broken() -> TrailBroken:
    db.session.rollback()
    with pytest.raises(TrailBroken) as found:
        verification.verify()
    return found.value


def test_eight_writers_at_once_make_one_chain(here: Flask) -> None:
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with here.app_context():
                record(EACH)
                db.session.remove()
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert verification.verify().events == WRITERS * EACH
    assert db.session.scalar(select(func.max(AuditEvent.id))) == WRITERS * EACH


OTHER_VALUES = {
    "at": datetime.fromisoformat("2020-01-01T00:00:00+00:00"),
    "kind": AuditKind.LOGIN,
    "actor_id": 1,
    "actor_text": "somebody else",
    "login_id": 1,
    "address": "203.0.113.1",
    "browser": "another",
    "connection_id": 1,
    "subject_member_id": 1,
    "subject": "another",
    "facts": {"rows": 2},
    "previous_hash": "f" * 64,
    "hash": "f" * 64,
}


@pytest.mark.parametrize("column", [each.name for each in table_of(AuditEvent).columns])
def test_a_change_of_any_column_is_found(here: Flask, tampering: Tamper, column: str) -> None:
    record(3)
    with tampering() as connection:
        table = table_of(AuditEvent)
        value = 7 if column == "id" else OTHER_VALUES[column]
        connection.execute(table.update().where(table.c.id == 2).values({column: value}))
    assert broken().event_id == 2


@pytest.mark.parametrize(
    ("statement", "event_id"),
    [
        ("DELETE FROM audit_event WHERE id = 2", 2),
        ("DELETE FROM audit_account WHERE event_id = 2 AND account_id = 99", 2),
        ("UPDATE audit_account SET account_id = 7 WHERE event_id = 3 AND account_id = 99", 3),
        ("INSERT INTO audit_account (event_id, account_id) VALUES (1, 7)", 1),
        ("INSERT INTO audit_account (event_id, account_id) VALUES (9, 7)", 9),
        ("DELETE FROM audit_event WHERE id = 1", 1),
    ],
)
def test_what_is_taken_out_or_put_in_is_found(here: Flask, tampering: Tamper, statement: str, event_id: int) -> None:
    record(3)
    with tampering() as connection:
        connection.execute(text(statement))
    assert broken().event_id == event_id


def test_a_cut_of_its_own_is_found(here: Flask, tampering: Tamper) -> None:
    record(3)
    with tampering() as connection:
        hashes = dict(connection.execute(select(AuditEvent.id, AuditEvent.hash)).all())
        connection.execute(table_of(AuditCut).insert().values(event_id=2, hash=hashes[2], before=clock.now()))
        connection.execute(text("DELETE FROM audit_account WHERE event_id < 3"))
        connection.execute(text("DELETE FROM audit_event WHERE id < 3"))
    assert broken().event_id == 2


def test_a_missing_end_is_found_by_the_lines_of_the_log(here: Flask, tampering: Tamper, lines: list[str]) -> None:
    record(3)
    log = ["something else", *(f"Nov 28 host bunqflask[1]: {line}" for line in lines)]
    assert verification.verify(log).lines == 3
    with tampering() as connection:
        connection.execute(text("DELETE FROM audit_account WHERE event_id = 3"))
        connection.execute(text("DELETE FROM audit_event WHERE id = 3"))
    assert verification.verify().events == 2
    db.session.rollback()
    with pytest.raises(TrailBroken, match="event 3: missing; the log has it"):
        verification.verify(log)


def test_a_chain_computed_anew_is_found_by_the_lines_of_the_log(
    here: Flask, tampering: Tamper, lines: list[str]
) -> None:
    record(2)
    log = list(lines)
    with tampering() as connection:
        connection.execute(text("DELETE FROM audit_account"))
        connection.execute(text("DELETE FROM audit_event"))
    record(2, rows=1)
    assert verification.verify().events == 2
    db.session.rollback()
    with pytest.raises(TrailBroken, match="event 1: another event"):
        verification.verify(log)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET subject = 'x'",
        "UPDATE audit_event SET id = 9 WHERE id = 3",
        "DELETE FROM audit_event",
        "DELETE FROM audit_event WHERE id = 3",
        "INSERT INTO audit_event SELECT id - 1, at, kind, actor_id, actor_text, login_id, address, browser, "
        "connection_id, subject_member_id, subject, facts, previous_hash, hash FROM audit_event WHERE id = 2",
        "UPDATE audit_account SET account_id = 7",
        "DELETE FROM audit_account",
        "INSERT INTO audit_cut (event_id, hash, before) SELECT 3, hash, at FROM audit_event WHERE id = 3",
        "INSERT INTO audit_cut (event_id, hash, before) VALUES (3, 'x', '2020-01-01')",
    ],
)
def test_triggers_refuse_every_change_by_sql(here: Flask, statement: str) -> None:
    record(3)
    assert refused(statement)
    assert verification.verify().events == 3


@pytest.mark.sqlite_only
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
def test_triggers_refuse_replacing_an_event_by_itself(here: Flask, verb: str) -> None:
    record(3)
    assert refused(f"{verb} INTO audit_event SELECT * FROM audit_event WHERE id = 3")
    assert verification.verify().events == 3


def test_postgresql_refuses_to_truncate_the_trail(here: Flask, database_kind: str) -> None:
    record()
    for table in ("audit_event", "audit_account", "audit_cut"):
        statement = f"TRUNCATE {table}" if database_kind == "postgresql" else f"DELETE FROM {table} WHERE 1 = 1"
        assert refused(statement) or table == "audit_cut"
    assert verification.verify().events == 1


def refused(statement: str) -> bool:
    """Run a statement on a connection of its own, triggers in place."""
    db.session.rollback()
    try:
        with db.engine.begin() as connection:
            connection.execute(text(statement))
    except DBAPIError as error:
        return "audit trail cannot be changed" in str(error)
    return False


def test_old_events_are_deleted_and_the_chain_begins_where_the_cut_says(
    here: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    for days in (500, 401, 399, 0):
        record_at(now - timedelta(days=days), monkeypatch)
    db.session.rollback()
    rows.run_duties(here)
    found = list(db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)))
    assert [each.id for each in found] == [3, 4, 5]
    assert found[-1].kind == AuditKind.TRAIL_CUT
    assert found[-1].facts == {"until": 2, "hash": found[0].previous_hash, "events": 2}
    assert set(db.session.scalars(select(AuditAccount.event_id))) == {3, 4}
    assert verification.verify().events == 3
    db.session.rollback()
    rows.run_duties(here)
    assert verification.verify().events == 3


def test_the_trail_goes_on_after_all_of_it_was_deleted(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    record_at(clock.now() - timedelta(days=500), monkeypatch)
    retention.delete_old()
    record()
    assert [each.id for each in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))] == [2, 3]
    assert verification.verify().events == 2


def test_a_clock_that_was_wrong_deletes_nothing_that_is_young(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event dated wrongly into the past does not take the events before it along."""
    record()
    record_at(clock.now() - timedelta(days=3_000), monkeypatch)
    record()
    retention.delete_old()
    assert verification.verify().events == 3
    # and one dated into the future keeps nothing that is old
    record_at(clock.now() + timedelta(days=3_000), monkeypatch)
    assert verification.verify().events == 4


def test_a_clock_that_is_ahead_deletes_nothing(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    record(2)
    ahead = clock.now() + timedelta(days=500)
    monkeypatch.setattr(clock, "now", lambda: ahead)
    with pytest.raises(DBAPIError, match="cannot be changed"):
        retention.delete_old()
    db.session.rollback()
    assert verification.verify().events == 2


@pytest.mark.settings(AUDIT_DAYS="30")
def test_the_setting_says_how_old(here: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    record_at(clock.now() - timedelta(days=31), monkeypatch)
    record_at(clock.now() - timedelta(days=29), monkeypatch)
    retention.delete_old()
    assert [each.id for each in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))] == [2, 3]
