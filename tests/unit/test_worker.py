"""When duties run: at once after their events, isolated from each other, again after a failure; nothing piles up."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from bunqflask import worker
from bunqflask.database.outbox import EventKind
from bunqflask.worker import DUTIES, Duty, Target, _Runner

ASKED = EventKind.SYNC_REQUESTED


def runner(run: Callable[[Target], object], **more: Any) -> _Runner:
    return _Runner(Flask("test"), Duty(name="test", run=run, every=timedelta(hours=1), on=frozenset({ASKED}), **more))


def until_idle(each: _Runner, unhandled: dict[int, EventKind] | None = None) -> set[int]:
    "Check again and again, as a worker does, until nothing runs; returns the events handled by then."
    handled: set[int] = set()
    deadline = time.monotonic() + 10
    while True:
        handled |= each.tick({number: kind for number, kind in (unhandled or {}).items() if number not in handled})
        if not each._running and not each._rounds:
            return handled
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_duty_runs_when_the_worker_starts_then_at_its_interval() -> None:
    runs: list[Target] = []
    duty = runner(runs.append)
    until_idle(duty)
    until_idle(duty)
    assert runs == [None]
    duty._next_s = time.monotonic()
    until_idle(duty)
    assert runs == [None, None]


def test_an_event_starts_a_duty_at_once_and_is_handled_when_its_work_has_ended() -> None:
    may_end = threading.Event()
    runs: list[int] = []

    def run(_target: Target) -> None:
        runs.append(1)
        assert may_end.wait(10)

    duty = runner(run)
    may_end.set()
    until_idle(duty)
    may_end.clear()
    assert duty.tick({7: ASKED, 8: EventKind.DATA_ERASED}) == set()
    assert duty.tick({7: ASKED}) == set(), "not before its work has ended"
    may_end.set()
    assert until_idle(duty, {7: ASKED}) == {7}
    assert len(runs) == 2


def test_a_duty_that_marks_its_events_itself_gets_them_again_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_FIRST_RETRY_S", 0.05)
    unhandled, tries = {7: ASKED}, list[int]()

    def run(_target: Target) -> None:
        tries.append(len(unhandled))
        if len(tries) < 3:
            raise ValueError("broken")
        unhandled.clear()

    duty = runner(run, marks_handled=True)
    deadline = time.monotonic() + 10
    while unhandled:
        assert duty.tick(unhandled) == set(), "only its own transaction says that an event is handled"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert tries == [1, 1, 1]


def test_a_target_runs_once_at_a_time_and_others_start_beside_it() -> None:
    may_end, runs, due = threading.Event(), [], [1]

    def run(target: Target) -> None:
        runs.append(target)
        assert may_end.wait(10)

    def targets() -> Sequence[Target]:
        return tuple(due)

    duty = runner(run, targets=targets, threads=2)
    duty.tick({})
    due.append(2)
    duty.tick({7: ASKED})
    may_end.set()
    assert until_idle(duty, {7: ASKED}) == {7}
    assert sorted(runs, key=str) == [1, 2]


def test_a_target_that_fails_stops_no_other_and_waits_longer_each_time(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[Target] = []

    def run(target: Target) -> None:
        runs.append(target)
        if target == 1:
            raise ValueError("broken")

    duty = runner(run, targets=lambda: (1, 2))
    until_idle(duty)
    assert sorted(runs, key=str) == [1, 2]
    for number in range(1, 8):
        until_idle(duty, {number: ASKED})
    assert runs.count(1) == 1, "an event does not hurry what fails"
    assert runs.count(2) == 8
    waits = []
    for _ in range(8):
        waits.append(round(duty._retries[1].at_s - time.monotonic(), -1))
        duty._retries[1].at_s = time.monotonic()
        until_idle(duty)
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(worker._FIRST_RETRY_S, abs=5)
    assert waits[-1] == pytest.approx(worker._LAST_RETRY_S, abs=5)
    assert caplog.text.count("Traceback") == 1, "the stack is logged once"
    assert len(duty._retries) == 1


def test_a_target_that_is_not_due_any_more_is_forgotten() -> None:
    due = [1]

    def run(_target: Target) -> None:
        raise ValueError("broken")

    duty = runner(run, targets=lambda: tuple(due))
    until_idle(duty)
    assert duty._retries
    due.clear()
    until_idle(duty, {7: ASKED})
    assert not duty._retries


def test_targets_that_cannot_be_found_are_looked_for_again_and_their_events_wait() -> None:
    is_broken = [True]
    runs: list[Target] = []

    def targets() -> Sequence[Target]:
        if is_broken:
            raise ValueError("broken")
        return (1,)

    duty = runner(runs.append, targets=targets)
    assert until_idle(duty, {7: ASKED}) == set()
    is_broken.clear()
    assert until_idle(duty, {7: ASKED}) == set()
    assert runs == []
    duty._retries[None].at_s = time.monotonic()
    assert until_idle(duty, {7: ASKED}) == {7}
    assert runs == [1]


def test_each_kind_of_event_starts_one_duty_at_most() -> None:
    # An event is handled when the duty that it started has ended.
    kinds = [kind for duty in DUTIES for kind in duty.on]
    assert len(kinds) == len(set(kinds))


def test_what_people_wait_for_is_looked_for_often() -> None:
    every = {duty.name: duty.every for duty in DUTIES}
    assert every["finish consents"] <= timedelta(seconds=2)
    assert every["sync"] <= timedelta(seconds=10)
