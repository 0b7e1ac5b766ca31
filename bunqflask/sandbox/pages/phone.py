"""The phone of any bunq user: what waits for an answer, and what a person does in the bunq app.

A person approves draft payments, requests and joint accounts, disconnects apps, makes an API key, receives money and
pays in a shop. The pages need the access that the control panel needs.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import accounts, drafts, ledger, oauth, payment_requests, payments, people
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control import scenarios
from bunqflask.sandbox.control.api import PREFIX
from bunqflask.sandbox.pages.consent import persons
from bunqflask.sandbox.pages.layout import page
from bunqflask.sandbox.pages.panel import guard

bp = Blueprint("phone", __name__, url_prefix=PREFIX)
bp.before_request(guard)


@bp.get("/phone")
def phone() -> ResponseReturnValue:
    bank = current()
    return _phone(bank)


@bp.post("/phone/<any(draft, request, joint, app):what>/<int:item_id>")
def answer(what: str, item_id: int) -> ResponseReturnValue:
    bank = current()
    person = request.form.get("person", 0, type=int)
    try:
        with bank.store.transaction():
            ANSWERS[what](bank, person, item_id, request.form.get("answer") == "accept")
    except Refusal as refusal:
        return _phone(bank, refusal.text)
    return redirect(f"{PREFIX}/phone?person={person}", 303)


@bp.post("/phone/<any(key, money, shop):what>")
def act(what: str) -> ResponseReturnValue:
    bank = current()
    try:
        with bank.store.transaction():
            said = ACTIONS[what](bank)
    except Refusal as refusal:
        return _phone(bank, refusal.text)
    return _phone(bank, said=said)


def _phone(bank: Bank, problem: str | None = None, said: str | None = None) -> Response:
    everybody = persons(bank.store)
    picked = request.values.get("person", type=int)
    person = next((each for each in everybody if each["id"] == picked), everybody[0])
    with bank.store.transaction():
        shown = {
            "drafts": _drafts(bank, person["id"]),
            "requests": _requests(bank, person["id"]),
            "joint": _invitations(bank, person["id"]),
            "apps": _apps(bank, person["id"]),
            "cards": _cards(bank, person["id"]),
        }
    code = 422 if problem else 200
    return page("phone_home.html", code, people=everybody, person=person, problem=problem, said=said, **shown)


def _pending(bank: Bank, kind: str, user_id: int) -> list[Item]:
    return [each for each in bank.store.select(kind, owner=user_id) if each.body["status"] == "PENDING"]


def _drafts(bank: Bank, user_id: int) -> list[Json]:
    return [
        {
            "id": each.id,
            "to": [_entry(bank, each, entry) for entry in each.body["entries"]],
            "from": _account_name(bank, each),
        }
        for each in _pending(bank, "draft_payment", user_id)
    ]


def _requests(bank: Bank, user_id: int) -> list[Json]:
    found = [_request(bank, each) for each in bank.store.select("request_response", owner=user_id)]
    return [each for each in found if each is not None]


def _invitations(bank: Bank, user_id: int) -> list[Json]:
    return [{"id": each.id, **_joint(bank, each)} for each in _pending(bank, accounts.CO_OWNER, user_id)]


def _apps(bank: Bank, user_id: int) -> list[Json]:
    return [
        {"id": each.id, "name": _app_name(bank, each), "since": each.created[:16], "accounts": _names(bank, each)}
        for each in oauth.grants(bank.store, user_id)
    ]


def _cards(bank: Bank, user_id: int) -> list[Json]:
    return [
        {
            "id": each.id,
            "name": f"{each.body['second_line'] or each.body['product_type']} ({each.body['status'].lower()})",
        }
        for each in bank.store.select("card", owner=user_id)
    ]


def _account_name(bank: Bank, item: Item) -> str:
    account = bank.store.get("monetary_account", item.account or 0)
    return "" if account is None else f"{account.body['description']}, {money(*ledger.balance(bank.store, account.id))}"


def _entry(bank: Bank, draft: Item, entry: Json) -> Json:
    account = bank.store.get("monetary_account", draft.account or 0)
    assert account is not None
    return {
        "amount": money(entry["cents"], account.body["currency"]),
        "name": payments.counterparty(bank.store, entry["sees"])["display_name"],
        "description": entry["description"],
    }


def _request(bank: Bank, response: Item) -> Json | None:
    inquiry = payment_requests.inquiry_of(bank.store, response)
    if inquiry.body["status"] != "PENDING":
        return None
    account = bank.store.get("monetary_account", inquiry.account or 0)
    assert account is not None
    return {
        "id": response.id,
        "amount": money(inquiry.body["cents"], inquiry.body["currency"]),
        "name": accounts.display_name(people.by_id(bank.store, account.owner or 0)),
        "description": inquiry.body["description"],
        "from": _account_name(bank, response),
    }


def _joint(bank: Bank, invitation: Item) -> Json:
    account = bank.store.get("monetary_account", invitation.account or 0)
    assert account is not None
    owner = people.by_id(bank.store, account.owner or 0)
    return {"name": accounts.display_name(owner), "account": account.body["description"]}


def _app_name(bank: Bank, grant: Item) -> str:
    client = bank.store.get("oauth_client", grant.parent or 0)
    return "" if client is None else oauth.client_name(bank.store, client)


def _names(bank: Bank, grant: Item) -> str:
    found = (bank.store.get("monetary_account", each) for each in grant.body["accounts"])
    return ", ".join(each.body["description"] for each in found if each is not None)


def _owned(bank: Bank, kind: str, item_id: int, person: int) -> Item:
    item = bank.store.get(kind, item_id)
    if item is None or item.owner != person:
        abort(404)
    return item


def _answer_draft(bank: Bank, person: int, item_id: int, yes: bool) -> None:
    draft = _owned(bank, "draft_payment", item_id, person)
    account = bank.store.get("monetary_account", draft.account or 0)
    assert account is not None
    if yes:
        drafts.accept(bank, account, draft)
    else:
        drafts.reject(bank, draft)


def _answer_request(bank: Bank, person: int, item_id: int, yes: bool) -> None:
    response = _owned(bank, "request_response", item_id, person)
    if yes:
        payment_requests.accept_by_hand(bank, response)
    else:
        payment_requests.reject(bank, response)


def _answer_joint(bank: Bank, person: int, item_id: int, yes: bool) -> None:
    accounts.answer_invitation(bank.store, _owned(bank, accounts.CO_OWNER, item_id, person), accepted=yes)


def _end_app(bank: Bank, person: int, item_id: int, _yes: bool) -> None:
    _owned(bank, "grant", item_id, person)
    oauth.revoke(bank.store, person, grant_id=item_id)


ANSWERS: dict[str, Callable[[Bank, int, int, bool], None]] = {
    "draft": _answer_draft,
    "request": _answer_request,
    "joint": _answer_joint,
    "app": _end_app,
}


# Actions that the person starts.


def _make_key(bank: Bank) -> str:
    key = scenarios.make_key(bank, request.form.get("person", 0, type=int))
    return f"Your new API key, shown once and good for an hour until its first use: {key}"


def _get_money(bank: Bank) -> str:
    form = request.form
    scenarios.get_money(bank, form.get("account", 0, type=int), form.get("amount", ""), form.get("name", ""), "")
    return "The money has arrived."


def _shop(bank: Bank) -> str:
    form = request.form
    action = scenarios.shop(
        bank, form.get("card", 0, type=int), form.get("amount", ""), "", "", form.get("country", ""), ""
    )
    return "Paid." if action.body["payment_id"] else f"The card was refused: {action.body['decision']}"


ACTIONS: dict[str, Callable[[Bank], str]] = {"key": _make_key, "money": _get_money, "shop": _shop}
