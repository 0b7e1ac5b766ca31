"""Scenarios: actions of a bunq user outside the API, such as receiving money or paying in a shop.

Tests call them over HTTP under the control prefix; the phone page calls them too.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from bunqflask.sandbox.bank import card_payments, ledger, payments, people, wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control.api import PREFIX, guard


def make_key(bank: Bank, user_id: int) -> str:
    """Make an API key for a user, as he would in the bunq app; it dies unless used within an hour.

    :raises Refusal: 404, no user has this id.
    """
    user = _load(bank, "user", user_id, "User")
    return str(people.new_credential(bank.store, user, "API_KEY").name)


def get_money(bank: Bank, account_id: int, amount: str, name: str, description: str) -> int:
    """Let money come in from outside; return the payment's id.

    :raises Refusal: 400 or 404, no such account or not an amount.
    """
    account = _load(bank, "monetary_account", account_id, "Monetary account")
    return payments.receive(bank, account, _cents(account, amount), name or "A. Payer", description)


def shop(
    bank: Bank,
    card_id: int,
    amount: str,
    merchant: str,
    city: str,
    country: str,
    category: str,
    *,
    withdrawal: bool = False,
) -> Item:
    """Pay with a card, or take money from a machine; return the card transaction, which may be a refusal.

    :raises Refusal: 400 or 404, no such card or not an amount.
    """
    card = _load(bank, "card", card_id, "Card")
    account = _load(bank, "monetary_account", card.body["account"], "Monetary account")
    name, code = ("Cash machine", "6011") if withdrawal else ("Corner Shop", "5411")
    seen = {"name": merchant or name, "mcc": category or code, "country": country or "NL"}
    cents, where = _cents(account, amount), {"city": city or "Utrecht", "country": country or "NL"}
    return card_payments.pay(bank, card, seen, cents, **where, withdrawal=withdrawal)


def give_back(bank: Bank, action_id: int) -> int:
    """Let a shop give back what was paid with a card; return the payment's id.

    :raises Refusal: 400 or 404, no such transaction, or nothing to give back.
    """
    return card_payments.reverse(bank, _load(bank, "mastercard_action", action_id, "Mastercard action"))


def _load(bank: Bank, kind: str, item_id: int, what: str) -> Item:
    item = bank.store.get(kind, item_id)
    if item is None:
        raise wire.not_found(what, item_id)
    return item


def _cents(account: Item, amount: str) -> int:
    return wire.read_amount({"value": amount, "currency": account.body["currency"]}, "amount")[0]


bp = Blueprint("scenarios", __name__, url_prefix=PREFIX)
bp.before_request(guard)


@bp.errorhandler(Refusal)
def refused(refusal: Refusal) -> tuple[Response, int]:
    return jsonify({"error": refusal.text}), refusal.status


@bp.errorhandler(UnicodeEncodeError)
def no_text(_error: UnicodeEncodeError) -> tuple[Response, int]:
    return jsonify({"error": "a text holds half a character"}), 400


def number(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wire.invalid(f"{name} is a number")
    return value


def text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise wire.invalid(f"{name} is a text")
    return value


def body_of_request() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise wire.invalid("the body must be a JSON object")
    return body


@bp.post("/keys")
def keys() -> Response:
    bank = current()
    return jsonify({"api_key": make_key(bank, number(body_of_request(), "user_id"))})


@bp.post("/payments")
def receive() -> Response:
    bank = current()
    body = body_of_request()
    with bank.store.transaction():
        received_id = get_money(
            bank, number(body, "account_id"), text(body, "amount"), text(body, "name"), text(body, "description")
        )
    return jsonify({"payment_id": received_id})


@bp.patch("/payments/<int:payment_id>")
def amend(payment_id: int) -> Response:
    bank = current()
    body = body_of_request()
    if not body or set(body) - {"description", "listed"}:
        raise wire.invalid("a payment takes description and listed")
    said: dict[str, Any] = {}
    if "description" in body:
        said |= {"description": text(body, "description"), "updated": bunq_time(bank.store.clock.now())}
    if "listed" in body:
        said["unlisted"] = body["listed"] is False
    if not ledger.amend(bank.store, payment_id, **said):
        raise wire.not_found("Payment", payment_id)
    return jsonify({"payment_id": payment_id})


@bp.post("/cards/<int:card_id>/pay")
def pay(card_id: int) -> Response:
    bank = current()
    body = body_of_request()
    words = (text(body, name) for name in ("amount", "merchant", "city", "country", "category"))
    with bank.store.transaction():
        action = shop(bank, card_id, *words, withdrawal=body.get("withdrawal") is True)
    return jsonify({"mastercard_action_id": action.id, "decision": action.body["decision"]})


@bp.post("/card-payments/<int:action_id>/reverse")
def reverse(action_id: int) -> Response:
    bank = current()
    with bank.store.transaction():
        received_id = give_back(bank, action_id)
    return jsonify({"payment_id": received_id})
