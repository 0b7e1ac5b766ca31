"""A worker that is killed at any moment of its work leaves each instruction to be done exactly once."""

import time
from itertools import count

import pytest

from bunqflask.extensions import db
from bunqflask.models import Instruction, InstructionState
from tests.protocol.instructions.test_sending import WORDS, at_the_bank, body_of
from tests.protocol.sandbox.client import MAIN, Client
from tests.support import instructions
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN
from tests.support.power_cut import strikes
from tests.support.worker import soon, worker

# Where our transactions end is the same on each database; and each cut is a process of its own.
pytestmark = pytest.mark.sqlite_only

_AMOUNTS = count(1)


def prepared(site: ThreadSite, kind: str) -> tuple[int, str]:
    """Prepare an instruction that a worker is to send; returns its id and its amount."""
    amount = f"{next(_AMOUNTS)}.23"
    made = instructions.prepare(site.app, ROBIN, MAIN, body_of(site, kind, amount))
    if kind == "draft":
        instructions.approve(site.app, ROBIN, made)
    instructions.time_passes(site.app)
    return made, amount


@pytest.mark.parametrize("kind", list(WORDS))
def test_killed_before_each_of_its_commits_while_it_sends(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client, kind: str
) -> None:
    for commit in count(1):
        made, amount = prepared(site, kind)
        was_cut = strikes(site, commit, "advance", made)
        row = instructions.work_until(site.app, made, ["open", "done"])
        [there] = at_the_bank(holder, kind, amount)
        assert there["id"] == row.bunq_id, f"commit {commit}"
        if not was_cut:
            assert commit > 3, "it is sent, and that is stored"
            return


@pytest.mark.parametrize("kind", ["draft", "link"])
def test_killed_before_each_of_its_commits_while_it_looks_for_a_lost_answer(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client, kind: str
) -> None:
    for commit in count(1):
        made, amount = prepared(site, kind)
        bank.fault(call=f"POST {WORDS[kind]}", fault="reset", when="after", times=1)
        instructions.work(site.app)
        assert instructions.row(site.app, made).state is InstructionState.UNKNOWN
        instructions.time_passes(site.app)
        was_cut = strikes(site, commit, "advance", made)
        row = instructions.work_until(site.app, made, ["open"])
        [there] = at_the_bank(holder, kind, amount)
        assert there["id"] == row.bunq_id, f"commit {commit}"
        if not was_cut:
            return


@pytest.mark.parametrize("kind", ["draft", "request", "link"])
def test_killed_before_each_of_its_commits_while_it_takes_something_back(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client, kind: str
) -> None:
    for commit in count(1):
        made, amount = prepared(site, kind)
        instructions.work_until(site.app, made, ["open"])
        instructions.take_back(site.app, ROBIN, made)
        instructions.time_passes(site.app)
        was_cut = strikes(site, commit, "advance", made)
        row = instructions.work_until(site.app, made, ["cancelled"])
        [there] = at_the_bank(holder, kind, amount)
        assert there["status"] in ("CANCELLED", "REVOKED"), f"commit {commit}"
        assert row.end_reason is None, "it was taken back here"
        if not was_cut:
            return


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_real_worker_killed_while_bunq_is_at_work(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client, when: str
) -> None:
    made, amount = prepared(site, "draft")
    bank.fault(call="POST draft-payment", fault="timeout", when=when, times=1, seconds=60)
    with worker(site) as process:
        soon(site.app, lambda: _state(made) is InstructionState.SENDING)
        time.sleep(1)  # the call is on its way by then, and is not answered for a minute
        process.kill()
        process.wait()
    bank.no_faults()
    assert instructions.row(site.app, made).state is InstructionState.SENDING
    row = instructions.work_until(site.app, made, ["open"])
    [there] = at_the_bank(holder, "draft", amount)
    assert there["id"] == row.bunq_id


def _state(instruction_id: int) -> InstructionState:
    return db.session.get_one(Instruction, instruction_id, populate_existing=True).state
