"""Collections: everybody on a list is asked once, who has paid is noted, and they close when nothing is open."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from bunqflask.extensions import db
from bunqflask.models import (
    AuditEvent,
    AuditKind,
    Collection,
    Instruction,
    InstructionKind,
    InstructionState,
    MonetaryAccount,
    Party,
)
from bunqflask.services.instructions import collection_reading, collections, payers
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.collections import Person, Wish
from bunqflask.services.team import members
from tests.protocol.sandbox.client import JODI, MAIN, Client
from tests.support import instructions, rows
from tests.support.apps import ThreadSite
from tests.support.bank import Bank
from tests.support.browser import Browser
from tests.support.consents import ROBIN

ANNA = Person("Anna Visser", Party("EMAIL", "anna@example.org"), Decimal("12.50"))
BRAM = Person("Bram de Wit", Party("PHONE_NUMBER", "+31612345678"), Decimal("20.00"))
CAS = Person("Cas", None, Decimal("5.00"))


def begin(site: ThreadSite, kind: InstructionKind, *people: Person, token: str = "form") -> int:
    """Begin a collection on Jodi's main account, as Robin."""
    with rows.behind(site.app):
        account_id = db.session.scalars(select(MonetaryAccount.id).filter_by(monetary_account_id=MAIN)).one()
        wish = Wish(
            account_id=account_id,
            kind=kind,
            name="Contribution 2026",
            description="Contribution",
            people=people,
            token=token,
        )
        return collections.prepare(members.require(ROBIN), wish)


def shown(site: ThreadSite, collection_id: int) -> tuple[Any, list[Any]]:
    """Return a collection and its people, as Robin sees them."""
    with rows.behind(site.app):
        found = collection_reading.get(members.require(ROBIN), collection_id)
        return found, collection_reading.items_of(members.require(ROBIN), found)


def work(site: ThreadSite, *, times: int = 1) -> None:
    """Let time pass and a worker do everything that is due, payments included."""
    for _each in range(times):
        instructions.time_passes(site.app)
        rows.run_duties(site.app)


def at_bunq(holder: Client, name: str) -> list[dict[str, Any]]:
    """Return all requests or links that there are on the account."""
    return [next(iter(each.values())) for each in holder.get(f"/user/{JODI}/monetary-account/{MAIN}/{name}?count=200")]


def pay(site: ThreadSite, address: str) -> None:
    """Be a payer at the page of a link."""
    payer = Browser(address)
    payer.get(address)
    payer.submit(button="Pay", name="P. Ayer")
    payer.close()


@pytest.mark.parametrize("kind", [InstructionKind.REQUEST, InstructionKind.LINK])
def test_a_collection_notes_who_has_paid_and_closes(
    site: ThreadSite, robin: Browser, holder: Client, kind: InstructionKind
) -> None:
    made = begin(site, kind, ANNA, BRAM)
    work(site, times=2)
    collection, items = shown(site, made)
    assert (collection.people, collection.open, collection.asked) == (2, 2, Decimal("32.50"))
    assert [each.instruction.state for each in items] == [InstructionState.OPEN] * 2
    assert items[0].instruction.body.description == "Contribution: Anna Visser"
    pay(site, items[0].instruction.share_url)
    work(site, times=3)
    collection, items = shown(site, made)
    assert (collection.paid, collection.open, collection.received) == (1, 1, Decimal("12.50"))
    assert items[0].paid_at is not None
    assert collection.closed_at is None
    if kind is InstructionKind.LINK:
        assert items[0].instruction.state is InstructionState.CANCELLED, "nobody pays it twice"
        assert [each["status"] for each in at_bunq(holder, "bunqme-tab")] == ["WAITING_FOR_PAYMENT", "CANCELLED"]
    with rows.behind(site.app):
        collections.take_back(members.require(ROBIN), made)
    work(site, times=2)
    collection, items = shown(site, made)
    assert (collection.paid, collection.over, collection.open) == (1, 1, 0)
    assert collection.closed_at is not None
    assert items[1].instruction.state is InstructionState.CANCELLED


def test_the_same_form_sent_twice_asks_everybody_once(site: ThreadSite, robin: Browser, holder: Client) -> None:
    first = begin(site, InstructionKind.REQUEST, ANNA, BRAM, token="form-1")
    assert begin(site, InstructionKind.REQUEST, ANNA, BRAM, token="form-1") == first
    work(site, times=2)
    assert len(at_bunq(holder, "request-inquiry")) == 2
    assert begin(site, InstructionKind.REQUEST, ANNA, BRAM, token="form-2") != first


def test_the_same_form_sent_at_the_same_time_asks_everybody_once(site: ThreadSite, robin: Browser) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = {each.result() for each in [pool.submit(begin, site, InstructionKind.REQUEST, ANNA) for _ in range(4)]}
    assert len(made) == 1
    with rows.behind(site.app):
        assert len(db.session.scalars(select(Instruction.id)).all()) == 1


@pytest.mark.sqlite_only
def test_one_person_who_cannot_be_asked_stops_the_whole_list(site: ThreadSite, robin: Browser) -> None:
    wrong = Person("Bram", Party("EMAIL", "not one"), Decimal(1))
    with pytest.raises(InstructionRefused, match=r"Person 2: The email address"):
        begin(site, InstructionKind.REQUEST, ANNA, wrong)
    with pytest.raises(InstructionRefused, match=r"Person 2: A request needs"):
        begin(site, InstructionKind.REQUEST, ANNA, CAS)
    with pytest.raises(InstructionRefused, match="1 to 350 people"):
        begin(site, InstructionKind.LINK, *[CAS] * 351)
    with pytest.raises(InstructionRefused, match="Person 3 is the same as person 1"):
        begin(site, InstructionKind.LINK, CAS, ANNA, CAS)
    with pytest.raises(InstructionRefused, match=r"Person 1: The email address"):
        begin(site, InstructionKind.LINK, wrong)
    with pytest.raises(InstructionRefused, match="as requests or as links"):
        begin(site, InstructionKind.DRAFT, ANNA)
    with rows.behind(site.app):
        assert db.session.scalars(select(Instruction.id)).all() == []
        assert db.session.scalars(select(Collection.id)).all() == []


@pytest.mark.sqlite_only
def test_a_link_that_is_paid_in_part_stays_open(site: ThreadSite, robin: Browser) -> None:
    made = begin(site, InstructionKind.LINK, CAS)
    work(site, times=2)
    _collection, items = shown(site, made)
    with rows.behind(site.app):
        # What bunq's own page would not take: less than the whole.
        db.session.execute(update(Instruction).values(amount=Decimal("8.00")))
        db.session.commit()
    pay(site, items[0].instruction.share_url)
    work(site, times=3)
    collection, items = shown(site, made)
    assert (collection.received, collection.paid, collection.open) == (Decimal("5.00"), 0, 1)
    assert items[0].instruction.state is InstructionState.OPEN
    pay(site, items[0].instruction.share_url)
    work(site, times=3)
    collection, items = shown(site, made)
    assert (collection.received, collection.paid, collection.open) == (Decimal("10.00"), 1, 0)


@pytest.mark.sqlite_only
def test_350_people_are_prepared_together(site: ThreadSite, robin: Browser) -> None:
    people = [Person(f"Member {number}", None, Decimal(number + 1)) for number in range(350)]
    made = begin(site, InstructionKind.LINK, *people)
    collection, items = shown(site, made)
    assert (collection.people, len(items)) == (350, 350)
    with rows.behind(site.app):
        collections.take_back(members.require(ROBIN), made)
    with rows.behind(site.app):
        assert not set(db.session.scalars(select(Instruction.state))) - {InstructionState.CANCELLED}
        collections.settle()
    collection, items = shown(site, made)
    assert (collection.over, collection.open) == (350, 0)
    with rows.behind(site.app):
        kinds = list(db.session.scalars(select(AuditEvent.kind).order_by(AuditEvent.id)))
    assert kinds.count(AuditKind.INSTRUCTION_PREPARED) == 350


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anna@example.org", Party("EMAIL", "anna@example.org")),
        (" 06 1234 5678 ", Party("PHONE_NUMBER", "+31612345678")),
        ("0031 6-12345678", Party("PHONE_NUMBER", "+31612345678")),
        ("+31 (0)6 12 34 56 78", Party("PHONE_NUMBER", "+31612345678")),
        ("nl91 abna 0417 1643 00", Party("IBAN", "NL91ABNA0417164300", "Anna")),
        ("020 1234567", None),
        ("Anna", None),
        ("", None),
        ("+", None),
        ("+31٦12345678", None),
    ],
)
def test_payers_are_read_from_what_people_type(text: str, expected: Party | None) -> None:
    if expected is None:
        with pytest.raises(payers.NoPayer):
            payers.read(text, "Anna")
    else:
        assert payers.read(text, "Anna") == expected


@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", [InstructionKind.REQUEST, InstructionKind.LINK])
def test_whatever_bunq_does_everybody_is_asked_exactly_once(
    site: ThreadSite, bank: Bank, robin: Browser, holder: Client, kind: InstructionKind
) -> None:
    # Links have no reference of ours: of these, two people of the same name owe the same.
    people = [
        Person(f"Member {number // 2}", Party("EMAIL", f"member{number}@example.org"), Decimal(number // 2 + 1))
        for number in range(12)
    ]
    made = begin(site, kind, *people)
    name = "bunqme-tab" if kind is InstructionKind.LINK else "request-inquiry"
    for number, fault in enumerate(("500", "429", "reset", "bad-signature", "404", "401")):
        when = "after" if number % 2 else "before"
        bank.fault(call=f"POST {name}", fault=fault, when=when, times=2)
    for _each in range(8):
        instructions.time_passes(site.app)
        instructions.work(site.app)
    bank.no_faults()
    for _each in range(4):
        instructions.time_passes(site.app)
        instructions.work(site.app)
    _collection, items = shown(site, made)
    there = at_bunq(holder, name)
    assert len(there) == len({each["id"] for each in there})
    is_open = [each for each in items if each.instruction.state is InstructionState.OPEN]
    assert sorted(each.instruction.bunq_id for each in is_open) == sorted(each["id"] for each in there)
    assert all(each.instruction.state in (InstructionState.OPEN, InstructionState.FAILED) for each in items)
    assert len(is_open) >= 10
