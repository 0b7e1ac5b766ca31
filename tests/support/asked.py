"""What is written for an account, as rows: a request, a link, a collection, a transfer, a note, a card."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from bunqflask import clock
from bunqflask.digest import digest
from bunqflask.extensions import db
from bunqflask.models import (
    Ability,
    CardBody,
    Collection,
    CollectionItem,
    ConnectionAbility,
    Instruction,
    InstructionKind,
    InstructionState,
    LinkBody,
    NoteBody,
    Party,
    RequestBody,
    TransferBody,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import preparing

_KINDS: dict[type, InstructionKind] = {
    RequestBody: InstructionKind.REQUEST,
    LinkBody: InstructionKind.LINK,
    TransferBody: InstructionKind.TRANSFER,
    NoteBody: InstructionKind.NOTE,
    CardBody: InstructionKind.CARD,
}


@dataclass(frozen=True)
class Asked:
    """The ids of what is asked on an account, made from that of the account; `text` stands in all of it."""

    account_id: int
    connection_id: int
    text: str

    @property
    def request_id(self) -> int:
        return 79_000_000 + self.account_id

    @property
    def link_id(self) -> int:
        return 80_000_000 + self.account_id

    @property
    def collection_id(self) -> int:
        return 81_000_000 + self.account_id

    @property
    def item_id(self) -> int:
        return 82_000_000 + self.account_id

    @property
    def transfer_id(self) -> int:
        return 83_000_000 + self.account_id

    @property
    def note_change_id(self) -> int:
        return 84_000_000 + self.account_id

    @property
    def card_change_id(self) -> int:
        return 85_000_000 + self.account_id


def switch_on(connection_id: int) -> None:
    """Let everything be written for the accounts of a connection."""
    for each in Ability:
        db.session.merge(ConnectionAbility(connection_id=connection_id, ability=each, since=clock.now()))


def add(asked: Asked, member_id: int) -> None:
    """Store what is asked on an account; all of it is open at bunq."""
    request = RequestBody(Decimal("12.50"), Party("EMAIL", f"{asked.text}@example.org"), asked.text)
    link = LinkBody(Decimal("7.00"), asked.text)
    of_collection = digest(str(asked.collection_id))[:12]
    db.session.add(_instruction(asked, member_id, asked.request_id, request, None))
    db.session.add(_instruction(asked, member_id, asked.link_id, link, None))
    db.session.add(_instruction(asked, member_id, asked.item_id, link, of_collection))
    bodies: dict[int, Body] = {
        asked.transfer_id: TransferBody(Decimal("5.00"), 1, "NL91ABNA0417164300", asked.text, asked.text),
        asked.note_change_id: NoteBody(1, 1, asked.text),
        asked.card_change_id: CardBody(1, status="DEACTIVATED"),
    }
    for number, body in bodies.items():
        taken_back = _instruction(asked, member_id, number, body, None)
        taken_back.state, taken_back.ended_at = InstructionState.CANCELLED, _long_ago()
        taken_back.cancel_asked_at = _long_ago()
        db.session.add(taken_back)
    db.session.flush()
    db.session.add(
        Collection(
            id=asked.collection_id,
            reference=of_collection,
            token=of_collection,
            kind=InstructionKind.LINK,
            account_id=asked.account_id,
            member_id=member_id,
            name=asked.text,
            description=asked.text,
            created_at=_long_ago(),
        )
    )
    db.session.flush()
    item = CollectionItem(id=asked.item_id, collection_id=asked.collection_id, instruction_id=asked.item_id)
    item.name, item.received = asked.text, Decimal(0)
    db.session.add(item)


def _instruction(asked: Asked, member_id: int, number: int, body: Body, batch: str | None) -> Instruction:
    return Instruction(
        id=number,
        kind=_KINDS[type(body)],
        state=InstructionState.OPEN,
        reference=f"BF{digest(str(number))[:10].upper()}",
        connection_id=asked.connection_id,
        account_id=asked.account_id,
        member_id=member_id,
        body=body,
        content_hash=digest(str(number)),
        amount=preparing.amount_of(body),
        batch=batch,
        created_at=_long_ago(),
        opened_at=_long_ago(),
        looks=0,
        bunq_id=number,
        result={"share_url": f"https://bunq.me/t/{digest(asked.text)[:8]}"},
    )


def _long_ago() -> datetime:
    # Long enough to stand as the same text on every page of a test.
    return clock.now() - timedelta(days=3)
