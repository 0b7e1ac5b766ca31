"""Asking people of a collection again: once for each request or link that ended, and nobody who has paid."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import select

from bunqflask.extensions import db
from bunqflask.models import Ability, CollectionItem, Instruction, InstructionKind, InstructionState, Party
from bunqflask.services.instructions import abilities, collection_reading, collections
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.collection_reading import PersonState
from bunqflask.services.instructions.collections import Person
from bunqflask.services.team import members
from tests.protocol.instructions.test_collections import ANNA, CAS, at_bunq, begin, pay, shown, work
from tests.protocol.sandbox.client import JODI, MAIN, Client
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN

REQUEST, LINK = InstructionKind.REQUEST, InstructionKind.LINK
# Somebody at the bank who refuses what is too much.
DADDY = Person("S. Daddy", Party("EMAIL", "sugardaddy@bunq.com"), Decimal("500.01"))
A_MONTH_S = 30 * 86_400 + 1


def again(site: ThreadSite, collection_id: int, item_id: int, instead_of: int) -> None:
    """Ask a person again, as Robin."""
    with rows.behind(site.app):
        collections.ask_again(members.require(ROBIN), collection_id, item_id, instead_of)


def revoked(site: ThreadSite, _bank: Bank, holder: Client) -> PersonState:
    [request] = at_bunq(holder, "request-inquiry")
    holder.ok("PUT", f"/user/{JODI}/monetary-account/{MAIN}/request-inquiry/{request['id']}", {"status": "REVOKED"})
    return PersonState.TAKEN_BACK


def expired(site: ThreadSite, bank: Bank, _holder: Client) -> PersonState:
    bank.advance(A_MONTH_S)
    return PersonState.EXPIRED


def rejected(_site: ThreadSite, _bank: Bank, _holder: Client) -> PersonState:
    return PersonState.REFUSED  # by itself


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("end", "person"), [(revoked, ANNA), (expired, ANNA), (rejected, DADDY)])
def test_a_request_that_ended_is_asked_again_from_the_page_once_for_each_press(
    site: ThreadSite,
    bank: Bank,
    robin: Browser,
    holder: Client,
    end: Callable[[ThreadSite, Bank, Client], PersonState],
    person: Person,
) -> None:
    made = begin(site, REQUEST, person)
    work(site, times=2)
    assert "Ask again" not in robin.get(f"/pay/collections/{made}").text or end is rejected
    expected = end(site, bank, holder)
    work(site, times=6)
    collection, [item] = shown(site, made)
    assert (item.state, collection.closed_at is None) == (expected, False)
    page = robin.get(f"/pay/collections/{made}")
    for _press in range(2):
        robin.page = page
        assert robin.submit(button="Ask again").status == 200
    collection, [now] = shown(site, made)
    assert (now.state, collection.closed_at, collection.people) == (PersonState.BEING_SENT, None, 1)
    assert (now.instruction.reference, now.id) != (item.instruction.reference, item.id)
    assert (now.instruction.amount, now.instruction.body) == (item.instruction.amount, item.instruction.body)
    with rows.behind(site.app):
        assert len(db.session.scalars(select(Instruction.id)).all()) == 2


@pytest.mark.parametrize("kind", [REQUEST, LINK])
def test_who_was_asked_again_pays_once_and_is_not_asked_a_third_time(
    site: ThreadSite, robin: Browser, holder: Client, kind: InstructionKind
) -> None:
    name = "request-inquiry" if kind is REQUEST else "bunqme-tab"
    made = begin(site, kind, ANNA)
    work(site, times=2)
    _collection, [item] = shown(site, made)
    old_address = item.instruction.share_url
    with rows.behind(site.app):
        collections.take_back(members.require(ROBIN), made, item.id)
    # bunq has not shown the end yet: the old one could still be paid.
    with pytest.raises(InstructionRefused, match="has not ended yet"):
        again(site, made, item.id, item.instruction.id)
    work(site, times=2)
    again(site, made, item.id, item.instruction.id)
    work(site, times=2)
    _collection, [now] = shown(site, made)
    assert (now.state, len(at_bunq(holder, name))) == (PersonState.OPEN, 2)
    with pytest.raises(InstructionRefused, match="has not ended yet"):
        again(site, made, item.id, now.instruction.id)
    assert now.instruction.share_url != old_address
    pay(site, now.instruction.share_url)
    work(site, times=3)
    collection, [now] = shown(site, made)
    assert (now.state, collection.paid, collection.received) == (PersonState.PAID, 1, Decimal("12.50"))
    assert collection.closed_at is not None
    for instead_of in (now.instruction.id, item.instruction.id):
        if instead_of == now.instruction.id:
            with pytest.raises(InstructionRefused, match="has paid"):
                again(site, made, item.id, instead_of)
        else:
            again(site, made, item.id, instead_of)  # of long ago: it was done then
    work(site)
    assert len(at_bunq(holder, name)) == 2
    assert "Ask again" not in robin.get(f"/pay/collections/{made}").text


@pytest.mark.sqlite_only
def test_what_bunq_has_shown_counts_before_a_worker_has_noted_it(
    site: ThreadSite, robin: Browser, holder: Client
) -> None:
    made = begin(site, REQUEST, ANNA)
    work(site, times=2)
    _collection, [item] = shown(site, made)
    pay(site, item.instruction.share_url)
    instructions.time_passes(site.app)
    instructions.work(site.app)
    _collection, [item] = shown(site, made)
    assert (item.instruction.state, item.paid_at, item.state) == (InstructionState.ACCEPTED, None, PersonState.PAID)
    assert not item.can_ask_again
    with pytest.raises(InstructionRefused, match="has paid"):
        again(site, made, item.id, item.instruction.id)
    assert len(at_bunq(holder, "request-inquiry")) == 1


@pytest.mark.sqlite_only
def test_a_payment_that_is_not_imported_yet_keeps_its_payer_from_being_asked_again(
    site: ThreadSite, robin: Browser, holder: Client
) -> None:
    made = begin(site, LINK, CAS)
    work(site, times=2)
    _collection, [item] = shown(site, made)
    pay(site, item.instruction.share_url)
    [tab] = at_bunq(holder, "bunqme-tab")
    holder.ok("PUT", f"/user/{JODI}/monetary-account/{MAIN}/bunqme-tab/{tab['id']}", {"status": "CANCELLED"})
    instructions.time_passes(site.app)
    instructions.work(site.app)
    _collection, [item] = shown(site, made)
    assert (item.instruction.state, item.state) == (InstructionState.CANCELLED, PersonState.BEING_IMPORTED)
    assert not item.can_ask_again
    assert "Reminder" not in robin.get(f"/pay/collections/{made}/people/{item.id}").text
    with pytest.raises(InstructionRefused, match="A payment came in"):
        again(site, made, item.id, item.instruction.id)
    work(site, times=2)
    collection, [item] = shown(site, made)
    assert (item.state, collection.closed_at is None, len(at_bunq(holder, "bunqme-tab"))) == (
        PersonState.PAID,
        False,
        1,
    )


def test_ten_presses_at_the_same_time_ask_once(site: ThreadSite, robin: Browser) -> None:
    made = begin(site, LINK, ANNA, CAS)
    with rows.behind(site.app):
        collections.take_back(members.require(ROBIN), made)
    _collection, [anna, _cas] = shown(site, made)
    with ThreadPoolExecutor(10) as pool:
        presses = [pool.submit(again, site, made, anna.id, anna.instruction.id) for _each in range(10)]
    assert [each.exception() for each in presses] == [None] * 10
    with rows.behind(site.app):
        assert len(db.session.scalars(select(Instruction.id)).all()) == 3
        assert len(db.session.scalars(select(CollectionItem.id)).all()) == 2


@pytest.mark.sqlite_only
def test_what_is_switched_off_meanwhile_is_not_asked_again(site: ThreadSite, robin: Browser) -> None:
    made = begin(site, LINK, CAS)
    with rows.behind(site.app):
        collections.take_back(members.require(ROBIN), made)
        abilities.switch(members.require(ROBIN), 1, Ability.LINKS, on=False)
    robin.get(f"/pay/collections/{made}")
    refused = robin.submit(button="Ask again")
    assert (refused.status, "switched off for this connection" in refused.text) == (403, True)
    assert rows.count(site.app, Instruction) == 1


@pytest.mark.sqlite_only
def test_people_who_were_asked_often_are_all_still_in_the_list(site: ThreadSite, robin: Browser) -> None:
    people = [Person(f"Member {number}", None, Decimal(number + 1)) for number in range(350)]
    made = begin(site, LINK, *people)
    for _time in range(3):
        with rows.behind(site.app):
            robin_here = members.require(ROBIN)
            collections.take_back(robin_here, made)
            found = collection_reading.get(robin_here, made)
            for each in collection_reading.items_of(robin_here, found)[::2]:
                collections.ask_again(robin_here, made, each.id, each.instruction.id)
    collection, items = shown(site, made)
    assert (collection.people, len(items), collection.open) == (350, 350, 175)
    assert [each.name for each in items] == [each.name for each in people]
    assert rows.count(site.app, Instruction) == 350 + 3 * 175
