"""What the API returns and takes about what is written at bunq: drafts, requests, links and own transfers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bunqflask.api.schemas import Amount, BunqRefusal, Currency, Foreign, Id

Positive = Annotated[
    str,
    Meta(
        description="An amount above zero with at most two decimals.",
        pattern=r"^[0-9]{1,8}(\.[0-9]{1,2})?$",
        examples=["12.50"],
    ),
]
AccountId = Annotated[
    str, Meta(pattern="^[0-9]{1,9}$", description="The id of an account of this server.", examples=["1"])
]
Text = Annotated[str, Meta(min_length=1, max_length=140, examples=["Invoice 2026-118"])]
Iban = Annotated[
    str,
    Meta(
        max_length=42,
        description="With or without spaces; its check digits are checked.",
        examples=["NL91 ABNA 0417 1643 00"],
    ),
]
State = Literal[
    "prepared", "waiting", "sending", "unknown", "open", "accepted", "rejected", "cancelled", "failed", "done"
]


class PartyWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom bunq shall ask for money."""

    type: Literal["EMAIL", "PHONE_NUMBER", "IBAN"]
    value: Annotated[str, Meta(min_length=1, max_length=254, examples=["ann@example.org"])]
    name: Annotated[str, Meta(max_length=70, description="Needed with an IBAN.", examples=["Ann"])] = ""


class DraftLineWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One payment of a draft, in euros."""

    amount: Positive
    name: Annotated[str, Meta(min_length=1, max_length=70, examples=["Stadsbus"])]
    iban: Iban
    description: Annotated[str, Meta(max_length=140, examples=["Invoice 2026-118"])]
    end_to_end_id: Annotated[str, Meta(max_length=35, examples=["E2E-118"])] | None = None
    iban_compared: Annotated[
        bool,
        Meta(
            description="Needed where the receiver was paid at another IBAN before: somebody compared this one with "
            "something else than the message in which it came."
        ),
    ] = False


class DraftWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payments to be prepared together. Another team member approves them, and the holder accepts them at bunq."""

    account_id: AccountId
    payments: Annotated[list[DraftLineWish], Meta(min_length=1, max_length=350)]
    label: Annotated[str, Meta(max_length=120, description="What you call it.", examples=["Invoices week 47"])] = ""


class RequestWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money to be asked for."""

    account_id: AccountId
    amount: Positive
    payer: PartyWish
    description: Text
    label: Annotated[str, Meta(max_length=120)] = ""


class LinkWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bunq.me link to be made, which everybody who has it can pay."""

    account_id: AccountId
    amount: Positive
    description: Annotated[str, Meta(min_length=1, max_length=9000, examples=["Contribution 2026"])]
    return_url: (
        Annotated[str, Meta(max_length=500, description="Where payers are led afterwards; https only.")] | None
    ) = None
    label: Annotated[str, Meta(max_length=120)] = ""


class TransferWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money to be moved to another account of the same holder. Nobody has to accept it."""

    account_id: AccountId
    to_account_id: AccountId
    amount: Positive
    description: Text


class NoteWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a note on a payment says."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000, examples=["For the project in Utrecht."])]


class FileQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file in the body is called."""

    name: Annotated[str, Meta(max_length=200, description="It is shown at bunq.", examples=["taxi.pdf"])] = ""


class CardWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account that the card pays from; the member who owns the token holds it."""

    account_id: AccountId


class CardLimitsWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other limits for a card, in the currency of its account. One that is not named stays."""

    account_id: AccountId
    limit: Annotated[Positive | None, Meta(description="For payments in a day.")] = None
    limit_atm: Annotated[Positive | None, Meta(description="For cash from machines in a day.")] = None


class InstructionItem(Struct, frozen=True, kw_only=True):
    """Something that is written at bunq, and how far it is.

    `state` is prepared (another member has to approve it), waiting, sending, unknown (bunq’s answer was lost: it is
    looked up, and never sent twice), open (others decide at bunq), and at the end accepted, rejected, cancelled,
    failed (nothing was done) or done.
    """

    id: Id
    kind: Literal["draft", "request", "link", "transfer", "note", "file", "card"]
    state: State
    label: str
    reference: Annotated[str, Meta(description="Ours, by which it is found at bunq; payments of drafts carry it.")]
    account_id: Id
    amount: Annotated[Amount | None, Meta(description="The sum; null where it is not about money.")]
    currency: Currency
    created_at: datetime
    prepared_by: str
    approved_by: Annotated[str, Meta(description="Empty where nobody has to approve, or has yet.")]
    sent_at: datetime | None
    opened_at: Annotated[datetime | None, Meta(description="When it was known to be at bunq.")]
    ended_at: datetime | None
    end_reason: Annotated[str | None, Meta(description="Why it failed, or was cancelled otherwise than here.")]
    next_try_at: datetime | None
    cancel_asked_at: datetime | None
    error: Annotated[str | None, Meta(description="Why the last call to bunq failed.")]
    bunq: Annotated[BunqRefusal | None, Meta(description="bunq’s own words about it.")]
    bunq_id: Annotated[str | None, Meta(description="bunq’s id of it.")]
    share_url: Annotated[Foreign | None, Meta(description="Where a payer pays it.")]
    payment_id: Annotated[Id | None, Meta(description="The payment that a note or a file is for.")]
    card_id: Annotated[str | None, Meta(description="bunq’s id of the card that is changed.")]
    bunq_payment_ids: Annotated[list[str], Meta(description="bunq’s ids of the payments that came of it.")]


class Instructions(Struct, frozen=True):
    """What was written, the newest first."""

    items: list[InstructionItem]


class InstructionQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of them to list."""

    state: State | None = None
    account_id: AccountId | None = None
    older_than: Annotated[str, Meta(pattern="^[0-9]{1,9}$", description="Only those with a smaller id.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


def exact(amount: str) -> Decimal:
    """Return an amount of a wish, which its pattern has checked."""
    return Decimal(amount)
