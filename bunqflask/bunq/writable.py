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

# So many payments can a draft have. https://doc.bunq.com/api-reference/draft-payment
DRAFT_ENTRIES = 350
# What a bank outside bunq takes. https://doc.bunq.com/api-reference/payment
LONGEST_DESCRIPTION = 140
# https://doc.bunq.com/api-reference/bunqme
LONGEST_LINK_DESCRIPTION = 9_000


@dataclass(frozen=True)
class Write:
    """A call that changes something at bunq; `path` is below `user/{id}/`."""

    method: Literal["POST", "PUT", "DELETE"]
    path: str
    payload: Mapping[str, Any]


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


def _path(monetary_account_id: int, name: str, object_id: int | None) -> str:
    path = f"monetary-account/{monetary_account_id}/{name}"
    return path if object_id is None else f"{path}/{object_id}"


def _amount(amount: Decimal, currency: str) -> dict[str, str]:
    return {"value": f"{amount:.2f}", "currency": currency}
