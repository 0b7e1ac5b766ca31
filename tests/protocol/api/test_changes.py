"""The change feed over HTTP: replayed from the start it is the list of payments, and later only what changed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from bunqflask.extensions import db
from bunqflask.models import AuditEvent, AuditKind, Payment, TeamRole, TokenScope
from bunqflask.services.connections import sharing
from bunqflask.services.team import members
from tests.protocol.api.program import Program, program_of
from tests.protocol.api.test_reading import all_payments
from tests.support import rows
from tests.support.apps import ThreadSite, add_member
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN, share

SAM = "sam@example.org"


class Follower:
    """A program as the documentation describes it: a dict of payments, and the cursor."""

    def __init__(self, program: Program, **query: Any) -> None:
        self.program, self.query, self.cursor = program, query, ""
        self.payments: dict[str, Any] = {}

    def follow(self) -> tuple[list[str], list[str], list[str]]:
        """Apply all that changed; returns the ids of accounts removed, and of payments added and modified."""
        told: tuple[list[str], list[str], list[str]] = ([], [], [])
        has_more = True
        while has_more:
            page = self.program.get("/changes", cursor=self.cursor, **self.query)
            for account in page["removed_accounts"]:
                self.payments = {each: had for each, had in self.payments.items() if had["account_id"] != account}
            for each in page["removed"]:
                self.payments.pop(each, None)
            for each in page["added"] + page["modified"]:
                self.payments[each["id"]] = each
            for ids, said in zip(told, ("removed_accounts", "added", "modified"), strict=True):
                ids += [each if isinstance(each, str) else each["id"] for each in page[said]]
            self.cursor, has_more = page["next"], page["has_more"]
        return told

    def lines(self) -> dict[str, Any]:
        """Return the payments as the list shows them: without notes."""
        return {each: {key: had[key] for key in had if key != "notes"} for each, had in self.payments.items()}


def listed(program: Program) -> dict[str, Any]:
    return {each["id"]: each for each in all_payments(program)}


def update(program: Program, app: Flask) -> None:
    assert program.call("/connections/1/sync", method="POST").status_code == 202
    rows.run_duties(app)


def test_replayed_from_the_start_it_is_the_list(program: Program) -> None:
    expected = listed(program)
    for limit in (40, 1000):
        follower = Follower(program, limit=limit)
        removed, added, modified = follower.follow()
        assert (removed, modified) == ([], [])
        assert len(added) == len(set(added)) == len(expected)
        assert follower.lines() == expected
    page = program.call("/changes", params={"limit": 40})
    following = program.session.get(page.links["next"]["url"], timeout=30).json()
    assert following == program.get("/changes", limit=40, cursor=page.json()["next"])


def test_only_what_is_new_or_was_changed_is_sent(program: Program, app: Flask, bank: Bank) -> None:
    follower = Follower(program)
    follower.follow()
    nothing = follower.follow()
    came = bank.receive(2083712, "12.34")
    with rows.behind(app):
        newest = db.session.scalars(db.select(Payment).filter_by(account_id=1).order_by(Payment.id.desc())).first()
        assert newest is not None
        changed, number = newest.id, newest.payment_id
    bank.amend(number, description="said otherwise")
    update(program, app)
    removed, added, modified = follower.follow()

    assert nothing == ([], [], [])
    assert removed == []
    assert [program.get(f"/payments/{each}")["payment_id"] for each in added] == [str(came)]
    assert modified == [str(changed)]
    assert follower.payments[str(changed)]["description"] == "said otherwise"
    assert follower.lines() == listed(program)


def test_an_answer_without_changes_is_the_same_and_not_sent_again(program: Program) -> None:
    follower = Follower(program)
    follower.follow()
    first = program.call("/changes", params={"cursor": follower.cursor})
    again = program.call(
        "/changes", params={"cursor": follower.cursor}, headers={"If-None-Match": first.headers["ETag"]}
    )

    assert first.json()["next"] == follower.cursor
    assert (again.status_code, again.content) == (304, b"")


def test_rights_come_and_go(site: ThreadSite, robin: Browser) -> None:
    add_member(site.app, SAM, role=TeamRole.GUEST)
    follower = Follower(program_of(site, SAM))
    before = follower.follow()
    with rows.behind(site.app):
        reader = str(members.require(SAM).id)
    share(robin, accounts=[1], member=reader)
    given = follower.follow()
    expected = listed(follower.program)
    lines = follower.lines()
    with rows.behind(site.app):
        holder = members.require(ROBIN)
        [found] = sharing.list_for(holder, 1)
        sharing.end(holder, found.id)
        query = db.select(AuditEvent).where(AuditEvent.kind == AuditKind.ACCOUNT_VIEWED)
        looks = [event.actor_text for event in db.session.scalars(query)]
    ended = follower.follow()

    assert before == ([], [], [])
    assert (given[0], given[2]) == ([], [])
    assert len(given[1]) > 100
    assert lines == expected
    assert len(looks) == 1
    assert SAM in looks[0]
    assert (ended, follower.payments) == ((["1"], [], []), {})


def test_an_account_that_was_erased_is_removed(program: Program, robin: Browser, site: ThreadSite) -> None:
    narrowed = Follower(program_of(site, ROBIN, account_ids=(2,)))
    everything = Follower(program)
    narrowed.follow()
    everything.follow()
    robin.get("/connections/1/disconnect")
    robin.submit(action="/disconnect", button=None, data="erase", confirm="1")
    if narrowed.program.get("/accounts")["items"]:
        raise AssertionError("nothing was erased")

    assert narrowed.follow() == (["2"], [], [])
    assert sorted(everything.follow()[0]) == ["1", "2", "3", "4"]
    assert everything.payments == {}


def test_notes_are_for_tokens_that_may_read_them(site: ThreadSite, program: Program) -> None:
    without = program_of(site, ROBIN, scopes=(TokenScope.PAYMENTS_READ,))

    assert {"notes" in each for each in program.get("/changes")["added"]} == {True}
    assert {"notes" in each for each in without.get("/changes")["added"]} == {False}


@pytest.mark.parametrize("query", ["cursor=x", "cursor=%00", "cursor=k6CQ", "limit=0", "limit=1001", "since=1"])
def test_what_cannot_be_used_is_refused(program: Program, query: str) -> None:
    answer = program.call(f"/changes?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
