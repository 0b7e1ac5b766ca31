"""Each verdict of each check, and what a person reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bunqflask import clock
from bunqflask.models import Check, CheckName, ErrorKind, Verdict, Who
from bunqflask.services.doctor import of_bunq, of_server
from bunqflask.services.doctor.of_bunq import (
    CallbackFacts,
    ClockFacts,
    KeysFacts,
    ReturnAddressFacts,
    ServerAddressFacts,
    SessionFacts,
)
from bunqflask.services.doctor.of_server import BackupFacts, QueueFacts, StorageFacts, WorkerFacts

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
GOOD, LOOK, BROKEN, NOT_KNOWN = Verdict.GOOD, Verdict.LOOK, Verdict.BROKEN, Verdict.NOT_KNOWN
OURS = "https://geld.example.org/oauth/callback"
URL = "https://geld.example.org"
GB = 1024**3


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def ahead(**span: float) -> datetime:
    return NOW + timedelta(**span)


def concludes(check: Check, verdict: Verdict, *texts: str) -> None:
    assert check.verdict is verdict, check
    said = " ".join((check.found, *check.steps))
    for text in texts:
        assert text in said, (text, said)
    if verdict in (LOOK, BROKEN):
        assert check.who is not Who.NOBODY
        assert check.steps, "a person needs to know what to do"


def test_the_return_address_is_compared_letter_for_letter() -> None:
    concludes(of_bunq.return_address(ReturnAddressFacts(ours=OURS, known=None)), NOT_KNOWN, "setup")
    concludes(of_bunq.return_address(ReturnAddressFacts(ours=OURS, known=["https://x.example/", OURS])), GOOD, OURS)
    concludes(of_bunq.return_address(ReturnAddressFacts(ours=OURS, known=[])), BROKEN, "no return address")
    other = "https://geld.example.org/oauth/Callback"
    check = of_bunq.return_address(ReturnAddressFacts(ours=OURS, known=["http://geld.example.org/x", other]))
    concludes(check, BROKEN, OURS, other, "from letter 32 on")
    assert check.comparison is not None
    assert check.comparison.bunqs == other, "the one that is nearest"
    assert (OURS[check.comparison.differs_at], other[check.comparison.differs_at]) == ("c", "C")


@pytest.mark.parametrize("theirs", [OURS + "/", OURS[:-1], "x", ""])
def test_a_letter_too_many_or_too_few_differs_too(theirs: str) -> None:
    check = of_bunq.return_address(ReturnAddressFacts(ours=OURS, known=[theirs]))
    assert check.verdict is BROKEN
    assert check.comparison is not None
    at = check.comparison.differs_at
    assert OURS[:at] == theirs[:at]
    assert OURS[at : at + 1] != theirs[at : at + 1]


def address(**facts: Any) -> Check:
    return of_bunq.server_address(ServerAddressFacts(**{"is_set_up": True, "accepted_at": ago(days=1), **facts}))


def test_the_address_of_this_server_is_compared_with_what_bunq_allows() -> None:
    concludes(address(is_set_up=False), NOT_KNOWN)
    concludes(address(accepted_at=None), NOT_KNOWN)
    concludes(address(calls_from="203.0.113.7", allowed=[["203.0.113.7"]]), GOOD, "203.0.113.7")
    concludes(address(calls_from="203.0.113.7", allowed=[["*", "198.51.100.20"]]), GOOD, "every address")
    moved = address(calls_from="203.0.113.7", allowed=[["198.51.100.20"]])
    concludes(moved, BROKEN, "calls from 203.0.113.7; the API key allows 198.51.100.20", "Allow 203.0.113.7")
    assert moved.who is Who.KEY_HOLDER
    refused = address(refused=ErrorKind.SERVER_REFUSED, calls_from="203.0.113.7", allowed=None)
    concludes(refused, BROKEN, "203.0.113.7, and bunq refuses it", "Profile › Security & Settings")
    told = address(refused=ErrorKind.SERVER_REFUSED, allowed=[["198.51.100.20"]])
    concludes(told, BROKEN, "cannot see", "198.51.100.20", "look in your router")


def test_what_bunq_does_not_tell_of_addresses_is_said_so() -> None:
    concludes(address(), GOOD, "does not tell which", "does not say from which address it sees us", "2026-11-27 12:00")
    concludes(address(allowed=[["198.51.100.20"]]), GOOD, "allows 198.51.100.20", "does not say from which")
    two = address(calls_from="203.0.113.7", allowed=[["198.51.100.20"], ["192.0.2.1"]])
    concludes(two, GOOD, "calls from 203.0.113.7")  # one of two keys may be ours: that proves nothing
    concludes(address(calls_from="203.0.113.7", allowed=[["192.0.2.1"], ["203.0.113.7"]]), GOOD, "the API key allows")


@pytest.mark.parametrize(("difference_s", "verdict"), [(0.2, GOOD), (-4.9, GOOD), (5.0, BROKEN), (-60.0, BROKEN)])
def test_the_clock_may_be_five_seconds_off(difference_s: float, verdict: Verdict) -> None:
    check = of_bunq.clock(ClockFacts(is_set_up=True, difference_s=difference_s))
    concludes(check, verdict, f"{abs(difference_s)}")
    if verdict is BROKEN:
        assert ("behind" if difference_s > 0 else "ahead") in check.found


def test_a_clock_that_nothing_was_compared_with_is_not_known() -> None:
    concludes(of_bunq.clock(ClockFacts(is_set_up=True)), NOT_KNOWN)
    concludes(of_bunq.clock(ClockFacts(is_set_up=False)), NOT_KNOWN)


def keys(**facts: Any) -> Check:
    return of_bunq.keys(KeysFacts(**{"missing": [], "made_at": NOW, "secrets": 5, **facts}))


def test_keys_belong_together_and_open() -> None:
    concludes(keys(), GOOD, "2026-11-28", "5 secrets")
    concludes(keys(missing=None), NOT_KNOWN, "setup")
    concludes(keys(missing=["device"]), LOOK, "device")
    concludes(keys(is_session_ours=False), LOOK, "another installation")
    concludes(keys(refused=ErrorKind.INSTALLATION_REFUSED), BROKEN, "--new-installation")
    concludes(keys(refused=ErrorKind.NOT_TRUSTED), BROKEN, "signature")
    concludes(
        keys(unreadable=["consent.access_token"], missing=None), BROKEN, "consent.access_token", "ENCRYPTION_KEYS"
    )
    concludes(keys(refused=ErrorKind.SERVER_REFUSED), GOOD)  # it is the address or the API key


def session(**facts: Any) -> Check:
    return of_bunq.session(SessionFacts(**{"is_set_up": True, **facts}))


def test_a_session_is_open_or_can_be_opened() -> None:
    concludes(session(is_set_up=False), NOT_KNOWN)
    concludes(session(), LOOK)
    concludes(session(expires_at=ahead(days=3)), GOOD, "Open until 2026-12-01 12:00")
    concludes(session(expires_at=ago(days=3)), GOOD, "opened when it is needed")
    refused = session(refused=ErrorKind.SERVER_REFUSED, refused_since=ago(hours=2), expires_at=ahead(hours=6))
    concludes(refused, BROKEN, "2026-11-28 10:00", "the open one ends 2026-11-28 18:00")
    concludes(session(refused=ErrorKind.INSTALLATION_REFUSED), BROKEN)


def callbacks(**facts: Any) -> Check:
    return of_bunq.callbacks(CallbackFacts(**{"public_url": URL, "is_callable": True, **facts}))


def test_callbacks_come_or_our_own_call_comes() -> None:
    concludes(callbacks(received_at=ago(hours=23)), GOOD, "2026-11-27 13:00")
    concludes(callbacks(received_at=ago(hours=25), ping=""), GOOD, "was answered", "2026-11-27 11:00")
    concludes(callbacks(ping=""), GOOD, "None came yet")
    concludes(callbacks(ping="it answers 502"), BROKEN, "it answers 502", f"{URL}/healthz", "every hour meanwhile")
    concludes(callbacks(ping=None), NOT_KNOWN)
    concludes(callbacks(is_callable=False), LOOK, "https")
    concludes(callbacks(received_at=ahead(days=3), ping="it answers 502"), BROKEN)  # a wrong clock has stored it


def test_a_worker_was_seen_lately() -> None:
    concludes(of_server.worker(WorkerFacts(seen_at=ago(seconds=119), is_needed=True)), GOOD)
    gone = of_server.worker(WorkerFacts(seen_at=ago(seconds=121), is_needed=True))
    concludes(gone, BROKEN, "systemctl start bunqflask-worker", "2026-11-28 11:57")
    concludes(of_server.worker(WorkerFacts(seen_at=None, is_needed=True)), BROKEN)
    concludes(of_server.worker(WorkerFacts(seen_at=None, is_needed=False)), GOOD)


def queue(**facts: Any) -> Check:
    return of_server.queue(QueueFacts(**{"waiting": 0, "oldest": None, "left": (3, 3), **facts}))


def test_nothing_waits_for_long() -> None:
    concludes(queue(), GOOD, "3 of 3", "nothing waits")
    concludes(queue(waiting=2, oldest=("sync_requested", ago(minutes=9))), GOOD, "2 events wait")
    concludes(
        queue(waiting=2, oldest=("sync_requested", ago(minutes=10, seconds=1))), BROKEN, "sync_requested", "11:49"
    )
    concludes(queue(is_shared=True), LOOK, "another program")
    concludes(queue(blocked=["GET user/#"]), GOOD, "GET user/#")


def test_there_is_room_and_the_database_is_at_head() -> None:
    concludes(of_server.storage(StorageFacts()), GOOD)
    concludes(of_server.storage(StorageFacts(free=38 * GB, size=64 * GB)), GOOD, "38.0 GB free of 64 GB")
    concludes(of_server.storage(StorageFacts(free=GB - 1, size=64 * GB)), LOOK, "df -h")
    concludes(of_server.storage(StorageFacts(free=100 * 1024**2, size=64 * GB)), BROKEN)
    concludes(of_server.storage(StorageFacts(is_at_head=False)), BROKEN, "db upgrade")
    broken = of_server.storage(StorageFacts(fault="Nothing can be stored.", details="/home/robin/x belongs to root"))
    concludes(broken, BROKEN)
    assert "robin" not in broken.found, "the report for support has no names of users and files"


def backup(**facts: Any) -> Check:
    return of_server.backup(BackupFacts(**{"is_needed": True, **facts}))


def test_a_backup_is_young_and_its_restore_was_tried() -> None:
    concludes(backup(is_needed=False), GOOD)
    concludes(backup(), LOOK, "another program")
    made = {"made_at": ago(hours=9), "size_bytes": 84 * 1024**2}
    concludes(backup(**made, tested_at=ago(days=30)), GOOD, "84.0 MB", "2026-10-29")
    concludes(backup(**made), LOOK, "no restore was tested", "restore --check")
    concludes(backup(**made, tested_at=ago(days=100)), LOOK, "restore --check")
    old = backup(made_at=ago(hours=26, minutes=1), tested_at=ago(days=1))
    concludes(old, BROKEN, "list-timers")
    assert old.reason == of_server.TOO_OLD
    failed = backup(made_at=ago(hours=9), failed_at=ago(hours=8))
    concludes(failed, BROKEN, "failed 2026-11-28 04:00")
    assert failed.reason == of_server.FAILED
    concludes(backup(made_at=ago(hours=7), failed_at=ago(hours=8), tested_at=ago(days=1)), GOOD)
    concludes(backup(failed_at=ago(hours=8)), BROKEN)


def test_each_check_is_named() -> None:
    assert {each.value for each in CheckName} == {
        "return_address", "server_address", "clock", "keys", "session",
        "callbacks", "worker", "queue", "storage", "backup",
    }  # fmt: skip
