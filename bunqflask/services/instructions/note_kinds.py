"""Notes, files and cards at bunq: what is written, and how it is known again.

Changing or deleting a note and changing a card give the same result however often they are done. A new note has no
reference of ours: one of the same text, made since, is as good as ours, unless another instruction made it. A note
that names a file has our reference in its description.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from bunqflask import clock
from bunqflask.bunq import writable
from bunqflask.bunq.cards import Card
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.notes import Note
from bunqflask.bunq.writable import Write
from bunqflask.models import CardBody, FileBody, NoteBody, NoteChangeBody, NoteRemovalBody
from bunqflask.services.gateway import user_ids
from bunqflask.services.gateway.sessions import Bunq

Result = TypeVar("Result")
Written = NoteBody | NoteChangeBody | NoteRemovalBody | FileBody | CardBody
# bunq's texts for a card that works or is frozen, and for one that its holder has.
_USABLE = ("ACTIVE", "DEACTIVATED")
_DELIVERED = (
    "DELIVERED_TO_CUSTOMER",
    "VIRTUAL_DELIVERY",
    "CARD_UPDATE_REQUESTED",
    "CARD_UPDATE_PENDING",
    "CARD_UPDATE_SENT",
    "CARD_UPDATE_ACCEPTED",
)


def is_repeatable(body: Any) -> bool:
    """Tell whether doing it twice is the same as doing it once."""
    return isinstance(body, NoteChangeBody | NoteRemovalBody | CardBody)


def written_as(account_id: int, currency: str, body: Written, reference: str, attachment_id: int | None) -> Write:
    """Return what is written at bunq; `attachment_id` is bunq's id of the file, uploaded before."""
    match body:
        case NoteBody():
            return writable.new_note(account_id, body.payment_id, body.text)
        case NoteChangeBody():
            return writable.change_note(account_id, body.payment_id, body.note_id, body.text)
        case NoteRemovalBody():
            return writable.delete_note(account_id, body.payment_id, body.note_kind, body.note_id)
        case FileBody():
            if attachment_id is None:
                raise ValueError("the file was not uploaded")
            description = f"{body.name} ({reference})"
            return writable.attach_file(account_id, body.payment_id, attachment_id, description)
        case CardBody():
            if body.status is None:
                return writable.set_card_limits(body.card_id, body.limit, body.limit_atm, currency)
            return writable.set_card_status(body.card_id, body.status)


def find(
    bunq: Bunq, holder_user_id: int, account_id: int, body: Written, reference: str, sent_at: datetime
) -> list[int]:
    """Return bunq's ids of what has been done for an instruction, or may have been."""
    if isinstance(body, CardBody):
        card = show_card(bunq, holder_user_id, body.card_id)
        return [card.card_id] if _is_changed(card, body) else []
    payment_id = body.payment_id
    listed = user_ids.with_either(
        bunq, holder_user_id, lambda user_id: bunq.list_notes(account_id, payment_id, user_id=user_id)
    )
    if isinstance(body, NoteRemovalBody):
        is_there = any((each.kind, each.note_id) == (body.note_kind, body.note_id) for each in listed)
        return [] if is_there else [body.note_id]
    return [each.note_id for each in listed if _is_written(each, body, reference, sent_at)]


def show_card(bunq: Bunq, holder_user_id: int, card_id: int) -> Card:
    """Show a card as it is at bunq.

    :raises ObjectNotFound: the grant does not show it.
    """
    return _read(bunq, holder_user_id, lambda client, token, user_id: client.show_card(token, user_id, card_id))


def list_cards(bunq: Bunq, holder_user_id: int) -> list[Card]:
    """List the cards that the grant shows, as they are at bunq."""
    return _read(bunq, holder_user_id, lambda client, token, user_id: client.list_cards(token, user_id))


def is_in_use(card: Card) -> bool:
    """Tell whether a card can be frozen and used again: none that is lost, replaced or still on its way."""
    return card.status in _USABLE and card.sub_status in ("", "NONE") and card.order_status in _DELIVERED


def why_not_in_use(card: Card) -> str:
    """Return bunq's text for why a card cannot be used, such as LOST; empty when it can."""
    if is_in_use(card):
        return ""
    if card.sub_status not in ("", "NONE"):
        return card.sub_status
    return card.order_status if card.status in _USABLE else card.status


def _read(bunq: Bunq, holder_user_id: int, read: Callable[[BunqClient, str, int], Result]) -> Result:
    return user_ids.with_either(
        bunq, holder_user_id, lambda user_id: bunq.call(lambda client, token, _own: read(client, token, user_id))
    )


def _is_written(note: Note, body: NoteBody | NoteChangeBody | FileBody, reference: str, sent_at: datetime) -> bool:
    if isinstance(body, FileBody):
        return note.kind == "attachment" and reference in note.text
    is_same = note.kind == "text" and note.text == body.text
    if isinstance(body, NoteChangeBody):
        return is_same and note.note_id == body.note_id
    return is_same and note.created_at is not None and note.created_at >= sent_at - clock.SKEW


def _is_changed(card: Card, body: CardBody) -> bool:
    if body.status is not None:
        return card.status == body.status
    wanted = ((body.limit, card.limit), (body.limit_atm, card.limit_atm))
    return all(limit is None or (found is not None and found.value == limit) for limit, found in wanted)
