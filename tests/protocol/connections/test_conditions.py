"""The condition of a connection: every state against the stand-in, each change stored and told once."""

import threading
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import Condition, ConditionChange, Connection, EventKind, MonetaryAccount, StopReason
from bunqflask.services import workers
from bunqflask.services.connections import days, reminders, timeline
from bunqflask.services.connections.standing import Actor
from bunqflask.services.consent.disconnect import disconnect
from tests.support import consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.beginnings import Begin
from tests.support.conditions import Time, seen, stored, told, up_to_date

WORKING = (Condition.WORKING, None)


@pytest.fixture
def time(site: ThreadSite, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Robin has connected bunq, and all is up to date."""
    begin(up_to_date)
    moved = Time(site.app, monkeypatch)
    assert seen(site.app).condition == Condition.WORKING
    assert seen(site.app).is_current
    assert stored(site.app) == [WORKING]
    return moved


def stopped(reason: StopReason) -> tuple[Condition, StopReason]:
    return Condition.STOPPED, reason


def kinds(site: ThreadSite) -> list[EventKind]:
    return [kind for kind, _facts in told(site.app)]


def test_a_withdrawn_permission_stops_at_the_first_refusal_and_a_new_one_ends_that(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    bank.revoke(JODI)
    assert seen(site.app).condition == Condition.WORKING, "nobody has asked bunq yet"
    before = clock.now()
    time.work(timedelta(minutes=61))
    found = seen(site.app)
    assert (found.condition, found.reason, found.who) == (*stopped(StopReason.REFUSED), Actor.HOLDER)
    assert found.since > before
    assert found.is_asked_again
    assert found.facts is not None
    assert found.facts["status"] == 400
    [(kind, facts)] = told(site.app)
    assert kind == EventKind.CONNECTION_STOPPED
    assert (facts["connection_id"], facts["reason"]) == (1, "refused")
    assert facts["since"] == found.since.isoformat()
    for _ in range(10):
        time.work(timedelta(minutes=16))
    lost = seen(site.app)
    assert (lost.condition, lost.reason, lost.since) == (*stopped(StopReason.REFUSED), found.since)
    assert not lost.is_asked_again
    assert kinds(site) == [EventKind.CONNECTION_STOPPED]

    consents.connect(sign_in(site, consents.ROBIN), bank)
    time.work(timedelta(seconds=5))
    assert seen(site.app).condition == Condition.WORKING
    assert kinds(site) == [EventKind.CONNECTION_STOPPED, EventKind.CONNECTION_RECOVERED]
    assert stored(site.app) == [WORKING, stopped(StopReason.REFUSED), WORKING]
    assert told(site.app)[1][1]["stopped_since"] == found.since.isoformat()


def test_a_refused_address_stops_at_once_and_the_old_permission_goes_on_when_it_is_allowed(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    bank.switch(permitted_ips_enforced=True, caller_address="203.0.113.7")
    rows.end_sessions(site.app)
    time.work(timedelta(minutes=61))
    found = seen(site.app)
    assert (found.condition, found.reason, found.who) == (*stopped(StopReason.ADDRESS), Actor.OPERATOR)
    time.work(timedelta(minutes=6))
    assert kinds(site) == [EventKind.CONNECTION_STOPPED]
    bank.switch(permitted_ips_enforced=False, caller_address="")
    time.work(timedelta(minutes=6))
    assert seen(site.app).condition == Condition.WORKING
    assert kinds(site) == [EventKind.CONNECTION_STOPPED, EventKind.CONNECTION_RECOVERED]


def test_an_outage_of_bunq_stops_after_an_hour_and_is_told_once(site: ThreadSite, bank: Bank, time: Time) -> None:
    bank.switch(maintenance=True)
    time.work(timedelta(minutes=61))
    began = clock.now()
    for _ in range(11):
        assert seen(site.app).condition == Condition.WORKING
        assert not seen(site.app).is_current
        time.work(timedelta(minutes=5))
    assert told(site.app) == []
    time.work(timedelta(minutes=6))
    found = seen(site.app)
    assert (found.condition, found.reason, found.who) == (*stopped(StopReason.BUNQ_AWAY), Actor.NOBODY)
    assert abs(found.since - began) < timedelta(minutes=1)
    time.work(timedelta(minutes=5))
    assert kinds(site) == [EventKind.CONNECTION_STOPPED]
    bank.switch(maintenance=False)
    time.work(timedelta(minutes=5))
    assert seen(site.app).condition == Condition.WORKING
    assert kinds(site) == [EventKind.CONNECTION_STOPPED, EventKind.CONNECTION_RECOVERED]
    time.work(timedelta(minutes=5))
    assert len(told(site.app)) == 2


def test_a_short_outage_is_told_to_nobody(site: ThreadSite, bank: Bank, time: Time) -> None:
    bank.switch(maintenance=True)
    time.work(timedelta(minutes=61))
    time.work(timedelta(minutes=20))
    bank.switch(maintenance=False)
    time.work(timedelta(minutes=6))
    assert seen(site.app).is_current
    assert (told(site.app), stored(site.app)) == ([], [WORKING])


def test_payments_of_one_account_that_fail_for_an_hour_stop_it(site: ThreadSite, bank: Bank, time: Time) -> None:
    account = rows.first_account(site.app)
    bank.fault(call=f"GET /v1/user/*/monetary-account/{account}/payment", fault="500", times=None)
    time.work(timedelta(minutes=61))
    assert seen(site.app).condition == Condition.WORKING
    for _ in range(13):
        time.work(timedelta(minutes=5))
    found = seen(site.app)
    with rows.behind(site.app):
        own = {each.monetary_account_id: each for each in rows.monetary_accounts()}
        assert found.account_ids == (own[account].id,)
        assert {each for each, row in own.items() if row.stopped_since is not None} == {account}
    assert (found.condition, found.reason) == stopped(StopReason.BUNQ_AWAY)
    bank.no_faults()
    time.work(timedelta(minutes=6))
    assert kinds(site) == [EventKind.CONNECTION_STOPPED, EventKind.CONNECTION_RECOVERED]
    with rows.behind(site.app):
        assert all(each.stopped_since is None for each in rows.monetary_accounts())


def test_a_worker_that_is_gone_is_seen_at_once_and_told_after_its_start(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    with rows.behind(site.app):
        gone_at = workers.last_seen_at()
    time.skip(timedelta(minutes=1))
    assert seen(site.app).condition == Condition.WORKING
    time.skip(timedelta(minutes=2))
    found = seen(site.app)
    assert (found.condition, found.reason, found.since) == (*stopped(StopReason.NO_WORKER), gone_at)
    time.skip(timedelta(hours=9))
    for _ in range(2):  # two workers start
        with rows.behind(site.app):
            timeline.note_absence()
    assert kinds(site) == [EventKind.CONNECTION_STOPPED]
    time.work()
    assert seen(site.app).condition == Condition.WORKING
    [(_, stop), (kind, recovery)] = told(site.app)
    assert (kind, stop["reason"]) == (EventKind.CONNECTION_RECOVERED, "no_worker")
    assert gone_at is not None
    assert recovery["stopped_since"] == stop["since"] == gone_at.isoformat()


def test_a_restart_within_the_hour_is_told_to_nobody(site: ThreadSite, bank: Bank, time: Time) -> None:
    time.skip(timedelta(minutes=30))
    with rows.behind(site.app):
        timeline.note_absence()
    time.work()
    assert told(site.app) == []


def test_a_disconnected_one_is_neither_stopped_nor_recovered(site: ThreadSite, bank: Bank, time: Time) -> None:
    bank.revoke(JODI)
    time.work(timedelta(minutes=61))
    with rows.behind(site.app):
        disconnect(rows.owner(), 1, erase=False)
    time.work(timedelta(minutes=5))
    assert seen(site.app).condition == Condition.DISCONNECTED
    assert kinds(site) == [EventKind.CONNECTION_STOPPED]
    with rows.behind(site.app):
        assert db.session.scalars(db.select(MonetaryAccount.stopped_since)).all() == [None] * 4


def test_two_workers_note_each_change_once(site: ThreadSite, bank: Bank, time: Time) -> None:
    bank.revoke(JODI)
    with rows.behind(site.app):
        db.session.execute(db.update(Connection).values(sync_requested_at=clock.now()))
        db.session.commit()
    time.work(timedelta(minutes=61))
    with rows.behind(site.app):
        # As if it had not been noted yet.
        last = db.session.scalars(db.select(ConditionChange).order_by(ConditionChange.id.desc())).first()
        db.session.delete(last)
        db.session.commit()
    failed: list[BaseException] = []

    def note() -> None:
        try:
            with rows.behind(site.app):
                timeline.note_changes()
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    workers_at_once = [threading.Thread(target=note) for _ in range(4)]
    for each in workers_at_once:
        each.start()
    for each in workers_at_once:
        each.join()
    assert failed == []
    assert stored(site.app) == [WORKING, stopped(StopReason.REFUSED)]
    assert len(told(site.app)) == 2, "the one that was forgotten, and one of four workers"


def test_killed_before_its_commit_a_change_is_stored_by_the_next_round(
    site: ThreadSite, bank: Bank, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_rows: object) -> None:
        raise Killed

    bank.revoke(JODI)
    with monkeypatch.context() as patched:
        patched.setattr(timeline, "_mark_accounts", kill)
        with pytest.raises(Killed):
            time.work(timedelta(minutes=61))
    assert (told(site.app), stored(site.app)) == ([], [WORKING]), "neither without the other"
    time.work(timedelta(seconds=15))
    assert (kinds(site), len(stored(site.app))) == ([EventKind.CONNECTION_STOPPED], 2)


def test_reminders_come_once_each_and_move_with_a_renewal(site: ThreadSite, bank: Bank, time: Time) -> None:
    with rows.behind(site.app):
        reminders.set_days(rows.owner(), 1, 30)
    day = seen(site.app).reminder_day
    assert day is not None
    left: list[object] = []
    for _ in range(34):
        time.work(timedelta(days=1))
        left = [facts["days_left"] for kind, facts in told(site.app) if kind == EventKind.RENEWAL_DUE]
        named = {facts["day"] for kind, facts in told(site.app) if kind == EventKind.RENEWAL_DUE}
        assert named <= {day.isoformat()}
    assert left == [14, 7, 1, 0]
    found = seen(site.app)
    assert (found.condition, found.who) == (Condition.RENEW_SOON, Actor.HOLDER)
    consents.connect(sign_in(site, consents.ROBIN), bank)
    time.work(timedelta(seconds=5))
    assert seen(site.app).condition == Condition.WORKING
    assert stored(site.app) == [WORKING, (Condition.RENEW_SOON, None), WORKING]
    with rows.behind(site.app):
        reminders.set_days(rows.owner(), 1, None)
    assert seen(site.app).reminder_day is None


def test_a_reminder_that_a_stopped_worker_missed_is_given_once_with_what_is_left(
    site: ThreadSite, bank: Bank, time: Time
) -> None:
    with rows.behind(site.app):
        reminders.set_days(rows.owner(), 1, 30)
    time.work(timedelta(days=25))
    time.work(timedelta(hours=1))
    due = [facts["days_left"] for kind, facts in told(site.app) if kind == EventKind.RENEWAL_DUE]
    assert due == [5]


@pytest.mark.parametrize(("sunday", "hours"), [(date(2027, 3, 28), 23), (date(2027, 10, 31), 25)])
def test_a_day_without_updates_is_as_long_as_that_day_is(
    site: ThreadSite, bank: Bank, time: Time, sunday: date, hours: int
) -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    before, after = (
        datetime(sunday.year, sunday.month, sunday.day, 12, tzinfo=zone) + timedelta(days=each) for each in (-1, 1)
    )
    time.jump(before)
    time.work()
    time.jump(after)
    with rows.behind(site.app):
        stored_until = db.session.scalar(db.select(Connection.current_until))
        live = days.strip(1, stored_until, clock.now(), zone)
    time.work()
    with rows.behind(site.app):
        [connection] = db.session.scalars(db.select(Connection)).unique()
        found = days.strip(1, connection.current_until, clock.now(), zone)
    for shown in (live, found):
        assert [each.day for each in shown][-3:] == [sunday - timedelta(days=1), sunday, sunday + timedelta(days=1)]
        gaps = [each.longest_gap for each in shown][-3:]
        assert gaps[1] == timedelta(hours=hours)
        for gap in (gaps[0], gaps[2]):
            assert gap is not None
            assert timedelta(0) <= gap - timedelta(hours=12) + timedelta(minutes=2) < timedelta(minutes=4)


@pytest.mark.parametrize("number", [0, -1, 731])
def test_a_reminder_needs_a_number_of_days(site: ThreadSite, bank: Bank, time: Time, number: int) -> None:
    with rows.behind(site.app), pytest.raises(reminders.ReminderRefused):
        reminders.set_days(rows.owner(), 1, number)
