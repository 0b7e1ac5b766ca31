"""Workers that are killed by kill -9 around a stop and a recovery: each is stored and told once, and in time."""

import random
import time
from datetime import timedelta

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    AccountSync,
    Condition,
    ConditionChange,
    Connection,
    EventKind,
    MemberNotice,
    NoticeKind,
    StopReason,
)
from tests.support import consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import JODI, Bank
from tests.support.conditions import stored, told
from tests.support.worker import soon, worker

WORKING, REFUSED = (Condition.WORKING, None), (Condition.STOPPED, StopReason.REFUSED)
SEED, KILLS, LONGEST_LIFE_S = 13, 3, 2.0
PROMISED = timedelta(minutes=2)


def make_due(site: ThreadSite) -> None:
    """Let the accounts be listed again, and let the leases of workers that were killed be over."""
    with rows.behind(site.app):
        db.session.execute(db.update(Connection).values(sync_requested_at=clock.now()))
        db.session.execute(db.update(AccountSync).values(lease_until=None))
        db.session.commit()
    rows.end_leases(site.app)
    rows.due_now(site.app)


def kill_some(site: ThreadSite, lives: random.Random) -> None:
    """Let workers live for moments, one after the other."""
    for _ in range(KILLS):
        with worker(site) as victim:
            time.sleep(lives.uniform(0.1, LONGEST_LIFE_S))
            victim.kill()
            victim.wait()
        make_due(site)


def is_stored(condition: Condition) -> bool:
    return bool(db.session.scalar(db.select(Connection.condition)) == condition)


def notices() -> list[NoticeKind]:
    about = (NoticeKind.CONNECTION_STOPPED, NoticeKind.CONNECTION_RECOVERED)
    query = db.select(MemberNotice.kind).where(MemberNotice.kind.in_(about)).order_by(MemberNotice.id)
    return list(db.session.scalars(query))


def test_a_stop_and_a_recovery_are_told_once_whenever_workers_are_killed(site: ThreadSite, bank: Bank) -> None:
    lives = random.Random(SEED)
    consents.connect(sign_in(site, consents.ROBIN), bank)
    with worker(site):
        soon(site.app, lambda: is_stored(Condition.WORKING))
    rows.end_sessions(site.app)

    # One is killed just while it asks: bunq's refusal reaches nobody.
    bank.forget_calls()
    bank.fault(call="POST session-server", fault="timeout", times=1)
    bank.revoke(JODI)
    make_due(site)
    with worker(site) as asking:
        soon(site.app, lambda: bool(bank.calls("POST", "/session-server")))
        asking.kill()
        asking.wait()
    assert (stored(site.app), told(site.app)) == ([WORKING], [])
    bank.no_faults()
    make_due(site)
    kill_some(site, lives)
    with worker(site):
        began = clock.now()
        soon(site.app, lambda: is_stored(Condition.STOPPED))
    with worker(site):  # the one before was killed right after it had stored that
        soon(site.app, lambda: bool(notices()))
    assert stored(site.app) == [WORKING, REFUSED]
    with rows.behind(site.app):
        noted_at = db.session.scalar(db.select(db.func.max(ConditionChange.noted_at)))
    assert noted_at is not None
    assert noted_at - began < PROMISED
    assert [kind for kind, _facts in told(site.app)] == [EventKind.CONNECTION_STOPPED]

    consents.connect(sign_in(site, consents.ROBIN), bank)
    make_due(site)
    kill_some(site, lives)
    with worker(site):
        soon(site.app, lambda: is_stored(Condition.WORKING))
    with worker(site):
        soon(site.app, lambda: len(notices()) > 1)
    assert stored(site.app) == [WORKING, REFUSED, WORKING]
    assert [kind for kind, _facts in told(site.app)] == [EventKind.CONNECTION_STOPPED, EventKind.CONNECTION_RECOVERED]
    with rows.behind(site.app):
        assert notices() == [NoticeKind.CONNECTION_STOPPED, NoticeKind.CONNECTION_RECOVERED]
