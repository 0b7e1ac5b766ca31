"""What each kind of instruction is at bunq: what is written, how it is found again, and what its states mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bunqflask import clock
from bunqflask.bunq import writable
from bunqflask.bunq.writable import Entry, Write
from bunqflask.bunq.written import Written
from bunqflask.models import (
    DraftBody,
    EndReason,
    Instruction,
    InstructionKind,
    InstructionState,
    LinkBody,
    MonetaryAccount,
    Party,
    RequestBody,
    TransferBody,
)
from bunqflask.services.gateway import user_ids
from bunqflask.services.gateway.sessions import Bunq
from bunqflask.services.instructions import note_kinds

_STATES: dict[InstructionKind, dict[str, tuple[InstructionState, EndReason | None]]] = {
    InstructionKind.DRAFT: {
        "ACCEPTED": (InstructionState.ACCEPTED, None),
        "REJECTED": (InstructionState.REJECTED, None),
        "CANCELLED": (InstructionState.CANCELLED, EndReason.WITHDRAWN_AT_BUNQ),
    },
    InstructionKind.REQUEST: {
        "ACCEPTED": (InstructionState.ACCEPTED, None),
        "REJECTED": (InstructionState.REJECTED, None),
        "REVOKED": (InstructionState.CANCELLED, EndReason.WITHDRAWN_AT_BUNQ),
        "EXPIRED": (InstructionState.CANCELLED, EndReason.EXPIRED),
    },
    InstructionKind.LINK: {
        "CANCELLED": (InstructionState.CANCELLED, EndReason.WITHDRAWN_AT_BUNQ),
        "EXPIRED": (InstructionState.CANCELLED, EndReason.EXPIRED),
    },
}


@dataclass(frozen=True)
class Place:
    """Where an instruction belongs at bunq: the account, and the holder's own user id."""

    monetary_account_id: int
    currency: str
    holder_user_id: int


@dataclass(frozen=True)
class Sought:
    """What an instruction that may have been done is sought by, read before bunq is asked."""

    kind: InstructionKind
    body: Any
    reference: str
    sent_at: datetime
    place: Place


def place_of(account: MonetaryAccount, holder_user_id: int) -> Place:
    """Return where an account is at bunq."""
    return Place(account.monetary_account_id, account.currency, holder_user_id)


def is_followed(kind: InstructionKind) -> bool:
    """Tell whether others decide about it once it is at bunq."""
    return kind in _STATES


def write_of(instruction: Instruction, place: Place) -> Write:
    """Return what is written at bunq for an instruction."""
    account_id, body, reference = place.monetary_account_id, instruction.body, instruction.reference
    match body:
        case DraftBody():
            entries = [
                Entry(line.amount, line.name, line.iban, line.description, reference_of_line(reference, number))
                for number, line in enumerate(body.lines, start=1)
            ]
            return writable.new_draft(account_id, entries)
        case RequestBody():
            payer = _pointer(body.payer)
            return writable.new_request(account_id, body.amount, place.currency, payer, body.description, reference)
        case LinkBody():
            return writable.new_link(account_id, body.amount, place.currency, body.description, body.return_url)
        case TransferBody():
            return writable.own_transfer(
                account_id, body.amount, place.currency, body.to_iban, body.to_name, body.description, reference
            )
        case _:
            attachment_id = instruction.result.get("attachment_id")
            return note_kinds.written_as(account_id, place.currency, body, reference, attachment_id)


def reference_of_line(reference: str, number: int) -> str:
    """Return the reference of one payment of a draft, numbered from 1."""
    return f"{reference}-{number}"


def path_of(kind: InstructionKind, place: Place, bunq_id: int) -> str:
    """Return the path of what an instruction made at bunq.

    :raises KeyError: nobody follows this kind.
    """
    paths = {
        InstructionKind.DRAFT: writable.draft_path,
        InstructionKind.REQUEST: writable.request_path,
        InstructionKind.LINK: writable.link_path,
    }
    return paths[kind](place.monetary_account_id, bunq_id)


def cancel_of(kind: InstructionKind, place: Place, shown: Written) -> Write:
    """Return what takes something back at bunq, as it was last shown.

    :raises KeyError: this kind cannot be taken back.
    """
    account_id, bunq_id = place.monetary_account_id, shown.bunq_id
    return {
        InstructionKind.DRAFT: lambda: writable.cancel_draft(account_id, bunq_id, shown.updated),
        InstructionKind.REQUEST: lambda: writable.revoke_request(account_id, bunq_id),
        InstructionKind.LINK: lambda: writable.cancel_link(account_id, bunq_id),
    }[kind]()


def state_of(kind: InstructionKind, shown: Written) -> tuple[InstructionState, EndReason | None]:
    """Return how far something is, by bunq's word for it; a word that is not known is taken as open."""
    return _STATES[kind].get(shown.status, (InstructionState.OPEN, None))


def look_up(bunq: Bunq, sought: Sought) -> list[int]:
    """Return bunq's ids of what may have been made for an instruction, the likeliest first.

    What bunq echoes our reference of is found for certain. A link has none: one of the same amount, text and return
    address, made since, is as good as ours, unless another instruction made it; the caller knows those.
    """
    if sought.kind is InstructionKind.TRANSFER:
        return list(_find_payments(bunq, sought))
    if sought.kind in (InstructionKind.NOTE, InstructionKind.FILE, InstructionKind.CARD):
        where = sought.place
        return note_kinds.find(
            bunq, where.holder_user_id, where.monetary_account_id, sought.body, sought.reference, sought.sent_at
        )
    paths = {
        InstructionKind.DRAFT: writable.draft_path,
        InstructionKind.REQUEST: writable.request_path,
        InstructionKind.LINK: writable.link_path,
    }
    path, place = paths[sought.kind](sought.place.monetary_account_id), sought.place
    listed = user_ids.with_either(
        bunq,
        place.holder_user_id,
        lambda user_id: bunq.call(lambda client, token, _own: client.list_written(token, user_id, path)),
    )
    return [each.bunq_id for each in listed if _is_sought(sought, each)]


def _is_sought(sought: Sought, shown: Written) -> bool:
    body = sought.body
    if not isinstance(body, LinkBody):
        names = {sought.reference, reference_of_line(sought.reference, 1)}
        return not names.isdisjoint(shown.references)
    is_new = shown.created_at is not None and shown.created_at >= sought.sent_at - clock.SKEW
    is_same = shown.amount is not None and shown.amount.value == body.amount
    return is_new and is_same and (shown.description, shown.return_url) == (body.description, body.return_url)


def _find_payments(bunq: Bunq, sought: Sought) -> Iterator[int]:
    """Yield the payments with our reference, the newest first, back to when the transfer was sent."""
    place, older_id = sought.place, None
    oldest = sought.sent_at - timedelta(days=1)
    while True:
        page = bunq.list_payments(place.monetary_account_id, older_id=older_id)
        for payment in page.payments:
            if json.loads(payment.raw).get("merchant_reference") == sought.reference:
                yield payment.payment_id
        older_id = page.older_id
        if older_id is None or any(each.created_at < oldest for each in page.payments):
            return


def _pointer(party: Party) -> dict[str, str]:
    pointer = {"type": party.type, "value": party.value}
    return {**pointer, "name": party.name} if party.name else pointer
