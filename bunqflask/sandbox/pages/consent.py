"""bunq's consent page, and beside it the phone that a person would hold.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import accounts, ledger, oauth, people, provider_drafts
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control.api import fault_facts, is_foreign_origin, is_open
from bunqflask.sandbox.pages.layout import page, qr_path

# Everybody in the list needs a rule in the style sheet, which shows the chosen one's accounts without script.
PEOPLE_SHOWN = 20


bp = Blueprint("consent", __name__)


@bp.get("/auth")
def begin() -> ResponseReturnValue:
    bank = current()
    asks = request.args
    try:
        with bank.store.transaction():
            asked = oauth.ask(
                bank,
                asks.get("client_id", ""),
                asks.get("redirect_uri", ""),
                asks.get("response_type", ""),
                asks.get("state"),
            )
    except oauth.NotFound:
        return page("not_found.html", 400)
    return _waiting(bank, asked)


@bp.get("/auth/<uuid:asked_uuid>")
def resume(asked_uuid: object) -> ResponseReturnValue:
    bank = current()
    asked = _load(bank, asked_uuid)
    target = oauth.redirect_url(bank, asked)
    return _go(target) if target else _waiting(bank, asked)


@bp.get("/auth/<uuid:asked_uuid>/status")
def status(asked_uuid: object) -> Response:
    bank = current()
    answer = jsonify({"status": oauth.status(bank.store, _load(bank, asked_uuid))})
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/auth/<uuid:asked_uuid>/phone")
def phone(asked_uuid: object) -> ResponseReturnValue:
    bank = current()
    return _phone(bank, _load(bank, asked_uuid))


@bp.post("/auth/<uuid:asked_uuid>/phone")
def answer(asked_uuid: object) -> ResponseReturnValue:
    bank = current()
    if is_foreign_origin():
        abort(403)
    beside = request.form.get("beside") == "browser"
    asked, problem = _load(bank, asked_uuid), None
    try:
        with bank.store.transaction():
            asked = _load(bank, asked_uuid)
            problem = _decide(bank, asked) if oauth.status(bank.store, asked) == "PENDING" else None
    except Refusal as refusal:
        problem = refusal.text
    if problem:
        return _waiting(bank, asked, problem) if beside else _phone(bank, asked, problem)
    if not beside:
        return _phone(bank, asked)
    target = oauth.redirect_url(bank, asked)
    return _go(target) if target else _waiting(bank, asked)


def _load(bank: Bank, asked_uuid: object) -> Item:
    asked = bank.store.named("oauth_request", str(asked_uuid))
    if asked is None:
        abort(page("not_found.html", 404))
    return asked


def _decide(bank: Bank, asked: Item) -> str | None:
    """Carry out the answer given on the phone; return what is wrong with it, if anything.

    :raises Refusal: a payment that the consent covers cannot be made.
    """
    if request.form.get("answer") == "deny":
        oauth.deny(bank, asked)
        return None
    if request.form.get("answer") != "accept":
        return "Choose Accept or Deny."
    user = bank.store.get("user", request.form.get("person", 0, type=int))
    if user is None or user.body["type"] == people.PROVIDER:
        return "Say who you are."
    # Every person's list is in the form, so accounts of others may come along; they do not count.
    own = [each.id for each in accounts.of_user(bank.store, user.id)]
    chosen = set(request.form.getlist("account", type=int))
    shared = [account_id for account_id in own if account_id in chosen]
    if not shared:
        return "Tick at least one account."
    client = bank.store.get("oauth_client", asked.parent or 0)
    assert client is not None
    provider_drafts.accept(bank, client.owner or 0, shared)
    oauth.accept(bank, asked, user, shared)
    return None


def _go(target: str) -> ResponseReturnValue:
    response = redirect(target, 303)
    response.headers["Cache-Control"] = "no-store"
    # Not "no-referrer": browsers would then send forms from here with "Origin: null".
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _waiting(bank: Bank, asked: Item, problem: str | None = None) -> Response:
    phone_url = f"{request.host_url}auth/{asked.name}/phone"
    return page(
        "consent.html",
        422 if problem else 200,
        asked.body["redirect_uri"],
        **_facts(bank, asked),
        problem=problem,
        phone_url=phone_url,
        qr=qr_path(phone_url),
        beside=True,
        **(fault_facts(bank, current_app, f"/auth/{asked.name}") if is_open(bank) else {}),
    )


def _phone(bank: Bank, asked: Item, problem: str | None = None) -> Response:
    return page("phone.html", 422 if problem else 200, **_facts(bank, asked), problem=problem, beside=False)


def _facts(bank: Bank, asked: Item) -> dict[str, object]:
    """Return what both the page and the phone show."""
    store = bank.store
    client = store.get("oauth_client", asked.parent or 0)
    assert client is not None
    everybody = persons(store)
    picked = request.form.get("person", type=int) or request.args.get("person", type=int)
    if picked not in [person["id"] for person in everybody]:
        picked = everybody[0]["id"]
    address = urlsplit(asked.body["redirect_uri"])
    return {
        "asked": asked,
        "status": oauth.status(store, asked),
        "client": oauth.client_name(store, client),
        "returns_to": f"{address.netloc}{address.path}",
        "people": everybody,
        "prepared": provider_drafts.shown(store, client.owner or 0),
        "picked": picked,
        "chosen": set(request.form.getlist("account", type=int)) if request.form else None,
        "here": request.host,
        "stays": bank.word("denial") == "stay",
    }


def persons(store: Store) -> list[Json]:
    """Return who can be played on the phone: the seeded two first, then the newest."""
    with store.transaction():
        users = [
            user
            for user in store.select("user")
            if user.body["type"] != people.PROVIDER and not user.body.get("helper")
        ]
        users.sort(key=lambda user: (user.created > "2025-04-15", -user.id if user.created > "2025-04-15" else user.id))
        return [
            {
                "id": user.id,
                "name": user.body["legal_name"],
                "kind": "company" if user.body["type"] == people.COMPANY else "person",
                "accounts": [
                    {
                        "id": account.id,
                        "name": account.body["description"],
                        "iban": account.body["iban"],
                        "closed": account.body["status"] == "CANCELLED",
                        "balance": money(*ledger.balance(store, account.id)),
                    }
                    for account in accounts.of_user(store, user.id)
                ],
            }
            for user in users[:PEOPLE_SHOWN]
        ]
