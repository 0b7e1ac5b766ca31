"""The state machine of connections alone: each row that decides, at the edge of each time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bunqflask.models import (
    Condition,
    ConnectionState,
    ConsentGrantState,
    ErrorKind,
    MonetaryAccount,
    StopReason,
)
from bunqflask.services.connections.condition import LATE_AFTER, STOPPED_AFTER, Rows, assess
from bunqflask.services.connections.rows import ChangeRow, ConsentRow, SyncRow
from bunqflask.services.connections.standing import Actor, Recovery, Standing

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GIVEN = NOW - timedelta(days=10)
MINUTE, AN_HOUR = timedelta(minutes=1), timedelta(hours=1)
FACTS = {"status": 400, "message": "no"}


def consent(number: int = 1, accounts: tuple[int, ...] = (1, 2), **columns: Any) -> ConsentRow:
    usual = {"member_id": 1, "granted_at": GIVEN, "state": ConsentGrantState.ACTIVE, "state_since": GIVEN}
    known = {"id": number, "account_ids": frozenset(accounts), **usual, **columns}
    return ConsentRow(**dict.fromkeys(ConsentRow._fields) | known)  # type: ignore[arg-type]  # empty columns are None


def synced(number: int, **columns: Any) -> SyncRow:
    return SyncRow(number, **{"synced_at": NOW - 5 * MINUTE} | columns)


def rows(*consents: ConsentRow, **more: Any) -> Rows:
    usual: dict[str, Any] = {
        "state": ConnectionState.ACTIVE,
        "state_since": GIVEN,
        "listed_at": NOW - 5 * MINUTE,
        "consents": consents or (consent(),),
        "accounts": [MonetaryAccount(id=1), MonetaryAccount(id=2)],
        "syncs": {1: synced(1), 2: synced(2)},
        "remind_after_days": 80,
        "before": None,
        "worker_seen_at": NOW,
        "now": NOW,
        "zone": ZoneInfo("Europe/Amsterdam"),
    }
    return Rows(**usual | more)


def before(reason: StopReason, **columns: Any) -> ChangeRow:
    usual: dict[str, Any] = {"since": NOW - AN_HOUR, "noted_at": NOW - AN_HOUR, "account_ids": (), "facts": None}
    return ChangeRow(1, 1, Condition.STOPPED, reason, **usual | columns)


def is_stopped(standing: Standing, reason: StopReason) -> bool:
    return (standing.condition, standing.reason) == (Condition.STOPPED, reason)


def test_one_without_an_error_works() -> None:
    found = assess(rows())
    assert (found.condition, found.reason, found.who, found.is_current) == (
        Condition.WORKING,
        None,
        Actor.NOBODY,
        True,
    )
    assert (found.given_at, found.reminder_day) == (GIVEN, date(2027, 2, 6))
    assert found.complete_at == NOW - 5 * MINUTE


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ErrorKind.SERVER_REFUSED, StopReason.ADDRESS),
        (ErrorKind.INSTALLATION_REFUSED, StopReason.INSTALLATION),
        (ErrorKind.NOT_SET_UP, StopReason.INSTALLATION),
        (ErrorKind.REFUSED_ONCE, StopReason.REFUSED),
    ],
)
def test_a_verdict_of_bunq_stops_at_once(kind: ErrorKind, reason: StopReason) -> None:
    found = assess(rows(consent(error_kind=kind, error_since=NOW, error_facts=FACTS)))
    assert is_stopped(found, reason)
    assert (found.since, found.facts, found.account_ids) == (NOW, FACTS, (1, 2))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ErrorKind.UNAVAILABLE, StopReason.BUNQ_AWAY),
        (ErrorKind.NO_ANSWER, StopReason.BUNQ_AWAY),
        (ErrorKind.CHECKING, StopReason.BUNQ_AWAY),
        (ErrorKind.NOT_TRUSTED, StopReason.ANSWERS),
        (ErrorKind.NOT_UNDERSTOOD, StopReason.ANSWERS),
        (ErrorKind.REFUSED, StopReason.ACCOUNTS),
    ],
)
def test_what_may_pass_stops_after_an_hour(kind: ErrorKind, reason: StopReason) -> None:
    early = assess(rows(consent(error_kind=kind, error_since=NOW - STOPPED_AFTER + MINUTE)))
    assert (early.condition, early.is_current) == (Condition.WORKING, False)
    assert is_stopped(assess(rows(consent(error_kind=kind, error_since=NOW - STOPPED_AFTER))), reason)


def test_waiting_for_the_rate_limit_is_no_error() -> None:
    assert assess(rows(consent(error_kind=ErrorKind.WAITING, error_since=GIVEN))).is_current


@pytest.mark.parametrize("kind", [ErrorKind.CHECKING, ErrorKind.UNAVAILABLE, ErrorKind.NO_ANSWER])
def test_a_refused_permission_stays_refused_while_it_is_asked_with_again(kind: ErrorKind) -> None:
    refused = consent(error_kind=kind, error_since=NOW, refused_at=NOW, refused_since=NOW - 30 * MINUTE)
    found = assess(rows(refused))
    assert is_stopped(found, StopReason.REFUSED)
    assert (found.since, found.is_asked_again) == (NOW - 30 * MINUTE, True)


def test_a_lost_one_is_stopped_and_one_ended_here_is_disconnected() -> None:
    lost = consent(state=ConsentGrantState.LOST, state_since=NOW - AN_HOUR, error_facts=FACTS)
    found = assess(rows(lost, state=ConnectionState.LOST, state_since=NOW - AN_HOUR))
    assert is_stopped(found, StopReason.REFUSED)
    assert (found.facts, found.is_asked_again, found.who) == (FACTS, False, Actor.HOLDER)
    ended = consent(state=ConsentGrantState.ENDED, state_since=NOW - AN_HOUR)
    over = assess(rows(ended, state=ConnectionState.DISCONNECTED, state_since=NOW - AN_HOUR))
    assert (over.condition, over.since, over.reminder_day) == (Condition.DISCONNECTED, NOW - AN_HOUR, None)


def test_a_lost_one_without_accounts_is_stopped_too() -> None:
    lost = consent(accounts=(), state=ConsentGrantState.LOST, state_since=NOW, error_facts=FACTS)
    found = assess(rows(lost, state=ConnectionState.LOST, state_since=NOW, accounts=[], syncs={}))
    assert is_stopped(found, StopReason.REFUSED)
    assert found.facts == FACTS


def test_an_account_is_updated_if_one_of_its_permissions_works() -> None:
    refused = consent(2, member_id=2, error_kind=ErrorKind.REFUSED_ONCE, refused_since=NOW, refused_at=NOW)
    assert assess(rows(consent(1), refused)).condition == Condition.WORKING
    found = assess(rows(consent(1, accounts=(1,)), refused))
    assert is_stopped(found, StopReason.REFUSED)
    assert found.account_ids == (2,)


def test_an_account_that_its_member_left_out_of_a_renewal_is_not_stopped() -> None:
    lost = consent(1, state=ConsentGrantState.LOST, state_since=NOW - AN_HOUR)
    renewed = consent(2, accounts=(1,), granted_at=NOW - MINUTE)
    accounts = [MonetaryAccount(id=1), MonetaryAccount(id=2, uncovered_since=NOW - AN_HOUR)]
    assert assess(rows(lost, renewed, accounts=accounts)).condition == Condition.WORKING
    of_another = consent(2, member_id=2, accounts=(1,), granted_at=NOW - MINUTE)
    assert assess(rows(lost, of_another, accounts=accounts)).account_ids == (2,)


def test_an_error_of_one_account_that_goes_on_is_not_hidden() -> None:
    failing = {1: synced(1), 2: synced(2, error_kind=ErrorKind.NOT_UNDERSTOOD, error_since=NOW - STOPPED_AFTER)}
    found = assess(rows(syncs=failing))
    assert is_stopped(found, StopReason.ANSWERS)
    assert found.account_ids == (2,)
    not_listed = {1: synced(1), 2: SyncRow(2, None, error_kind=ErrorKind.NOT_LISTED, error_since=GIVEN)}
    assert assess(rows(syncs=not_listed)).is_current


def test_an_update_that_did_not_come_for_more_than_a_day_is_late() -> None:
    early = {1: synced(1), 2: synced(2, synced_at=NOW - LATE_AFTER + MINUTE)}
    assert assess(rows(syncs=early)).is_current
    late = {1: synced(1), 2: synced(2, synced_at=NOW - LATE_AFTER)}
    assert is_stopped(assess(rows(syncs=late)), StopReason.LATE)
    assert is_stopped(assess(rows(syncs={1: synced(1)})), StopReason.LATE), "it was never imported"
    importing = {1: synced(1), 2: SyncRow(2, None, lease_until=NOW + MINUTE)}
    assert assess(rows(syncs=importing)).condition == Condition.WORKING


def test_without_a_worker_it_is_stopped_after_two_minutes() -> None:
    assert assess(rows(worker_seen_at=NOW - 2 * MINUTE)).condition == Condition.WORKING
    gone = NOW - 3 * MINUTE
    found = assess(rows(worker_seen_at=gone))
    assert is_stopped(found, StopReason.NO_WORKER)
    assert (found.since, found.who) == (gone, Actor.OPERATOR)
    assert is_stopped(assess(rows(worker_seen_at=None)), StopReason.NO_WORKER), "none has ever run"


@pytest.mark.parametrize(
    ("days", "condition"),
    [(10, Condition.RENEW_SOON), (24, Condition.RENEW_SOON), (25, Condition.WORKING), (5, Condition.RENEW_SOON)],
)
def test_it_is_to_be_renewed_soon_from_14_days_before_the_reminder(days: int, condition: Condition) -> None:
    assert assess(rows(remind_after_days=days)).condition == condition


def test_without_a_reminder_nothing_is_to_be_renewed() -> None:
    found = assess(rows(consent(granted_at=NOW - timedelta(days=900)), remind_after_days=None))
    assert (found.condition, found.reminder_day) == (Condition.WORKING, None)


def test_the_reminder_is_about_the_oldest_permission_in_use() -> None:
    renewed = consent(2, accounts=(1,), granted_at=NOW - MINUTE)
    assert assess(rows(consent(1), renewed)).given_at == GIVEN, "account 2 is still read with the first"
    assert assess(rows(consent(1), consent(2, granted_at=NOW - MINUTE))).given_at == NOW - MINUTE


def test_it_works_again_only_after_a_complete_update() -> None:
    stop = before(StopReason.BUNQ_AWAY)
    waiting = assess(rows(before=stop, listed_at=stop.noted_at))
    assert is_stopped(waiting, StopReason.BUNQ_AWAY)
    assert (waiting.since, waiting.is_current) == (stop.since, False)
    for sync in (
        SyncRow(2, None),
        synced(2, requested_at=NOW),
        synced(2, error_kind=ErrorKind.UNAVAILABLE, error_since=NOW),
    ):
        assert assess(rows(before=stop, syncs={1: synced(1), 2: sync})).condition == Condition.STOPPED
    assert assess(rows(consent(error_kind=ErrorKind.CHECKING, error_since=NOW), before=stop)).reason == stop.reason
    assert assess(rows(before=stop)).condition == Condition.WORKING


@pytest.mark.parametrize(
    ("kind", "old", "shown"),
    [
        (ErrorKind.UNAVAILABLE, StopReason.REFUSED, StopReason.REFUSED),
        (ErrorKind.UNAVAILABLE, StopReason.ADDRESS, StopReason.ADDRESS),
        (ErrorKind.NOT_TRUSTED, StopReason.BUNQ_AWAY, StopReason.BUNQ_AWAY),
        (ErrorKind.SERVER_REFUSED, StopReason.REFUSED, StopReason.ADDRESS),
        (ErrorKind.REFUSED_ONCE, StopReason.ADDRESS, StopReason.REFUSED),
        (ErrorKind.SERVER_REFUSED, StopReason.BUNQ_AWAY, StopReason.ADDRESS),
        (ErrorKind.UNAVAILABLE, StopReason.NO_WORKER, StopReason.BUNQ_AWAY),
    ],
)
def test_only_another_verdict_takes_the_place_of_a_verdict(kind: ErrorKind, old: StopReason, shown: StopReason) -> None:
    found = assess(rows(consent(error_kind=kind, error_since=NOW - 2 * AN_HOUR), before=before(old)))
    assert is_stopped(found, shown)
    assert found.since <= before(old).since


def test_after_a_renewal_it_waits_for_the_first_update_and_asks_nobody_for_anything() -> None:
    stop = before(StopReason.REFUSED)
    lost = consent(1, state=ConsentGrantState.LOST, state_since=stop.since)
    renewed = consent(2, granted_at=NOW - MINUTE)
    found = assess(rows(lost, renewed, before=stop, listed_at=stop.noted_at))
    assert is_stopped(found, StopReason.REFUSED)
    assert (found.recovery, found.who, found.needs_somebody) == (Recovery.APPROVED, Actor.NOBODY, False)
    away = consent(2, granted_at=NOW - MINUTE, error_kind=ErrorKind.UNAVAILABLE, error_since=NOW - MINUTE)
    assert assess(rows(lost, away, before=stop, listed_at=stop.noted_at)).recovery == Recovery.APPROVED
    assert assess(rows(lost, before=stop, listed_at=stop.noted_at)).recovery is None
    assert assess(rows(lost, renewed, before=stop)).condition == Condition.WORKING


def test_bunq_that_is_away_for_an_hour_after_a_renewal_is_the_reason_then() -> None:
    away = consent(granted_at=NOW - 90 * MINUTE, error_kind=ErrorKind.UNAVAILABLE, error_since=NOW - 61 * MINUTE)
    stop = before(StopReason.REFUSED, since=NOW - 3 * AN_HOUR, noted_at=NOW - 3 * AN_HOUR)
    found = assess(rows(away, before=stop))
    assert is_stopped(found, StopReason.BUNQ_AWAY)
    assert (found.recovery, found.since) == (None, stop.since)


def test_where_nothing_stands_in_the_way_any_more_the_next_update_is_waited_for() -> None:
    stop = before(StopReason.ADDRESS)
    found = assess(rows(before=stop, listed_at=stop.noted_at))
    assert (found.recovery, found.needs_somebody) == (Recovery.CAUSE_GONE, False)
    failing = consent(error_kind=ErrorKind.UNAVAILABLE, error_since=NOW)
    assert assess(rows(failing, before=stop, listed_at=stop.noted_at)).recovery is None


def test_a_stop_of_accounts_that_are_not_seen_does_not_matter() -> None:
    stop = before(StopReason.REFUSED, account_ids=(7,))
    assert assess(rows(before=stop, listed_at=NOW - 5 * AN_HOUR)).condition == Condition.WORKING


def test_an_error_of_an_account_from_before_a_renewal_says_nothing_of_the_new_permission() -> None:
    failed = synced(2, error_kind=ErrorKind.UNAVAILABLE, error_since=NOW - 5 * AN_HOUR)
    renewed = consent(granted_at=NOW - MINUTE)
    found = assess(rows(renewed, syncs={1: synced(1), 2: failed}, before=before(StopReason.REFUSED)))
    assert is_stopped(found, StopReason.REFUSED)
    assert found.recovery == Recovery.APPROVED
