"""What the API returns and takes about collections: people who are asked for money together."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bunqflask.api.instruction_schemas import AccountId, PartyWish, Positive
from bunqflask.api.schemas import Amount, Currency, Foreign, Id

Kind = Literal["request", "link"]
PersonState = Literal[
    "being_sent", "open", "being_imported", "paid_in_part", "paid", "being_taken_back", "taken_back", "expired",
    "refused", "not_sent",
]  # fmt: skip


class PersonWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody to be asked. A request needs a payer; the name stands in for an IBAN’s that has none of its own."""

    name: Annotated[str, Meta(min_length=1, max_length=70, examples=["Anna Visser"])]
    amount: Positive
    payer: PartyWish | None = None


class CollectionWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People to be asked together, each by a request, which bunq sends, or by a link, which you send."""

    account_id: AccountId
    kind: Kind
    name: Annotated[str, Meta(min_length=1, max_length=120, description="Only your team reads it.")]
    description: Annotated[
        str, Meta(min_length=1, max_length=100, description="Payers read it, with their own name behind it.")
    ]
    people: Annotated[list[PersonWish], Meta(min_length=1, max_length=350)]


class CollectionItem(Struct, frozen=True, kw_only=True):
    """A collection. `closed_at` is since when nothing is expected of anybody any more."""

    id: Id
    kind: Kind
    name: str
    description: str
    reference: Annotated[str, Meta(description="Ours.")]
    account_id: Id
    currency: Currency
    created_at: datetime
    closed_at: datetime | None
    prepared_by: str
    people_count: int
    paid_count: int
    over_count: Annotated[int, Meta(description="How many were asked in vain, and are not asked any more.")]
    amount_asked: Amount
    amount_received: Amount


class Collections(Struct, frozen=True):
    """Collections, the newest first."""

    items: list[CollectionItem]


class Payer(Struct, frozen=True, kw_only=True):
    """Whom bunq asks, or by what your team knows whom to send a link."""

    type: Literal["EMAIL", "PHONE_NUMBER", "IBAN"]
    value: str
    name: str


class CollectionPerson(Struct, frozen=True, kw_only=True):
    """Somebody of a collection, with the request or the link by which they are asked, or were asked last.

    `state` is being_sent, open, being_imported (bunq shows a payment that is not imported here yet), paid_in_part,
    paid, being_taken_back, and without a payment taken_back, expired, refused (by the payer) or not_sent.
    """

    id: Id
    name: str
    payer: Payer | None
    state: PersonState
    amount: Amount
    received: Amount
    paid_at: Annotated[datetime | None, Meta(description="When it was noted here.")]
    reference: Annotated[str, Meta(description="That of the request or the link.")]
    instruction_id: Annotated[Id, Meta(description="The id of the request or the link.")]
    share_url: Annotated[Foreign | None, Meta(description="Where the person pays; null once nobody can any more.")]
    reminder: Annotated[str | None, Meta(description="A text to send; null where there is nothing to pay.")]
    can_ask_again: Annotated[bool, Meta(description="It ended without a payment, and the member may ask again.")]


class CollectionDetail(CollectionItem, frozen=True, kw_only=True):
    """A collection with its people, in the order of the list."""

    people: list[CollectionPerson]


class CollectionQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which collections to list."""

    older_than: Annotated[str, Meta(pattern="^[0-9]{1,9}$", description="Only those with a smaller id.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class CollectionFileQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns the file has, and how it is written: with comma and point, or with semicolons and commas."""

    columns: (
        Annotated[
            str,
            Meta(
                max_length=200,
                description=(
                    "Separated by commas: name, payer, amount, currency, state, received, paid_at, link, reference. "
                    "Without it, all."
                ),
                examples=["name,state,amount"],
            ),
        ]
        | None
    ) = None
    decimal: Literal["point", "comma"] = "point"
