"""Everything that this server can write at bunq under a grant: one function for each, and no other way.

None of them pays a third party or accepts a draft; a grant would not permit it either. `Write` is made in this module
alone, and a test holds that.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from bunqflask.bunq.notes import NoteKind
from bunqflask.bunq.protocol import FileContent

# So many payments can a draft have. https://doc.bunq.com/api-reference/draft-payment
DRAFT_ENTRIES = 350
# What a bank outside bunq takes. https://doc.bunq.com/api-reference/payment
LONGEST_DESCRIPTION = 140
# https://doc.bunq.com/api-reference/bunqme
LONGEST_LINK_DESCRIPTION = 9_000


@dataclass(frozen=True)
class Write:
    """A call that changes something at bunq; `path` is below `user/{id}/`, and a file is sent in place of JSON."""

    method: Literal["POST", "PUT", "DELETE"]
    path: str
    payload: Mapping[str, Any]
    content: FileContent | None = None


@dataclass(frozen=True)
class Entry:
    """A payment of a draft: to whom, how much in euros (positive), what for, and our reference."""

    amount: Decimal
    name: str
    iban: str
    description: str
    reference: str


def draft_path(monetary_account_id: int, draft_id: int | None = None) -> str:
    """Return the path of an account's drafts, or of one."""
    return _path(monetary_account_id, "draft-payment", draft_id)


def request_path(monetary_account_id: int, request_id: int | None = None) -> str:
    """Return the path of an account's requests for money, or of one."""
    return _path(monetary_account_id, "request-inquiry", request_id)


def link_path(monetary_account_id: int, link_id: int | None = None) -> str:
    """Return the path of an account's bunq.me links, or of one."""
    return _path(monetary_account_id, "bunqme-tab", link_id)


def new_draft(monetary_account_id: int, entries: Iterable[Entry]) -> Write:
    """Prepare payments, which the holder accepts in the bunq app, or does not.

    https://doc.bunq.com/api-reference/draft-payment
    """
    made = [
        {
            "amount": _amount(each.amount, "EUR"),
            "counterparty_alias": {"type": "IBAN", "value": each.iban, "name": each.name},
            "description": each.description,
            "merchant_reference": each.reference,
        }
        for each in entries
    ]
    # One acceptance is all that bunq supports.
    payload = {"entries": made, "number_of_required_accepts": 1}
    return Write("POST", draft_path(monetary_account_id), payload)


def cancel_draft(monetary_account_id: int, draft_id: int, updated: str) -> Write:
    """Take a draft back, unless it changed since `updated`, bunq's own text of its last change.

    https://doc.bunq.com/api-reference/draft-payment
    """
    payload = {"status": "CANCELLED", "previous_updated_timestamp": updated}
    return Write("PUT", draft_path(monetary_account_id, draft_id), payload)


def new_request(
    monetary_account_id: int, amount: Decimal, currency: str, payer: Mapping[str, str], description: str, reference: str
) -> Write:
    """Ask somebody for money: `payer` is bunq's pointer to an email address, a phone number or an IBAN.

    https://doc.bunq.com/api-reference/request-inquiry
    """
    payload = {
        "amount_inquired": _amount(amount, currency),
        "counterparty_alias": dict(payer),
        "description": description,
        "allow_bunqme": True,
        "merchant_reference": reference,
    }
    return Write("POST", request_path(monetary_account_id), payload)


def revoke_request(monetary_account_id: int, request_id: int) -> Write:
    """Take a request for money back.

    https://doc.bunq.com/api-reference/request-inquiry
    """
    return Write("PUT", request_path(monetary_account_id, request_id), {"status": "REVOKED"})


def new_link(
    monetary_account_id: int, amount: Decimal, currency: str, description: str, return_url: str | None
) -> Write:
    """Make a link that others pay.

    https://doc.bunq.com/api-reference/bunqme
    """
    entry: dict[str, Any] = {"amount_inquired": _amount(amount, currency), "description": description}
    if return_url is not None:
        entry["redirect_url"] = return_url
    return Write("POST", link_path(monetary_account_id), {"bunqme_tab_entry": entry})


def cancel_link(monetary_account_id: int, link_id: int) -> Write:
    """End a link.

    https://doc.bunq.com/api-reference/bunqme
    """
    return Write("PUT", link_path(monetary_account_id, link_id), {"status": "CANCELLED"})


def own_transfer(
    monetary_account_id: int, amount: Decimal, currency: str, own_iban: str, name: str, description: str, reference: str
) -> Write:
    """Move money to another account of the same bunq user; the caller knows that `own_iban` is one.

    https://doc.bunq.com/api-reference/payment
    """
    payload = {
        "amount": _amount(amount, currency),
        "counterparty_alias": {"type": "IBAN", "value": own_iban, "name": name},
        "description": description,
        "merchant_reference": reference,
    }
    return Write("POST", _path(monetary_account_id, "payment", None), payload)


def new_note(monetary_account_id: int, payment_id: int, text: str) -> Write:
    """Write a note on a payment.

    https://doc.bunq.com/api-reference/note-text
    """
    return Write("POST", _note_path(monetary_account_id, payment_id, "text"), {"content": text})


def change_note(monetary_account_id: int, payment_id: int, note_id: int, text: str) -> Write:
    """Give a note another text.

    https://doc.bunq.com/api-reference/note-text
    """
    return Write("PUT", _note_path(monetary_account_id, payment_id, "text", note_id), {"content": text})


def delete_note(monetary_account_id: int, payment_id: int, kind: NoteKind, note_id: int) -> Write:
    """Delete a note, or take the files of one off a payment; bunq keeps files that no note names any more.

    https://doc.bunq.com/api-reference/note-text
    """
    return Write("DELETE", _note_path(monetary_account_id, payment_id, kind, note_id), {})


def new_file(monetary_account_id: int, media_type: str, data: bytes) -> Write:
    """Upload a file. Nobody sees it before something names it, so that a second upload does no harm.

    https://doc.bunq.com/api-reference/attachment
    """
    content = FileContent(media_type, "Receipt", data)
    return Write("POST", _path(monetary_account_id, "attachment", None), {}, content)


def attach_file(monetary_account_id: int, payment_id: int, attachment_id: int, description: str) -> Write:
    """Let a note on a payment name an uploaded file.

    https://doc.bunq.com/api-reference/note-attachment
    """
    payload = {"attachment_id": attachment_id, "description": description}
    return Write("POST", _note_path(monetary_account_id, payment_id, "attachment"), payload)


def card_path(card_id: int) -> str:
    """Return the path of a card."""
    return f"card/{card_id}"


def set_card_status(card_id: int, status: Literal["ACTIVE", "DEACTIVATED"]) -> Write:
    """Freeze a card (`DEACTIVATED`), or use it again; the caller knows that it is one or the other.

    https://doc.bunq.com/api-reference/card
    """
    return Write("PUT", card_path(card_id), {"status": status})


def set_card_limits(card_id: int, limit: Decimal | None, limit_atm: Decimal | None, currency: str) -> Write:
    """Set what a card pays in a day, and what it takes from machines; None stays as it is.

    https://doc.bunq.com/api-reference/card
    """
    wanted = {"card_limit": limit, "card_limit_atm": limit_atm}
    return Write(
        "PUT", card_path(card_id), {name: _amount(each, currency) for name, each in wanted.items() if each is not None}
    )


def _note_path(monetary_account_id: int, payment_id: int, kind: NoteKind, note_id: int | None = None) -> str:
    path = f"{_path(monetary_account_id, 'payment', payment_id)}/note-{kind}"
    return path if note_id is None else f"{path}/{note_id}"


def _path(monetary_account_id: int, name: str, object_id: int | None) -> str:
    path = f"monetary-account/{monetary_account_id}/{name}"
    return path if object_id is None else f"{path}/{object_id}"


def _amount(amount: Decimal, currency: str) -> dict[str, str]:
    return {"value": f"{amount:.2f}", "currency": currency}
