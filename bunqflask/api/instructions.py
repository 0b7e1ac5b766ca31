"""Writing at bunq: draft payments, requests for money, bunq.me links, and transfers between own accounts.

A call is noted and answered at once; a worker does it, exactly once, and follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import g, url_for

from bunqflask import ibans
from bunqflask.api import problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.instruction_schemas import (
    DraftWish,
    InstructionItem,
    InstructionQuery,
    Instructions,
    LinkWish,
    RequestWish,
    TransferWish,
    exact,
)
from bunqflask.api.schemas import BunqRefusal
from bunqflask.models import (
    CardBody,
    DraftBody,
    DraftLine,
    InstructionKind,
    InstructionState,
    LinkBody,
    Party,
    RequestBody,
    TokenScope,
)
from bunqflask.models.instructions import Body
from bunqflask.services.instructions import preparing, reading
from bunqflask.services.instructions.changed_ibans import IbansNotCompared
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.policy import NotFoundHere

_DRAFTS, _REQUESTS = TokenScope.DRAFTS_WRITE, TokenScope.REQUESTS_WRITE
_LINKS, _TRANSFERS = TokenScope.LINKS_WRITE, TokenScope.TRANSFERS_WRITE
_ID_OF = {
    "draft": "draft_id",
    "money_request": "request_id",
    "payment_link": "link_id",
    "transfer": "transfer_id",
    "note_change": "note_change_id",
    "card_change": "card_change_id",
}
Begun = tuple[InstructionItem, int, dict[str, str]]


# A call that has something written: noted and answered at once, and done once for its `Idempotency-Key`.
writing = partial(endpoint, answer=InstructionItem, status=202, is_write=True)


@writing(
    "POST",
    "/drafts",
    body=DraftWish,
    scope=_DRAFTS,
    tag="Drafts",
)
def prepare_draft(json: DraftWish) -> Begun:
    """Prepare 1 to 350 payments. Another team member approves them here, and the holder accepts them in the bunq app.

    Money moves only when the holder accepts. A payment to a known receiver with another IBAN than before is refused
    unless it says that somebody compared the IBAN.
    """
    lines = [
        DraftLine(exact(each.amount), each.name, ibans.normalise(each.iban), each.description, each.end_to_end_id)
        for each in json.payments
    ]
    compared = {number for number, each in enumerate(json.payments, start=1) if each.iban_compared}
    try:
        row = preparing.prepare_within(
            g.bearer, int(json.account_id), DraftBody(tuple(lines)), label=json.label, compared=compared
        )
    except IbansNotCompared as refused:
        problems.refuse(f"{refused} A payment says so by `iban_compared`.")
    except InstructionRefused as refused:
        problems.refuse(str(refused))
    return begun("draft", row.id)


@endpoint("GET", "/drafts", query=InstructionQuery, answer=Instructions, scope=_DRAFTS, tag="Drafts")
def drafts(query: InstructionQuery) -> Instructions:
    """Drafts on the accounts that the token sees in full, the newest first."""
    return list_of([InstructionKind.DRAFT], query)


@endpoint("GET", "/drafts/<int:draft_id>", answer=InstructionItem, scope=_DRAFTS, tag="Drafts")
def draft(draft_id: int) -> InstructionItem:
    """One draft."""
    return item_of(get_of([InstructionKind.DRAFT], draft_id))


@writing(
    "POST",
    "/drafts/<int:draft_id>/cancel",
    scope=_DRAFTS,
    tag="Drafts",
)
def cancel_draft(draft_id: int) -> Begun:
    """Take a draft back, here or at bunq. What the holder has accepted by then stays accepted."""
    return _cancel("draft", InstructionKind.DRAFT, draft_id)


@writing(
    "POST",
    "/requests",
    body=RequestWish,
    scope=_REQUESTS,
    tag="Requests",
)
def request_money(json: RequestWish) -> Begun:
    """Ask somebody for money, by email address, phone number or IBAN. bunq sends the request."""
    payer = Party(json.payer.type, _value(json.payer.type, json.payer.value), json.payer.name)
    body = RequestBody(exact(json.amount), payer, json.description)
    return _prepare("money_request", json.account_id, body, json.label)


@endpoint("GET", "/requests", query=InstructionQuery, answer=Instructions, scope=_REQUESTS, tag="Requests")
def money_requests(query: InstructionQuery) -> Instructions:
    """Requests on the accounts that the token sees in full, the newest first."""
    return list_of([InstructionKind.REQUEST], query)


@endpoint("GET", "/requests/<int:request_id>", answer=InstructionItem, scope=_REQUESTS, tag="Requests")
def money_request(request_id: int) -> InstructionItem:
    """One request."""
    return item_of(get_of([InstructionKind.REQUEST], request_id))


@writing(
    "POST",
    "/requests/<int:request_id>/revoke",
    scope=_REQUESTS,
    tag="Requests",
)
def revoke_money_request(request_id: int) -> Begun:
    """Take a request back. One that was paid by then stays paid."""
    return _cancel("money_request", InstructionKind.REQUEST, request_id)


@writing(
    "POST",
    "/payment-links",
    body=LinkWish,
    scope=_LINKS,
    tag="Payment links",
)
def make_payment_link(json: LinkWish) -> Begun:
    """Make a bunq.me link; `share_url` leads payers to it once bunq has made it."""
    body = LinkBody(exact(json.amount), json.description, json.return_url)
    return _prepare("payment_link", json.account_id, body, json.label)


@endpoint("GET", "/payment-links", query=InstructionQuery, answer=Instructions, scope=_LINKS, tag="Payment links")
def payment_links(query: InstructionQuery) -> Instructions:
    """Links on the accounts that the token sees in full, the newest first."""
    return list_of([InstructionKind.LINK], query)


@endpoint("GET", "/payment-links/<int:link_id>", answer=InstructionItem, scope=_LINKS, tag="Payment links")
def payment_link(link_id: int) -> InstructionItem:
    """One link, with the payments that came of it."""
    return item_of(get_of([InstructionKind.LINK], link_id))


@writing(
    "POST",
    "/payment-links/<int:link_id>/cancel",
    scope=_LINKS,
    tag="Payment links",
)
def cancel_payment_link(link_id: int) -> Begun:
    """End a link: nobody can pay it any more."""
    return _cancel("payment_link", InstructionKind.LINK, link_id)


@writing(
    "POST",
    "/transfers",
    body=TransferWish,
    scope=_TRANSFERS,
    tag="Transfers",
)
def move_money(json: TransferWish) -> Begun:
    """Move money to another account of the same holder; the member who owns the token holds both. Nobody accepts it."""
    try:
        body = preparing.transfer_to(g.bearer, int(json.to_account_id), exact(json.amount), json.description)
    except NotFoundHere:
        problems.refuse("`to_account_id` is not an account that the token sees in full.")
    return _prepare("transfer", json.account_id, body, "")


@endpoint("GET", "/transfers", query=InstructionQuery, answer=Instructions, scope=_TRANSFERS, tag="Transfers")
def transfers(query: InstructionQuery) -> Instructions:
    """Transfers that were made here, the newest first."""
    return list_of([InstructionKind.TRANSFER], query)


@endpoint("GET", "/transfers/<int:transfer_id>", answer=InstructionItem, scope=_TRANSFERS, tag="Transfers")
def transfer(transfer_id: int) -> InstructionItem:
    """One transfer."""
    return item_of(get_of([InstructionKind.TRANSFER], transfer_id))


def _value(kind: str, value: str) -> str:
    return ibans.normalise(value) if kind == "IBAN" else value.strip()


def _prepare(view: str, account_id: str, body: Body, label: str) -> Begun:
    try:
        row = preparing.prepare_within(g.bearer, int(account_id), body, label=label)
    except InstructionRefused as refused:
        problems.refuse(str(refused))
    return begun(view, row.id)


def _cancel(view: str, kind: InstructionKind, instruction_id: int) -> Begun:
    get_of([kind], instruction_id)
    try:
        preparing.cancel_within(g.bearer, instruction_id)
    except ChangedMeanwhile:
        problems.refuse("It has ended already, and cannot be taken back.")
    return begun(view, instruction_id)


def begun(view: str, instruction_id: int) -> Begun:
    """Return the answer to a call that had something prepared; `view` shows how far it is."""
    which: dict[str, Any] = {_ID_OF[view]: instruction_id}
    address = url_for(f"api.{view}", **which, _external=True)
    return item_of(reading.get(g.bearer, instruction_id)), 202, {"Location": address}


def get_of(kinds: Sequence[InstructionKind], instruction_id: int) -> InstructionView:
    """Return an instruction of one of some kinds.

    :raises NotFoundHere: there is none, or the token does not see its account in full.
    """
    found = reading.get(g.bearer, instruction_id)
    if found.kind not in kinds:
        raise NotFoundHere
    return found


def list_of(kinds: Sequence[InstructionKind], query: InstructionQuery) -> Instructions:
    """Return what a query asks for of some kinds."""
    found = reading.list_all(
        g.bearer,
        kinds,
        states=None if query.state is None else [InstructionState(query.state)],
        account_id=None if query.account_id is None else int(query.account_id),
        older_than=None if query.older_than is None else int(query.older_than),
        limit=query.limit,
    )
    return Instructions([item_of(each) for each in found])


def item_of(found: InstructionView) -> InstructionItem:
    """Return an instruction as programs read it."""
    facts = found.error_facts or {}
    payment_id = getattr(found.body, "payment_row_id", None)
    said = BunqRefusal(
        status=facts.get("status", 0), message=facts.get("message", ""), response_id=facts.get("response_id")
    )
    return InstructionItem(
        id=str(found.id),
        kind=found.kind.value,
        state=found.state.value,
        label=found.label,
        reference=found.reference,
        account_id=str(found.account_id),
        amount=None if found.amount is None else f"{found.amount:.2f}",
        currency=found.currency,
        created_at=found.created_at,
        prepared_by=found.prepared_by,
        approved_by=found.approved_by,
        sent_at=found.sent_at,
        opened_at=found.opened_at,
        ended_at=found.ended_at,
        end_reason=found.end_reason.value if found.end_reason else None,
        next_try_at=found.next_try_at,
        cancel_asked_at=found.cancel_asked_at,
        error=found.error_kind.value if found.error_kind else None,
        bunq=said if facts else None,
        bunq_id=None if found.bunq_id is None else str(found.bunq_id),
        share_url=found.share_url,
        payment_id=None if payment_id is None else str(payment_id),
        card_id=str(found.body.card_id) if isinstance(found.body, CardBody) else None,
        bunq_payment_ids=[str(each) for each in found.payment_ids],
    )
