"""Instructions in tests: switched on, prepared, and moved on as a worker does, without waiting."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from flask import Flask
from sqlalchemy import select, update

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import (
    Ability,
    CardBody,
    DraftBody,
    DraftLine,
    Instruction,
    InstructionKind,
    LinkBody,
    MonetaryAccount,
    Party,
    RateLimitWindow,
    RequestBody,
    TransferBody,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import abilities, preparing, sending
from bunqflask.services.team import members
from tests.support import rows

STADSBUS = "NL91ABNA0417164300"


def switch_on(app: Flask, email: str, *which: Ability, connection_id: int = 1) -> None:
    """Let an owner switch abilities on, all unless named."""
    with rows.behind(app):
        for each in which or tuple(Ability):
            abilities.switch(members.require(email), connection_id, each, on=True)


def draft(*amounts: str, name: str = "Stadsbus", iban: str = STADSBUS) -> DraftBody:
    """Return a draft of so many payments."""
    lines = [
        DraftLine(Decimal(each), name, iban, f"Ticket {number}") for number, each in enumerate(amounts or ("12.50",))
    ]
    return DraftBody(tuple(lines))


def request(amount: str = "20.00") -> RequestBody:
    """Return a request to somebody outside bunq."""
    return RequestBody(Decimal(amount), Party("EMAIL", "payer@example.org"), "Dinner")


def link(amount: str = "7.00", text: str = "Contribution") -> LinkBody:
    """Return a link."""
    return LinkBody(Decimal(amount), text)


def limits(card_id: int, amount: str) -> CardBody:
    """Return another limit for a card."""
    return CardBody(card_id, limit=Decimal(amount))


def transfer(app: Flask, to: int, amount: str = "5.00") -> TransferBody:
    """Return a transfer to another account, by bunq's id of it."""
    with rows.behind(app):
        other = db.session.scalars(select(MonetaryAccount).filter_by(monetary_account_id=to)).one()
        return TransferBody(Decimal(amount), other.id, other.iban or "", "Own account", "To the savings")


def prepare(app: Flask, email: str, account: int, body: Body) -> int:
    """Prepare an instruction as a member, on an account by bunq's id; returns its id."""
    with rows.behind(app):
        account_id = db.session.scalars(select(MonetaryAccount.id).filter_by(monetary_account_id=account)).one()
        return preparing.prepare(members.require(email), account_id, body)


def approve(app: Flask, email: str, instruction_id: int) -> None:
    """Approve a draft as it is."""
    with rows.behind(app):
        shown = db.session.get_one(Instruction, instruction_id).content_hash
        preparing.approve(members.require(email), instruction_id, shown)


def take_back(app: Flask, email: str, instruction_id: int) -> None:
    """Take an instruction back."""
    with rows.behind(app):
        preparing.cancel(members.require(email), instruction_id)


def row(app: Flask, instruction_id: int) -> Instruction:
    """Return an instruction as it is stored."""
    with rows.behind(app):
        found = db.session.get_one(Instruction, instruction_id)
        db.session.expunge(found)
        return found


def time_passes(app: Flask) -> None:
    """Let whatever waits be due, every lease of a process that is gone run out, and bunq's limits allow all calls."""
    with rows.behind(app):
        past = clock.now() - timedelta(seconds=1)
        db.session.execute(update(Instruction).where(Instruction.ended_at.is_(None)).values(lease_until=past))
        waiting = update(Instruction).where(Instruction.next_try_at.is_not(None))
        db.session.execute(waiting.values(next_try_at=past))
        db.session.execute(db.delete(RateLimitWindow))
        db.session.commit()


def work(app: Flask) -> None:
    """Do once what a worker has to do now."""
    with rows.behind(app), rows.read_only():
        for each in sending.due():
            sending.advance(each, patience_s=5)


def work_until(app: Flask, instruction_id: int, states: Iterable[str], *, rounds: int = 12) -> Instruction:
    """Let time pass and a worker work until an instruction is in one of some states."""
    wanted = set(states)
    for _each in range(rounds):
        found = row(app, instruction_id)
        if found.state.value in wanted:
            return found
        time_passes(app)
        work(app)
    raise AssertionError(f"it is {row(app, instruction_id).state}, not one of {sorted(wanted)}")


KINDS = (InstructionKind.DRAFT, InstructionKind.REQUEST, InstructionKind.LINK, InstructionKind.TRANSFER)
