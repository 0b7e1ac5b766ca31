"""Payments that a PSD2 party asks for and a payer decides on.

The names of the states after PENDING are not documented; these are a presumption.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

import uuid

from bunqflask.sandbox.bank import accounts, payments
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal, amount, time_text

# How long the payer has, unless the party says otherwise.
LIFETIME_S = 600

KIND = "issuer_transaction"


def add(bank: Bank, party: Item, order: payments.Order, pointer: Json, url_redirect: str, expires: float) -> Item:
    """Keep a payment that waits for its payer; `expires` is in seconds since 1970."""
    body = {
        "pointer": pointer,
        "sees": order.party.sees,
        "cents": order.cents,
        "currency": order.currency,
        "description": order.description,
        "url_redirect": url_redirect,
        "expires": expires,
        "status": "PENDING",
        "payment_id": None,
    }
    return bank.store.insert(KIND, body, owner=party.id, name=str(uuid.uuid4()))


def status_of(store: Store, transaction: Item) -> str:
    """Return PENDING, ACCEPTED, REJECTED, CANCELLED or EXPIRED."""
    status: str = transaction.body["status"]
    if status == "PENDING" and transaction.body["expires"] <= store.clock.timestamp():
        return "EXPIRED"
    return status


def decide(bank: Bank, transaction: Item, status: str, payer: Item | None = None) -> None:
    """Accept with the payer's account, reject, or take back.

    :raises Refusal: 400, decided before or too late, no money, or an account that cannot pay (invented texts).
    """
    store = bank.store
    found = status_of(store, transaction)
    if found != "PENDING":
        raise Refusal(400, f"The transaction is already {found.lower()}.")
    if status == "ACCEPTED":
        assert payer is not None
        body = transaction.body
        order = payments.Order(
            party=payments.find_party(store, body["pointer"]),
            cents=body["cents"],
            currency=body["currency"],
            description=body["description"],
        )
        body["payment_id"] = payments.pay(bank, payer, order)[0]
        transaction.account = payer.id
    transaction.body["status"] = status
    store.save(transaction)


def shape(store: Store, transaction: Item) -> Json:
    """Write a transaction. `alias`, the payer's account, is left out until one is chosen.

    Null would mean the same to bunq, but its Python SDK fails on it here.
    """
    body = transaction.body
    payer = store.get("monetary_account", transaction.account or 0)
    shown = {
        "id": transaction.id,
        "created": transaction.created,
        "updated": transaction.updated,
        "public_uuid": transaction.name,
        "counterparty_alias": payments.counterparty(store, body["sees"]),
        "amount": amount(body["cents"], body["currency"]),
        "description": body["description"],
        "url_redirect": body["url_redirect"],
        "time_expiry": time_text(body["expires"]),
        "status": status_of(store, transaction),
    }
    return shown if payer is None else {**shown, "alias": accounts.label(store, payer)}
