"""The pages that play the bank's other side: faults and switches, the phone of any user, the live log.

They do by page what control.py does by JSON, and stand under the same prefix behind the same door.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from flask import Blueprint, Response, abort, current_app, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import accounts, drafts, ledger, oauth, payment_requests, payments, people, seed
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.settings import SWITCHES, switch_from_text
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control import scenarios
from bunqflask.sandbox.control.api import PREFIX, fault_facts, is_foreign_origin, is_open
from bunqflask.sandbox.pages.consent import persons
from bunqflask.sandbox.pages.layout import page

LOG_SHOWN = 200

# What a switch is about, in words for a person.
SWITCH_WORDS = {
    "rate_limits": "Rate limits",
    "token_style": "Token call takes its parameters from",
    "oauth_variant": "OAuth sessions are opened on",
    "denial": "After a denial",
    "permitted_ips_enforced": "Refuse calls from addresses that a key is not bound to",
    "caller_address": "Calls seem to come from",
    "session_timeout_s": "Sessions last (seconds)",
    "code_lifetime_s": "Authorization codes last (seconds)",
    "reconsent_invalidates": "A new consent ends the former one",
    "maintenance": "The whole bank is in maintenance",
}
CHOICE_WORDS = {
    ("rate_limits", "classic"): "classic: 3 reads in 3 seconds",
    ("rate_limits", "new"): "newer: 70 in 30 seconds",
    ("token_style", "both"): "address or body",
    ("token_style", "query"): "the address only",
    ("token_style", "form"): "the body only",
    ("oauth_variant", "both"): "either installation",
    ("oauth_variant", "A"): "the app’s installation only (A)",
    ("oauth_variant", "B"): "one of their own only (B)",
    ("denial", "redirect"): "back to the app with an error",
    ("denial", "stay"): "stay on the page",
}


bp = Blueprint("panel", __name__, url_prefix=PREFIX)
# Who opens the bare address of the sandbox in a browser wants these pages.
bp.record(lambda state: state.app.add_url_rule("/", endpoint="home", view_func=home))


def home() -> ResponseReturnValue:
    return redirect(f"{PREFIX}/", 302)


@bp.before_request
def guard() -> ResponseReturnValue | None:
    bank = current()
    if is_foreign_origin():
        abort(403)
    if is_open(bank) or request.endpoint == "panel.enter":
        return None
    return page("closed.html", 403, has_token=bank.settings.token is not None)


@bp.post("/enter")
def enter() -> ResponseReturnValue:
    bank = current()
    token = bank.settings.token or ""
    if not token or not secrets.compare_digest(request.form.get("token", "").encode(), token.encode()):
        return page("closed.html", 403, has_token=bool(token), wrong=True)
    response = redirect(f"{PREFIX}/", 303)
    response.set_cookie("sandbox_token", token, httponly=True, samesite="Strict", secure=request.is_secure)
    return response


@bp.get("/")
def show() -> ResponseReturnValue:
    bank = current()
    return _show(bank)


@bp.post("/panel/faults")
def add_fault() -> ResponseReturnValue:
    bank = current()
    times = request.form.get("times", "1")
    try:
        bank.faults.add(
            {
                "call": request.form.get("call", ""),
                "fault": request.form.get("fault"),
                "times": int(times) if times.isdecimal() else None,
                "when": request.form.get("when", "before"),
            }
        )
    except ValueError as problem:
        return _show(bank, str(problem), 422)
    return _back()


@bp.post("/panel/faults/remove")
def remove_faults() -> ResponseReturnValue:
    bank = current()
    chosen = request.form.get("id", type=int)
    if chosen is None:
        bank.faults.clear()
    else:
        bank.faults.remove(chosen)
    return _back()


@bp.post("/panel/switches")
def change_switches() -> ResponseReturnValue:
    bank = current()
    try:
        bank.set_switches(
            {
                # A box that is not ticked is not sent.
                name: name in request.form if accepted is bool else switch_from_text(name, request.form[name])
                for name, accepted in SWITCHES.items()
                if accepted is bool or name in request.form
            }
        )
    except ValueError as problem:
        return _show(bank, str(problem), 422)
    return _back()


@bp.post("/panel/clock")
def advance_clock() -> ResponseReturnValue:
    bank = current()
    seconds = request.form.get("seconds", 0, type=int)
    if seconds <= 0:
        return _show(bank, "Choose how far the clock is moved.", 422)
    try:
        bank.store.advance_clock(seconds)
    except ValueError as problem:
        return _show(bank, str(problem), 422)
    bank.work_due()
    bank.wake()
    return _back()


@bp.post("/panel/reset")
def reset() -> ResponseReturnValue:
    bank = current()
    seed.reset(bank)
    return _back()


@bp.get("/log")
def log() -> ResponseReturnValue:
    bank = current()
    entries = bank.calls.entries()
    newest = entries[-1]["number"] if entries else 0
    return page("log.html", entries=entries[-LOG_SHOWN:][::-1], newest=newest)


@bp.get("/phone")
def phone() -> ResponseReturnValue:
    bank = current()
    return _phone(bank)


@bp.post("/phone/<any(draft, request, joint, app):what>/<int:id>")
def answer(what: str, id: int) -> ResponseReturnValue:
    bank = current()
    person = request.form.get("person", 0, type=int)
    try:
        with bank.store.transaction():
            ANSWERS[what](bank, person, id, request.form.get("answer") == "accept")
    except Refusal as refusal:
        return _phone(bank, refusal.text)
    return redirect(f"{PREFIX}/phone?person={person}", 303)


@bp.post("/phone/<any(key, money, shop):what>")
def act(what: str) -> ResponseReturnValue:
    bank = current()
    try:
        with bank.store.transaction():
            said = ACTS[what](bank)
    except Refusal as refusal:
        return _phone(bank, refusal.text)
    return _phone(bank, said=said)


def _back() -> ResponseReturnValue:
    """Return to the page the form stood on, if it is one of ours."""
    target = request.form.get("back", "")
    inside = target.startswith("/") and not target.startswith(("//", "/\\"))
    return redirect(target if inside else f"{PREFIX}/", 303)


def _show(bank: Bank, problem: str | None = None, code: int = 200) -> Response:
    switches = bank.switches
    return page(
        "panel.html",
        code,
        problem=problem,
        now=bank.store.clock.now(),
        offset_s=int(bank.store.clock.offset_s),
        switches=[
            {
                "name": name,
                "words": SWITCH_WORDS[name],
                "value": switches[name],
                "choices": [(each, CHOICE_WORDS.get((name, each), each)) for each in accepted]
                if isinstance(accepted, tuple)
                else None,
                "is_flag": accepted is bool,
                "is_address": accepted is str,
            }
            for name, accepted in SWITCHES.items()
        ],
        **fault_facts(bank, current_app, f"{PREFIX}/"),
    )


# The phone: what a bunq user would have to answer.


def _phone(bank: Bank, problem: str | None = None, said: str | None = None) -> Response:
    store = bank.store
    everybody = persons(store)
    picked = request.values.get("person", type=int)
    person = next((each for each in everybody if each["id"] == picked), everybody[0])
    with store.transaction():
        user_id = person["id"]
        waiting = [
            {
                "id": each.id,
                "to": [_entry(bank, each, entry) for entry in each.body["entries"]],
                "from": _account_name(bank, each),
            }
            for each in store.select("draft_payment", owner=user_id)
            if each.body["status"] == "PENDING"
        ]
        asked = [_request(bank, each) for each in store.select("request_response", owner=user_id)]
        joint = [
            {"id": each.id, **_joint(bank, each)}
            for each in store.select(accounts.CO_OWNER, owner=user_id)
            if each.body["status"] == "PENDING"
        ]
        apps = [
            {"id": each.id, "name": _app_name(bank, each), "since": each.created[:16], "accounts": _names(bank, each)}
            for each in oauth.grants(store, user_id)
        ]
        own_cards = [
            {
                "id": each.id,
                "name": f"{each.body['second_line'] or each.body['product_type']} ({each.body['status'].lower()})",
            }
            for each in store.select("card", owner=user_id)
        ]
    return page(
        "phone_home.html",
        422 if problem else 200,
        people=everybody,
        person=person,
        drafts=waiting,
        requests=[each for each in asked if each is not None],
        joint=joint,
        apps=apps,
        cards=own_cards,
        problem=problem,
        said=said,
    )


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


def _owned(bank: Bank, kind: str, id: int, person: int) -> Item:
    item = bank.store.get(kind, id)
    if item is None or item.owner != person:
        abort(404)
    return item


def _answer_draft(bank: Bank, person: int, id: int, yes: bool) -> None:
    draft = _owned(bank, "draft_payment", id, person)
    account = bank.store.get("monetary_account", draft.account or 0)
    assert account is not None
    if yes:
        drafts.accept(bank, account, draft)
    else:
        drafts.reject(bank, draft)


def _answer_request(bank: Bank, person: int, id: int, yes: bool) -> None:
    response = _owned(bank, "request_response", id, person)
    if yes:
        payment_requests.accept_by_hand(bank, response)
    else:
        payment_requests.reject(bank, response)


def _answer_joint(bank: Bank, person: int, id: int, yes: bool) -> None:
    accounts.answer_invitation(bank.store, _owned(bank, accounts.CO_OWNER, id, person), accepted=yes)


def _end_app(bank: Bank, person: int, id: int, _yes: bool) -> None:
    _owned(bank, "grant", id, person)
    oauth.revoke(bank.store, person, grant_id=id)


ANSWERS: dict[str, Callable[[Bank, int, int, bool], None]] = {
    "draft": _answer_draft,
    "request": _answer_request,
    "joint": _answer_joint,
    "app": _end_app,
}


# What the user does by himself.


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


ACTS: dict[str, Callable[[Bank], str]] = {"key": _make_key, "money": _get_money, "shop": _shop}
