"""A month of four people, with faults of bunq at every call and workers that die: each intended object exists once.

A failure names its seed; `MONTH_SEED=n` replays it.
"""

import os
import random
from dataclasses import dataclass
from decimal import Decimal

import pytest
from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import AuditEvent, AuditKind, InstructionState, TeamMember, TeamRole
from bunqflask.services.instructions import preparing, reading
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.team import members
from tests.protocol.instructions.test_sending import WORDS, at_the_bank, body_of
from tests.protocol.sandbox.client import JODI, MAIN, Client, session_of
from tests.support import instructions, rows
from tests.support.apps import ThreadSite, sign_in
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share
from tests.support.power_cut import strikes

# Kills are processes of their own, and what is committed is the same on each database.
pytestmark = pytest.mark.sqlite_only

MIA, KIM, GUS = "mia@example.org", "kim@example.org", "gus@example.org"
PREPARERS = {"draft": (ROBIN, MIA, KIM), "request": (ROBIN, KIM), "link": (ROBIN, KIM), "transfer": (ROBIN,)}
APPROVERS = (ROBIN, KIM)
FAULTS = (
    *("400", "401", "403-permission", "404", "409", "429", "491", "500", "html-502", "reset", "truncated"),
    *("invalid-json", "empty", "bad-signature", "missing-signature", "unknown-types", "null-members"),
)
_DAYS = 30
_ENDED = ("accepted", "rejected", "cancelled", "failed", "done")


@dataclass
class Intent:
    """What somebody wanted: its row, kind and amount, who prepared and who approved it."""

    id: int
    kind: str
    amount: str
    preparer: str
    approver: str = ""


class Month:
    """The people of a month, by one seed."""

    def __init__(self, site: ThreadSite, bank: Bank, holder: Client, chance: random.Random) -> None:
        self.site, self.bank, self.holder, self.chance = site, bank, holder, chance
        self.intents: list[Intent] = []

    def live(self) -> None:
        """Live through the month, a day at a time."""
        for day in range(1, _DAYS + 1):
            self.prepare(day)
            self.holder = session_of(self.bank, JODI)  # her session of last week has ended
            for each in self.intents:
                self.decide(each)
            self.trouble()
            for each in self.intents:
                self.act_on(each)
            self.work()
            self.bank.no_faults()
            self.bank.advance(86_400)
        for each in self.intents:
            if self.state_of(each) is InstructionState.PREPARED:
                self.approve(each)
        for each in self.intents:
            if self.state_of(each) is not InstructionState.PREPARED:
                instructions.work_until(self.site.app, each.id, ("open", *_ENDED))

    def prepare(self, day: int) -> None:
        kind = self.chance.choice(["draft", "draft", "request", "link", "transfer"])
        amount, who = f"{day}.{self.chance.randint(11, 99)}", self.chance.choice(PREPARERS[kind])
        made = instructions.prepare(self.site.app, who, MAIN, body_of(self.site, kind, amount))
        self.intents.append(Intent(made, kind, amount, who))

    def trouble(self) -> None:
        """Let bunq be in a mood at each kind of call."""
        for call in (*(f"POST {each}" for each in WORDS.values()), "GET draft-payment", "POST session-server"):
            if self.chance.random() < 0.5:
                fault, when = self.chance.choice(FAULTS), self.chance.choice(("before", "after"))
                self.bank.fault(call=call, fault=fault, when=when, times=1)

    def act_on(self, intent: Intent) -> None:
        """Do what somebody may do with it today."""
        state = self.state_of(intent)
        if state is InstructionState.PREPARED and self.chance.random() < 0.7:
            self.approve(intent)
        elif state.value not in _ENDED and self.chance.random() < 0.05:
            instructions.take_back(self.site.app, ROBIN, intent.id)

    def work(self) -> None:
        """Let a worker do what is due; it may die in the middle of something."""
        instructions.time_passes(self.site.app)
        newest = self.intents[-1]
        if self.chance.random() < 0.3 and self.state_of(newest).value not in _ENDED:
            strikes(self.site, self.chance.randint(1, 9), "advance", newest.id)
            instructions.time_passes(self.site.app)
        instructions.work(self.site.app)

    def approve(self, intent: Intent) -> None:
        approver = self.chance.choice([each for each in APPROVERS if each != intent.preparer])
        shown = instructions.row(self.site.app, intent.id).content_hash
        with rows.behind(self.site.app):
            preparer = members.require(intent.preparer)
            with pytest.raises(NotPermitted):
                preparing.approve(preparer, intent.id, shown)
        if self.chance.random() < 0.2:
            with rows.behind(self.site.app):
                preparing.send_back(members.require(approver), intent.id, "Which invoice?")
            return
        with rows.behind(self.site.app):
            other = members.require(approver)
            with pytest.raises(ChangedMeanwhile):
                preparing.approve(other, intent.id, "0" * 64)
        instructions.approve(self.site.app, approver, intent.id)
        intent.approver = approver

    def decide(self, intent: Intent) -> None:
        """Be Jodi, who accepts or refuses a draft in the bunq app."""
        row = instructions.row(self.site.app, intent.id)
        if intent.kind != "draft" or row.bunq_id is None or self.chance.random() < 0.5:
            return
        path = f"/user/{JODI}/monetary-account/{MAIN}/draft-payment/{row.bunq_id}"
        if self.holder.one(path, "DraftPayment")["status"] == "PENDING":
            self.holder.ok("PUT", path, {"status": self.chance.choice(["ACCEPTED", "ACCEPTED", "REJECTED"])})

    def state_of(self, intent: Intent) -> InstructionState:
        return instructions.row(self.site.app, intent.id).state


def money_of(holder: Client) -> Decimal:
    """Return what Jodi has in all her accounts."""
    accounts = [next(iter(each.values())) for each in holder.get(f"/user/{JODI}/monetary-account")]
    return sum((Decimal(each["balance"]["value"]) for each in accounts), Decimal(0))


def test_each_object_is_at_the_bank_once_and_money_left_only_by_accepted_drafts(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client
) -> None:
    seed = int(os.environ.get("MONTH_SEED", "1"))
    for email, role in ((MIA, TeamRole.MEMBER), (KIM, TeamRole.ADMIN), (GUS, TeamRole.GUEST)):
        sign_in(site, email, role=role).close()
    share(robin)
    before = money_of(holder)
    month = Month(site, bank, holder, random.Random(seed))
    month.live()
    holder = session_of(bank, JODI)
    accepted = Decimal(0)
    for intent in month.intents:
        row, there = instructions.row(site.app, intent.id), at_the_bank(holder, intent.kind, intent.amount)
        where = f"seed {seed}: {intent}, {row.state}, {row.end_reason}"
        assert len(there) == (0 if row.bunq_id is None else 1), where
        assert row.bunq_id is None or there[0]["id"] == row.bunq_id, where
        assert row.bunq_id is not None or row.state.value in ("cancelled", "failed", "prepared"), where
        if intent.kind == "draft" and there and there[0]["status"] == "ACCEPTED":
            accepted += Decimal(intent.amount)
    assert money_of(holder) == before - accepted, f"seed {seed}"
    assert accepted, "the month had drafts that were accepted"
    check_trail(site, month.intents)
    check_guest(site, month.intents)


def check_trail(site: ThreadSite, intents: list[Intent]) -> None:
    """The audit trail names who prepared and who approved each, and they are two people."""
    with rows.behind(site.app):
        people = {each.id: each.email for each in db.session.scalars(select(TeamMember))}
        events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
        of_reference: dict[str, dict[AuditKind, list[str]]] = {}
        for event in events:
            by = of_reference.setdefault(event.subject, {}).setdefault(event.kind, [])
            by.append(people.get(event.actor_id or 0, ""))
    for intent in intents:
        row = instructions.row(site.app, intent.id)
        about = of_reference[row.reference]
        assert about[AuditKind.INSTRUCTION_PREPARED] == [intent.preparer]
        if row.bunq_id is not None:
            assert len(about[AuditKind.INSTRUCTION_SENT]) == 1
            if intent.kind == "draft":
                assert about[AuditKind.INSTRUCTION_APPROVED][-1] == intent.approver != intent.preparer
        if row.ended_at is not None and row.cancel_asked_at is None:
            assert len(about[AuditKind.INSTRUCTION_ENDED]) == 1


def check_guest(site: ThreadSite, intents: list[Intent]) -> None:
    """A guest sees none of it, however they ask."""
    with rows.behind(site.app):
        gus = members.require(GUS)
        assert reading.list_all(gus, list(instructions.KINDS)) == []
        for intent in intents:
            with pytest.raises(NotFoundHere):
                reading.get(gus, intent.id)
