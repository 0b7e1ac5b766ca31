"""A site over many days: the clocks of the app and of the stand-in move together, and things go wrong, by a seed.

What goes wrong, and what people have to be informed of, is known here and is not asked of the app: a test compares.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
import requests
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bunqflask import clock, worker
from bunqflask.extensions import db
from bunqflask.models import Condition, Connection, Event, EventKind, MemberNotice, NoticeKind
from bunqflask.services import workers
from bunqflask.services.connections import timeline
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.sync import connection_sync
from tests.support import consents, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank

# What a person is promised: after the next call for what bunq refuses, and for an outage of bunq.
REFUSAL_SHOWN_AFTER = timedelta(minutes=2)
OUTAGE_SHOWN_AFTER = timedelta(hours=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEP = timedelta(minutes=5)
# Duties that delete what is old need not run at each step.
_SELDOM = {"erase", "delete old rows", "delete old audit events"}
Told = tuple[EventKind, int]
_EVENT_OF = {
    NoticeKind.CONNECTION_STOPPED: EventKind.CONNECTION_STOPPED,
    NoticeKind.CONNECTION_RECOVERED: EventKind.CONNECTION_RECOVERED,
}


class Killed(BaseException):
    """The process is gone."""


class LongRun:
    """A site with connections of many people, and the days that they go through."""

    def __init__(self, site: ThreadSite, bank: Bank, patch: pytest.MonkeyPatch, *, people: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.log: list[str] = [f"seed {seed}"]
        self.renewals = 0
        self._site, self._bank = site, bank
        self._true_now, self._ahead = clock.now, timedelta(0)
        patch.setattr(clock, "now", lambda: self._true_now() + self._ahead)
        # Between two tries of a call time passes here too, and nobody waits for it.
        patch.setattr(RateLimiter, "pause", self._pause)
        self._expected: Counter[Told] = Counter()
        self._events_read = 0
        self._told: Counter[Told] = Counter()
        # The notices of Robin, who holds all connections.
        self._noticed: Counter[Told] = Counter()
        self._notices_read = 0
        self._stopped: set[int] = set()
        self._worker = worker.Worker(site.app, ())
        self._robin = sign_in(site, consents.ROBIN)
        self._user_of: dict[int, int] = {}
        self._begun = self.now
        self._connect(people)

    # Time

    @property
    def days_passed(self) -> int:
        """How many whole days have passed since the beginning."""
        return (self.now - self._begun).days

    @property
    def now(self) -> datetime:
        """The time of the app."""
        return clock.now()

    def pass_time(self, by: timedelta) -> None:
        """Let time pass in which no worker runs."""
        self._ahead += by
        self._bank.advance(round(by.total_seconds()))

    def work(self, by: timedelta) -> None:
        """Let time pass, and a worker do at its end what is due then and what follows from that."""
        self.pass_time(by)
        self._do_duties()
        self._do_duties()
        self._read_told()

    def quiet(self, days: int) -> None:
        """Let days pass in which nothing goes wrong; money comes in, and bunq calls back."""
        if self.rng.random() < 0.7:
            account = self._bank.account_ids(self._user_of[self.rng.choice(self.connections)])[0]
            self._bank.receive(account, f"{self.rng.randint(1, 99)}.00")
        self.work(days * DAY)
        self.check()

    # What goes wrong

    @property
    def connections(self) -> list[int]:
        """Our ids of all connections."""
        return sorted(self._user_of)

    def withdraw(self) -> None:
        """A holder withdraws a permission in the bunq app, and approves again some time later."""
        [chosen] = self.rng.sample(self.connections, 1)
        self._note(f"the permission of connection {chosen} is withdrawn")
        self._bank.forget_calls()
        self._bank.revoke(self._user_of[chosen])
        # Where callbacks come, that is as long as bunq is left alone.
        self.work(timedelta(hours=self.rng.choice((1, 5, 24, 25))))
        if not self._was_refused():
            self._ask([chosen])
            self.work(MINUTE)
        assert self._was_refused(), self.said("bunq was not asked")
        self.work(MINUTE)
        self._expect(EventKind.CONNECTION_STOPPED, [chosen])
        self.work(MINUTE)
        self.check()
        for _ in range(self.rng.randint(0, 3)):
            self.work(timedelta(hours=self.rng.randint(1, 40)))
            self.check()
        self.renew([chosen])
        self._expect(EventKind.CONNECTION_RECOVERED, [chosen])
        self._work_until_checked(MINUTE)

    def refuse_server(self) -> None:
        """This server gets another address, or its API key is withdrawn; its operator mends it some hours later."""
        is_address = self.rng.random() < 0.5
        self._note("another address" if is_address else "the API key is withdrawn")
        if is_address:
            self._bank.switch(permitted_ips_enforced=True, caller_address="203.0.113.7")
        else:
            self._bank.fault(call="POST session-server", fault="400-credentials", times=None)
        self.end_sessions()
        self._ask(self.connections)
        self.work(MINUTE)
        self._expect(EventKind.CONNECTION_STOPPED, self.connections)
        self.work(MINUTE)
        self.check()
        for _ in range(self.rng.randint(0, 2)):
            self.work(timedelta(hours=self.rng.randint(1, 20)))
            self.check()
        self._bank.switch(permitted_ips_enforced=False, caller_address="")
        self._bank.no_faults()
        self._expect(EventKind.CONNECTION_RECOVERED, self.connections)
        self._work_until_checked(timedelta(minutes=20))

    def maintain(self) -> None:
        """bunq is away for some minutes or hours."""
        lasts = timedelta(minutes=self.rng.choice((10, 30, 50, 80, 200, 480)))
        self._note(f"bunq is away for {lasts}")
        self._bank.switch(maintenance=True)
        self._ask(self.connections)
        self.work(MINUTE)
        began = self.now
        while self.now - began < lasts:
            if self.now - began >= OUTAGE_SHOWN_AFTER + _STEP:
                self._expect_once(EventKind.CONNECTION_STOPPED, self.connections)
                self.check()
            elif self.now - began <= OUTAGE_SHOWN_AFTER - _STEP:
                self.check()
            is_near = abs(self.now - began - OUTAGE_SHOWN_AFTER) < 4 * _STEP
            self.work(_STEP if is_near else min(3 * _STEP if self.now - began < HOUR else HOUR, lasts))
        self._bank.switch(maintenance=False)
        if self._told_since_check():
            self._expect_once(EventKind.CONNECTION_STOPPED, self.connections)
        if lasts > OUTAGE_SHOWN_AFTER:
            self._expect(EventKind.CONNECTION_RECOVERED, self.connections)
        self._work_until_checked(timedelta(minutes=20))

    def stop_worker(self) -> None:
        """No worker runs for minutes or hours."""
        lasts = timedelta(minutes=self.rng.choice((5, 40, 100, 600, 2000)))
        self._note(f"no worker for {lasts}")
        self.work(MINUTE)
        self.pass_time(lasts)
        if lasts > 2 * MINUTE:
            self._check_shown(self.connections)
        with rows.behind(self._site.app), rows.read_only():
            self._worker._ticked_at = None
            self._worker._end_outage()
        if lasts > OUTAGE_SHOWN_AFTER:
            self._expect(EventKind.CONNECTION_STOPPED, self.connections)
            self._expect(EventKind.CONNECTION_RECOVERED, self.connections)
        self._work_until_checked(timedelta(minutes=10))

    def kill(self) -> None:
        """The worker is killed in the middle of its work, and another one takes it up."""
        at = self.rng.randint(1, 25)
        self._note(f"killed at the {at}. commit")
        self.end_sessions()
        self._ask(self.connections)
        with _killed_at(at):
            try:
                self._do_duties()
            except Killed:
                with rows.behind(self._site.app):
                    db.session.rollback()
        # A lease of what is gone is waited for.
        self._work_until_checked(timedelta(minutes=20))

    def end_sessions(self) -> None:
        """bunq ends all sessions earlier than it said."""
        rows.end_sessions(self._site.app)

    def renew(self, chosen: Iterable[int]) -> None:
        """The holders of these connections approve again."""
        for connection_id in chosen:
            self._note(f"connection {connection_id} is renewed")
            # Nobody stays logged in for days.
            self._robin = sign_in(self._site, consents.ROBIN)
            consents.connect(self._robin, self._bank, person=self._user_of[connection_id])

    # What people are informed about

    def check(self) -> None:
        """Compare what people were informed about with what has happened, and what is shown with what is so."""
        self._read_told()
        assert self._told == self._expected, self.said(f"too much or missing: {self._differences()}")
        assert self._noticed == self._told, self.said(f"the notices are others: {self._noticed}")
        self._noticed.clear()
        self._told.clear()
        self._expected.clear()
        self._check_shown(self._stopped)

    def said(self, problem: str) -> str:
        """Return a problem with all that happened before it."""
        return "\n".join([*self.log, f"{self.now}: {problem}"])

    def reminders(self) -> list[tuple[int, str, int]]:
        """Return every reminder that was given: connection, day, and how many days were left."""
        with rows.behind(self._site.app):
            query = db.select(Event.facts).where(Event.kind == EventKind.RENEWAL_DUE).order_by(Event.id)
            found = db.session.scalars(query).all()
        return [(facts["connection_id"], facts["day"], facts["days_left"]) for facts in found]

    def _expect(self, kind: EventKind, connection_ids: Iterable[int]) -> None:
        for connection_id in connection_ids:
            self._expected[kind, connection_id] += 1
            if kind == EventKind.CONNECTION_STOPPED:
                self._stopped.add(connection_id)
            else:
                self._stopped.discard(connection_id)

    def _expect_once(self, kind: EventKind, connection_ids: Iterable[int]) -> None:
        self._expect(kind, [each for each in connection_ids if each not in self._stopped])

    def _told_since_check(self) -> bool:
        self._read_told()
        return bool(self._told)

    def _read_told(self) -> None:
        with rows.behind(self._site.app):
            query = db.select(Event.id, Event.kind, Event.facts).where(Event.id > self._events_read)
            for row in db.session.execute(query.order_by(Event.id)):
                self._events_read = row.id
                if row.kind in _EVENT_OF.values():
                    self._told[row.kind, row.facts["connection_id"]] += 1
                    self.log.append(f"{self.now}: {row.kind} {row.facts}")
            new = db.select(MemberNotice.id, MemberNotice.kind, MemberNotice.facts)
            new = new.where(MemberNotice.id > self._notices_read, MemberNotice.kind.in_(_EVENT_OF))
            for row in db.session.execute(new.order_by(MemberNotice.id)):
                self._notices_read = row.id
                self._noticed[_EVENT_OF[row.kind], row.facts["connection_id"]] += 1

    def _differences(self) -> dict[Told, int]:
        every = {*self._told, *self._expected}
        return {each: self._told[each] - self._expected[each] for each in sorted(every)} if every else {}

    def _check_shown(self, stopped: Iterable[int]) -> None:
        """Make sure that exactly these connections are shown as stopped, by the service and by the page."""
        wanted = set(stopped)
        with rows.behind(self._site.app):
            found = timeline.standings()
        shown = {each for each, standing in found.items() if standing.condition == Condition.STOPPED}
        assert shown == wanted, self.said(f"shown as stopped: {shown}, and it is {wanted}")
        current = {each for each, standing in found.items() if standing.is_current}
        assert not current & wanted, self.said(f"shown as up to date: {current & wanted}")
        if self.rng.random() < 0.1:
            assert _working_on(self._page()) == set(found) - wanted, self.said("the page shows something else")

    def _page(self) -> str:
        page = self._robin.get("/connections")
        if "/login" in page.url:
            self._robin = sign_in(self._site, consents.ROBIN)
            page = self._robin.get("/connections")
        assert page.status == 200, self.said(page.text)
        return page.html

    # How it is done

    def _pause(self, wait_s: float) -> bool:
        self.pass_time(timedelta(seconds=wait_s))
        return True

    def _connect(self, people: int) -> None:
        for _ in range(people - 2):
            requests.post(f"{self._bank.api_url}sandbox-user-person", json={}, timeout=30).raise_for_status()
        holders = [each["id"] for each in self._bank.state()["users"] if each["accounts"]][:people]
        for person in holders:
            first = self._bank.account_ids(person)[:1]
            consents.connect(self._robin, self._bank, person=person, accounts=first)
        with rows.behind(self._site.app):
            for each in db.session.scalars(db.select(Connection)).unique():
                self._user_of[each.id] = each.granted_user_id
        assert len(self._user_of) == people
        self.work(MINUTE)
        self.work(MINUTE)
        self.check()

    def _do_duties(self) -> None:
        chosen = [each for each in worker.DUTIES if each.name not in _SELDOM or self.rng.random() < 0.01]
        with rows.behind(self._site.app), rows.read_only():
            workers.beat("a worker of this test")
            worker.run_duties_once(chosen)

    def _ask(self, connection_ids: Iterable[int]) -> None:
        """Somebody presses the button that updates, on each of these connections."""
        with rows.behind(self._site.app), rows.read_only():
            for connection_id in connection_ids:
                connection_sync.request(rows.owner(connection_id), connection_id)

    def _work_until_checked(self, within: timedelta) -> None:
        """Work in small steps until everything expected has come; what never comes fails the check at the end."""
        until = self.now + within
        while self.now < until and self._told != self._expected:
            self.work(min(MINUTE * 2, within))
        self.work(MINUTE)
        self.check()

    def _was_refused(self) -> bool:
        return any(call["status"] in (400, 401, 403) for call in self._bank.calls())

    def _note(self, what: str) -> None:
        self.log.append(f"{self.now}: {what}")


def _working_on(html: str) -> set[int]:
    """Return the connections that the page shows as working."""
    found = re.findall(r'<tr.*?/connections/(\d+)".*?</tr>', html, re.DOTALL)
    parts = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    shown = {int(number) for number in found}
    return {
        number
        for number in shown
        for part in parts
        if f'/connections/{number}"' in part and re.search(r"pill (ok|warn)", part)
    }


@contextmanager
def _killed_at(commit: int) -> Iterator[None]:
    """Let whoever commits for the n-th time be killed before that."""
    commits = 0

    def strike(_connection: object) -> None:
        nonlocal commits
        commits += 1
        if commits == commit:
            raise Killed

    event.listen(Engine, "commit", strike)
    try:
        yield
    finally:
        event.remove(Engine, "commit", strike)
