"""The portal in which the payer of a PSD2 party's payment picks an account and decides.

It is `psp.bunq.com/?transactionId=<public_uuid>` at bunq, and /psp?transactionId=… here.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import payments, people
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.issuer_transactions import KIND, decide, status_of
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control.api import is_foreign_origin
from bunqflask.sandbox.pages.consent import persons
from bunqflask.sandbox.pages.layout import page

PATH = "/psp"

bp = Blueprint("portal", __name__)


@bp.get(PATH)
def show() -> ResponseReturnValue:
    bank = current()
    return _page(bank, _load(bank))


@bp.post(PATH)
def answer() -> ResponseReturnValue:
    bank = current()
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
