"""Payments that PSD2 parties prepared for accounts of this bank, each standing on a draft of that account.

The payer decides in one of two ways: among the drafts of the account, or by accepting the party's consent, which
covers the payment too (so bunq's older pages say).

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

from bunqflask.sandbox.bank import drafts, payments
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.store import Item, Json, Store

KIND = "provider_draft"


def draft_of(store: Store, prepared: Item) -> Item:
    """Return the draft that a prepared payment stands on."""
    draft = store.get("draft_payment", prepared.parent or 0)
    assert draft is not None
    return draft


def waiting(store: Store, party_id: int) -> list[Item]:
    """Return the pending drafts that a party prepared, oldest first."""
    found = [draft_of(store, each) for each in store.select(KIND, owner=party_id)[::-1]]
    return [each for each in found if each.body["status"] == "PENDING"]


def shown(store: Store, party_id: int) -> dict[int, list[Json]]:
    """Return the pending payments for display: amount and receiver by the payer's user id."""
    by_payer: dict[int, list[Json]] = {}
    for draft in waiting(store, party_id):
        account = store.get("monetary_account", draft.account or 0)
        assert account is not None
        entry = draft.body["entries"][0]
        line = {
            "amount": money(entry["cents"], account.body["currency"]),
            "to": payments.counterparty(store, entry["sees"])["display_name"],
            "account": account.body["description"],
            "description": entry["description"],
        }
        by_payer.setdefault(account.owner or 0, []).append(line)
    return by_payer


def accept(bank: Bank, party_id: int, account_ids: list[int]) -> None:
    """Pay what a party prepared for these accounts.

    :raises Refusal: 400, no money.
    """
    for draft in waiting(bank.store, party_id):
        account = bank.store.get("monetary_account", draft.account or 0)
        if account is not None and account.id in account_ids:
            drafts.accept(bank, account, draft)
