"""Payments that a PSD2 party asks for, and the portal where the payer picks an account and decides.

The names of the states after PENDING are not documented; these are a presumption.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import accounts, payments, people
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal, amount, time_text
from bunqflask.sandbox.control.api import is_foreign_origin
from bunqflask.sandbox.pages.consent import persons
from bunqflask.sandbox.pages.layout import money, page

# How long the payer has, unless the party says otherwise.
LIFETIME_S = 600

PATH = "/psp"
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

    Null would mean the same to bunq, but its Python SDK stumbles over it here.
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


# The portal: `psp.bunq.com/?transactionId=<public_uuid>` at bunq, /psp?transactionId=… here.


def blueprint(bank: Bank) -> Blueprint:
    """Return the portal."""
    bp = Blueprint("portal", __name__)

    @bp.get(PATH)
    def show() -> ResponseReturnValue:
        return _page(bank, _load(bank))

    @bp.post(PATH)
    def answer() -> ResponseReturnValue:
        if is_foreign_origin():
            abort(403)
        problem = None
        try:
            with bank.store.transaction():
                transaction = _load(bank)
                problem = _answer(bank, transaction)
        except Refusal as refusal:
            problem = refusal.text
        if problem:
            return _page(bank, _load(bank), problem)
        # Accepted or not, the payer goes back alike: only reading the status tells.
        return redirect(transaction.body["url_redirect"], 303)

    return bp


def _load(bank: Bank) -> Item:
    transaction = bank.store.named(KIND, request.values.get("transactionId", ""))
    if transaction is None:
        abort(page("portal.html", 404, transaction=None))
    return transaction


def _answer(bank: Bank, transaction: Item) -> str | None:
    """Carry out what the payer pressed; return what is wrong with it, if anything."""
    pressed = request.form.get("answer")
    if pressed == "reject":
        decide(bank, transaction, "REJECTED")
        return None
    if pressed != "accept":
        return "Choose Pay or Reject."
    user = bank.store.get("user", request.form.get("person", 0, type=int))
    # Each person has a list of accounts; the lists of the others come along and do not count.
    chosen = None if user is None else request.form.get(f"account_{user.id}", 0, type=int)
    account = bank.store.get("monetary_account", chosen or 0)
    if user is None or account is None or account.owner != user.id or user.body["type"] == people.PROVIDER:
        return "Choose the account that pays."
    decide(bank, transaction, "ACCEPTED", account)
    return None


def _page(bank: Bank, transaction: Item, problem: str | None = None) -> ResponseReturnValue:
    store, body = bank.store, transaction.body
    payers = persons(store)
    picked = request.form.get("person", type=int)
    if picked not in [person["id"] for person in payers]:
        picked = payers[0]["id"]
    return page(
        "portal.html",
        422 if problem else 200,
        body["url_redirect"],
        transaction=transaction,
        status=status_of(store, transaction),
        problem=problem,
        party=people.by_id(store, transaction.owner or 0).body["display_name"],
        receiver=payments.counterparty(store, body["sees"])["display_name"],
        iban=payments.counterparty(store, body["sees"])["iban"],
        amount=money(body["cents"], body["currency"]),
        people=payers,
        picked=picked,
        chosen={request.form.get(f"account_{person['id']}", type=int) for person in payers},
        returns_to=urlsplit(body["url_redirect"]).netloc,
    )
