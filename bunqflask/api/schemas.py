"""What the API returns and takes. Amounts are decimal texts with their currency, times are UTC, ids are texts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Amount = Annotated[
    str,
    Meta(
        description="A decimal number as text, never rounded; negative: money went out.",
        examples=["-12.50"],
        pattern=r"^-?[0-9]+(\.[0-9]+)?$",
    ),
]
Id = Annotated[str, Meta(description="An id of this server, to be sent back as it is.", examples=["1"])]
Currency = Annotated[str, Meta(description="ISO 4217", examples=["EUR"])]
Day = Annotated[date, Meta(description="A day of the server’s time zone.", examples=["2026-11-28"])]
# What a payer or another stranger may have written. Results for assistants mark it as such.
Foreign = Annotated[str, Meta(extra_json_schema={"x-untrusted": True})]


class BunqRefusal(Struct, frozen=True, kw_only=True):
    """bunq’s own error: its status, its message, and its response id, for which bunq’s support asks."""

    status: int
    message: str
    response_id: str | None


class ApiProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a call was refused, as RFC 9457 describes. `code` is for programs, `reference` is in the server's log."""

    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""
    code: str = ""
    reference: str | None = None
    bunq: BunqRefusal | None = None


class Server(Struct, frozen=True, kw_only=True):
    """This server, and where to go from here."""

    version: str
    environment: Annotated[str, Meta(description="bunq’s environment: sandbox or production.")]
    time_zone: str
    links: dict[str, str]


class TokenInUse(Struct, frozen=True, kw_only=True):
    """The token of this call."""

    scopes: list[str]
    narrowed_to_accounts: bool


class Me(Struct, frozen=True, kw_only=True):
    """The team member to whom the token belongs, and what it allows."""

    name: str
    email: str
    role: str
    token: TokenInUse


class ConnectionItem(Struct, frozen=True, kw_only=True):
    """A connection to bunq. `state` is working, renew_soon, stopped or disconnected; bunq names no date for its end."""

    id: Id
    holder_name: Foreign
    holder_type: str
    state: str
    state_since: datetime
    reason: Annotated[
        str | None,
        Meta(
            description="Why it has stopped: refused (the permission), address or installation (this server), "
            "bunq_away, answers, accounts, late or no_worker."
        ),
    ]
    who: Annotated[str, Meta(description="Who can do something about it: nobody, holder or operator.")]
    explanation: Annotated[
        Foreign | None,
        Meta(description="What pages say of it: what happened and what to do; null where nothing is to be said."),
    ]
    given_at: Annotated[datetime | None, Meta(description="When the oldest permission in use was given.")]
    reminder_on: Annotated[date | None, Meta(description="The holders’ own reminder to renew it; not bunq’s date.")]
    session_until: Annotated[datetime | None, Meta(description="When bunq ends the session; another one follows.")]
    complete_at: Annotated[datetime | None, Meta(description="The last complete update of all accounts in it.")]
    accounts_updated_at: datetime | None
    error: Annotated[str | None, Meta(description="Why the last update failed.")]
    next_try_at: datetime | None
    consents: list[datetime]
    account_ids: list[Id]


class SyncState(Struct, frozen=True, kw_only=True):
    """How far an account is imported. `not_imported` is bunq's balance less that after the newest payment."""

    state: str
    synced_at: datetime | None
    next_try_at: datetime | None
    not_imported: Amount | None
    verified_until: datetime | None


class AccountItem(Struct, frozen=True, kw_only=True):
    """A monetary account with its last known balance; `monetary_account_id` is bunq's."""

    id: Id
    connection_id: Id
    monetary_account_id: str
    name: Foreign
    type: str
    iban: str | None
    currency: Currency
    balance: Amount | None
    balance_at: datetime | None
    status: str
    is_held: Annotated[bool, Meta(description="It is yours; otherwise it is shared with you.")]
    payments_from: Annotated[date | None, Meta(description="Earlier payments are not shared with you.")]
    sync: SyncState


class DayBalanceItem(Struct, frozen=True, kw_only=True):
    """The balance at the end of a day, and whether all balances up to it follow from one another."""

    date: date
    balance: Amount
    money_in: Amount
    money_out: Amount
    own_transfers: Amount
    is_verified: bool


class PaymentItem(Struct, frozen=True, kw_only=True):
    """A payment; `direction` is in, out, or own for a transfer between accounts that you can see."""

    id: Id
    account_id: Id
    booked_at: datetime
    date: date
    amount: Amount
    currency: Currency
    direction: Literal["in", "out", "own"]
    type: str
    description: Foreign
    counterparty_name: Foreign
    counterparty_iban: Foreign | None


class ChangeItem(Struct, frozen=True, kw_only=True):
    """A late change of a payment: what it was before."""

    kind: str
    noticed_at: datetime
    amount_before: Amount | None
    balance_before: Amount | None
    booked_before: datetime | None


class PaymentWhole(PaymentItem, frozen=True, kw_only=True, omit_defaults=True):
    """A payment with all that is stored of it; `payment_id` is bunq's, `raw` its JSON (with `expand=raw`).

    `withdrawn_at` is set when bunq does not list it any more: then no list and no sum has it.
    """

    payment_id: str
    updated_at: datetime
    balance_after: Amount | None
    sub_type: str
    other_side_id: Id | None
    changes: list[ChangeItem]
    withdrawn_at: datetime | None
    raw: dict[str, Any] | UnsetType = UNSET


class TotalsItem(Struct, frozen=True, kw_only=True):
    """What payments add up to in one currency; transfers between own accounts are counted apart."""

    currency: Currency
    count: int
    money_in: Amount
    money_out: Amount
    own_transfers: Amount
    own_count: int


class MonthItem(Struct, frozen=True, kw_only=True):
    """The totals of one month, such as 2026-11, per currency."""

    month: str
    totals: list[TotalsItem]


class NoteItem(Struct, frozen=True, kw_only=True):
    """A note on a payment, or a file attached to it, as they were fetched from bunq."""

    id: Annotated[str, Meta(description="bunq’s id of it; bunq numbers texts and files apart.", examples=["17"])]
    kind: Literal["text", "attachment"]
    text: Foreign | None
    author: Foreign
    attachment_ids: list[str]
    created_at: datetime | None


class ChangedPayment(PaymentItem, frozen=True, kw_only=True, omit_defaults=True):
    """A payment as it is now; `notes` are the stored ones, for a token with `notes:read`."""

    notes: list[NoteItem] | UnsetType = UNSET


class Changes(Struct, frozen=True, kw_only=True):
    """A page of changes. Apply it in this order, and keep `next` with what you have: it is the cursor of the next call.

    With `has_more` there are further changes now; without it you have exactly the payments that the token sees.
    """

    removed_accounts: Annotated[
        list[Id],
        Meta(description="Forget all payments of these accounts: they are gone, or are sent again as you see them."),
    ]
    removed: Annotated[list[Id], Meta(description="Forget these payments: bunq does not list them any more.")]
    added: Annotated[list[ChangedPayment], Meta(description="Stored since you were last up to date.")]
    modified: Annotated[list[ChangedPayment], Meta(description="Stored before: put them in place of what you have.")]
    next: Annotated[str, Meta(description="The cursor of the next call, now or later.")]
    has_more: bool


class ConsentWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom a link is. Nothing is sent to them."""

    label: Annotated[
        str, Meta(max_length=120, description="A name or an email address, for the member’s list.", examples=["Ann"])
    ] = ""
    language: Annotated[
        Literal["en", "nl"] | None,
        Meta(description="The language of the holder’s pages; null: the one that their browser asks for."),
    ] = None


class ConsentItem(Struct, frozen=True, kw_only=True):
    """A link by which an account holder consents at bunq, and how far that is.

    `state` is waiting (for the holder), exchanging or connecting (with bunq), confirm (the member answers at
    `answer_at`), and at the end connected, denied, expired, failed, cancelled or discarded.
    """

    id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    label: Annotated[str, Meta(description="For whom the link is, as its maker noted it; empty for an own consent.")]
    language: Annotated[str | None, Meta(description="The language chosen for the holder’s pages.")]
    state: str
    link: Annotated[str | None, Meta(description="Give it to the holder; it works once. Null unless waiting.")]
    created_at: datetime
    state_since: datetime
    ends_at: Annotated[datetime | None, Meta(description="Until when it stays in this state at most.")]
    valid_until: Annotated[datetime, Meta(description="Until when the link can be used, 7 days from its making.")]
    seen_at: Annotated[datetime | None, Meta(description="When a browser first showed the page of the link.")]
    opened_at: Annotated[datetime | None, Meta(description="When the holder last went on to bunq.")]
    approved_at: datetime | None
    holder_name: str | None
    renews_connection_id: Id | None
    connection_id: Annotated[Id | None, Meta(description="The connection that it led to.")]
    answer_at: Annotated[str, Meta(description="The page of it, for the member who owns the token.")]
    failure: str | None
    error: Annotated[str | None, Meta(description="Why the last try with bunq failed.")]
    next_try_at: datetime | None


class Consents(Struct, frozen=True):
    """Consents under way, the oldest first."""

    items: list[ConsentItem]


class AttachmentItem(Struct, frozen=True, kw_only=True):
    """A file of a payment, or of a note on it, by bunq’s id. bunq keeps its content."""

    id: str
    of: Literal["payment", "note"]
    content_at: str


class Attachments(Struct, frozen=True):
    """Files, those of the payment first."""

    items: list[AttachmentItem]


class Accepted(Struct, frozen=True, kw_only=True):
    """An update was asked for; a worker does it. `state_at` is the address that shows how it goes."""

    state_at: str


class Connections(Struct, frozen=True):
    """Connections, the oldest first."""

    items: list[ConnectionItem]


class Accounts(Struct, frozen=True):
    """Accounts, by connection."""

    items: list[AccountItem]


class DayBalances(Struct, frozen=True):
    """Days, the oldest first."""

    items: list[DayBalanceItem]


class Payments(Struct, frozen=True, kw_only=True):
    """One page of payments, the newest first; `next` is the cursor of the following page, or null at the end."""

    items: list[PaymentItem]
    next: str | None


class AllTotals(Struct, frozen=True):
    """Totals per currency."""

    items: list[TotalsItem]


class Months(Struct, frozen=True):
    """Months, the newest first; those without payments are left out."""

    items: list[MonthItem]


class Notes(Struct, frozen=True, kw_only=True):
    """The stored notes of a payment; they are fetched from bunq when a person opens its page."""

    items: list[NoteItem]
    fetched_at: datetime | None
