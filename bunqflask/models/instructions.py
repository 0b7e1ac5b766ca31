"""Instructions: what people had this server write at bunq, each done there exactly once.

`services.instructions.sending` moves them from state to state.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec
from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bunqflask.database.leases import Leased
from bunqflask.database.types import ExactAmount, TypedJson, UtcTimestamp, enum_column
from bunqflask.extensions import Base
from bunqflask.models.retry import RetryState

_IS_OPEN = text("ended_at IS NULL")


class Ability(StrEnum):
    """What an owner lets this server write at bunq for a connection; none is on at first."""

    # payments that the holder accepts in the bunq app, or does not
    DRAFTS = "drafts"
    REQUESTS = "requests"
    LINKS = "links"
    # between accounts of the same holder, without anybody's acceptance in the bunq app
    TRANSFERS = "transfers"
    # notes on payments, and files attached to them
    NOTES = "notes"
    # freezing, and limits
    CARDS = "cards"


class InstructionKind(StrEnum):
    """What is written at bunq."""

    DRAFT = "draft"
    REQUEST = "request"
    LINK = "link"
    TRANSFER = "transfer"
    NOTE = "note"
    FILE = "file"
    CARD = "card"


NOTE_KINDS = (InstructionKind.NOTE, InstructionKind.FILE)


class InstructionState(StrEnum):
    """How far an instruction is; `services.instructions.sending` makes the moves."""

    # somebody else has to approve it
    PREPARED = "prepared"
    # to be sent, at once or once bunq can be asked
    WAITING = "waiting"
    # bunq is asked now; found so after a crash, it becomes unknown
    SENDING = "sending"
    # bunq was asked, and its answer was lost: it is looked up, never sent again before that
    UNKNOWN = "unknown"
    # it exists at bunq, and others decide about it
    OPEN = "open"
    # the holder accepted the draft; the payer paid the request
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    # taken back here or at bunq, or expired there
    CANCELLED = "cancelled"
    # bunq refused it, or it could not be sent in time: nothing was done
    FAILED = "failed"
    # bunq has done it, and nobody decides about it any more
    DONE = "done"


class EndReason(StrEnum):
    """Why an instruction failed, or was taken back otherwise than by a person here."""

    # bunq said no; `error_facts` has its words
    REFUSED = "refused"
    # it could not be sent within a day
    TOO_LATE = "too_late"
    # the right, the ability or the consent that it needs is gone
    NOT_PERMITTED = "not_permitted"
    # at bunq
    EXPIRED = "expired"
    WITHDRAWN_AT_BUNQ = "withdrawn_at_bunq"


class Party(msgspec.Struct, frozen=True):
    """Whom bunq shall ask for money: `value` is an email address, a phone number as +31…, or an IBAN with a name."""

    type: Literal["EMAIL", "PHONE_NUMBER", "IBAN"]
    value: str
    name: str = ""


class DraftLine(msgspec.Struct, frozen=True):
    """One payment of a draft, in euros; amounts are positive."""

    amount: Decimal
    name: str
    iban: str
    description: str
    # of the file that it came from
    end_to_end_id: str | None = None


class DraftBody(msgspec.Struct, frozen=True, tag="draft"):
    """Payments that the holder accepts or rejects together."""

    lines: tuple[DraftLine, ...]


class RequestBody(msgspec.Struct, frozen=True, tag="request"):
    """Asking somebody for money."""

    amount: Decimal
    payer: Party
    description: str


class LinkBody(msgspec.Struct, frozen=True, tag="link"):
    """A bunq.me link; `return_url` is where its payers are led afterwards."""

    amount: Decimal
    description: str
    return_url: str | None = None


class TransferBody(msgspec.Struct, frozen=True, tag="transfer"):
    """Moving money to another account of the same holder; `to_account_id` is ours."""

    amount: Decimal
    to_account_id: int
    to_iban: str
    to_name: str
    description: str


class NoteBody(msgspec.Struct, frozen=True, tag="note"):
    """A text for a payment: `payment_row_id` is our id of it, `payment_id` bunq's."""

    payment_row_id: int
    payment_id: int
    text: str


class NoteChangeBody(msgspec.Struct, frozen=True, tag="note_change"):
    """Another text for a note of bunq's."""

    payment_row_id: int
    payment_id: int
    note_id: int
    text: str


class NoteRemovalBody(msgspec.Struct, frozen=True, tag="note_removal"):
    """Deleting a note, or taking files off a payment again: those are notes of a kind of their own at bunq."""

    payment_row_id: int
    payment_id: int
    note_kind: Literal["text", "attachment"]
    note_id: int


class FileBody(msgspec.Struct, frozen=True, tag="file"):
    """A file for a payment; `digest` is the SHA-256 of its bytes, which `InstructionFile` has until bunq has them."""

    payment_row_id: int
    payment_id: int
    name: str
    media_type: str
    digest: str


class CardBody(msgspec.Struct, frozen=True, tag="card"):
    """Freezing a card (`DEACTIVATED`) or using it again (`ACTIVE`), or limits in the currency of its account."""

    card_id: int
    status: Literal["ACTIVE", "DEACTIVATED"] | None = None
    limit: Decimal | None = None
    limit_atm: Decimal | None = None


Body = (
    DraftBody
    | RequestBody
    | LinkBody
    | TransferBody
    | NoteBody
    | NoteChangeBody
    | NoteRemovalBody
    | FileBody
    | CardBody
)


class Instruction(RetryState, Leased, Base):
    """One write at bunq: what, for whom, how far it is, and what became of it.

    `next_try_at` is when the worker acts on it next, in each state that it acts on.
    """

    __tablename__ = "instruction"
    __table_args__ = (
        UniqueConstraint("account_id", "kind", "bunq_id"),
        Index("ix_instruction_due", "next_try_at", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[InstructionKind] = mapped_column(enum_column(InstructionKind))
    state: Mapped[InstructionState] = mapped_column(enum_column(InstructionState))
    # by which it is found at bunq; of drafts and transfers it stands in the payments too
    reference: Mapped[str] = mapped_column(String(20), unique=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"))
    # who prepared it; None: a member who was removed since
    member_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="SET NULL"), index=True)
    body: Mapped[Body] = mapped_column(TypedJson(Body))
    # of account, kind and body: what an approver saw is what is sent
    content_hash: Mapped[str] = mapped_column(String(64))
    # the sum of its amounts, in the account's currency; None where it is not about money
    amount: Mapped[Decimal | None] = mapped_column(ExactAmount)
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)
    # what its preparer calls it, such as the name of the file that it came from
    label: Mapped[str] = mapped_column(String(120), default="")
    # what a file or a list was split into, or turned into
    batch: Mapped[str | None] = mapped_column(String(20), index=True)
    approved_by_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="SET NULL"), index=True)
    approved_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # why an approver sent it back to who prepared it
    sent_back: Mapped[str] = mapped_column(Text, default="")
    # since when it may be sent
    ready_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # the user id in the path; None: that of the session, which bunq may refuse (`gateway.user_ids`)
    path_user_id: Mapped[int | None] = mapped_column(BigInteger)
    # the last time that bunq was asked to do it
    sent_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # how often it was looked up in vain since
    looks: Mapped[int] = mapped_column(default=0)
    bunq_id: Mapped[int | None] = mapped_column(BigInteger)
    opened_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # what bunq shows of it: an address to share, ids of payments, the id of an uploaded file
    result: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    cancel_asked_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    end_reason: Mapped[EndReason | None] = mapped_column(enum_column(EndReason))


class InstructionFile(Base):
    """The bytes of a file on its way to bunq, deleted once bunq has them or the instruction has ended."""

    __tablename__ = "instruction_file"

    instruction_id: Mapped[int] = mapped_column(ForeignKey("instruction.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class ConnectionAbility(Base):
    """An owner lets this server write something at bunq for a connection."""

    __tablename__ = "connection_ability"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True)
    ability: Mapped[Ability] = mapped_column(enum_column(Ability), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcTimestamp)
    # of drafts, in euros: what may be approved in one day in all, and by one person; None: as much as they like
    day_limit: Mapped[Decimal | None] = mapped_column(ExactAmount)
    approver_limit: Mapped[Decimal | None] = mapped_column(ExactAmount)


class Collection(Base):
    """People who are asked for money together, each by a request or by a link of their own."""

    __tablename__ = "collection"
    __table_args__ = (UniqueConstraint("member_id", "token"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    # `batch` of its instructions
    reference: Mapped[str] = mapped_column(String(20), unique=True)
    # of the form that began it: one that is sent twice begins one collection
    token: Mapped[str] = mapped_column(String(64))
    # a request or a link
    kind: Mapped[InstructionKind] = mapped_column(enum_column(InstructionKind))
    account_id: Mapped[int] = mapped_column(ForeignKey("monetary_account.id", ondelete="CASCADE"), index=True)
    # who began it; None: a member who was removed since
    member_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(120))
    # what payers read, each with their name behind it
    description: Mapped[str] = mapped_column(String(140))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp)
    # since when nothing is expected of anybody any more
    closed_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class CollectionItem(Base):
    """One person of a collection, with the instruction that asks them."""

    __tablename__ = "collection_item"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collection.id", ondelete="CASCADE"), index=True)
    instruction_id: Mapped[int] = mapped_column(ForeignKey("instruction.id", ondelete="CASCADE"), unique=True)
    name: Mapped[str] = mapped_column(String(70))
    # None: the person gets the link in another way
    payer: Mapped[Party | None] = mapped_column(TypedJson(Party))
    # what has come in so far
    received: Mapped[Decimal] = mapped_column(ExactAmount)
    paid_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)
    # since when nothing is expected any more: it was paid, or its request or link has ended
    ended_at: Mapped[datetime | None] = mapped_column(UtcTimestamp)


class IdempotentCall(Base):
    """The answer to a call of the API that wrote something: the same call with the same key gets it again."""

    __tablename__ = "idempotent_call"

    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    # of method, address and body
    call_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    answer: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcTimestamp, index=True)


class PaymentFileMapping(Base):
    """Which column of a payment file is what, as a member confirmed it: for their next file of the same kind."""

    __tablename__ = "payment_file_mapping"

    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id", ondelete="CASCADE"), primary_key=True)
    # of the names of all columns, in their order
    header_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    # headings by what they hold; see `payment_files.csv_columns.ColumnMapping`
    mapping: Mapped[dict[str, str]] = mapped_column(JSON)
    used_at: Mapped[datetime] = mapped_column(UtcTimestamp)
