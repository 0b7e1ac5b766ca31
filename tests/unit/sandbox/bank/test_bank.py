"""One bank: work that time brings, and pages that are remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bunqflask.sandbox.bank.bank import JOBS, Bank
from bunqflask.sandbox.bank.settings import Settings
from bunqflask.sandbox.bank.store import Json


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    """Return a bank in memory with two kinds of work: one that keeps an item, one that fails half-way."""

    def keeps(bank: Bank, _moment: float, body: Json) -> None:
        bank.store.insert("done", body)

    def fails(bank: Bank, _moment: float, body: Json) -> None:
        bank.store.insert("done", body)
        raise KeyError("half-way")

    monkeypatch.setitem(JOBS, "keeps", keeps)
    monkeypatch.setitem(JOBS, "fails", fails)
    made = Bank(Settings())
    yield made
    made.close()


def test_work_is_done_when_it_is_due_and_in_order(bank: Bank) -> None:
    bank.later("keeps", 20, {"n": 2})
    bank.later("keeps", 10, {"n": 1})
    assert bank.work_due() == 0
    bank.store.advance_clock(15)
    assert bank.work_due() == 1
    bank.store.advance_clock(15)
    assert bank.work_due() == 1
    assert [item.body["n"] for item in bank.store.select("done")[::-1]] == [1, 2]


def test_work_that_fails_is_undone_dropped_and_stops_nothing(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    bank.later("fails", 0, {"n": 1})
    bank.later("keeps", 0, {"n": 2})
    bank.store.advance_clock(1)
    assert bank.work_due() == 2
    assert [item.body["n"] for item in bank.store.select("done")] == [2]
    assert "fails" in caplog.text
    assert bank.work_due() == 0


def test_work_asked_for_in_vain_is_not_done(bank: Bank) -> None:
    def fail() -> None:
        with bank.store.transaction():
            bank.later("keeps", 0, {"n": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    bank.store.advance_clock(1)
    assert bank.work_due() == 0


def test_page_is_made_again_after_any_change(bank: Bank) -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"page %d" % len(made)

    assert bank.remembered("key", make) == bank.remembered("key", make) == b"page 1"
    bank.store.insert("done", {})
    assert bank.remembered("key", make) == b"page 2"
    assert bank.remembered("other", make) == b"page 3"


def test_switches_change_all_or_none_and_last(bank: Bank) -> None:
    with pytest.raises(ValueError, match="denial"):
        bank.set_switches({"maintenance": True, "denial": "maybe"})
    assert bank.is_on("maintenance") is False
    bank.set_switches({"maintenance": True})
    bank.forget_runtime()
    assert bank.is_on("maintenance") is True


def test_bank_waits_out_a_seeding_beside_it(bank: Bank) -> None:
    (patience_ms,) = bank.store.db.execute("PRAGMA busy_timeout").fetchone()
    assert patience_ms > 60_000
