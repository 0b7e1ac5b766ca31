"""bunq's consent page, and beside it the phone that a person would hold.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

from urllib.parse import urlsplit

import qrcode
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from . import accounts, ledger, oauth, people
from .bank import Bank
from .control import is_foreign_origin
from .store import Item, Json, Store

# Everybody in the list needs a rule in the style sheet, which shows the chosen one's accounts without script.
PEOPLE_SHOWN = 20

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action {}; frame-ancestors 'none'; base-uri 'none'"
)


def secure(response: Response, *form_targets: str) -> Response:
    """Add the headers that every page carries; `form_targets` are origins a form may lead to."""
    response.headers["Content-Security-Policy"] = POLICY.format(" ".join(["'self'", *form_targets]))
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def blueprint(bank: Bank) -> Blueprint:
    """Return the page, its status and the phone."""
    bp = Blueprint("consent", __name__)

    @bp.get("/auth")
    def begin() -> ResponseReturnValue:
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
            return _page("not_found.html", 400)
        return _waiting(bank, asked)

    @bp.get("/auth/<uuid:asked_uuid>")
    def resume(asked_uuid: object) -> ResponseReturnValue:
        asked = _load(bank, asked_uuid)
        target = oauth.redirect_url(bank, asked)
        return _go(target) if target else _waiting(bank, asked)

    @bp.get("/auth/<uuid:asked_uuid>/status")
    def status(asked_uuid: object) -> Response:
        answer = jsonify({"status": oauth.status(bank.store, _load(bank, asked_uuid))})
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @bp.get("/auth/<uuid:asked_uuid>/phone")
    def phone(asked_uuid: object) -> ResponseReturnValue:
        return _phone(bank, _load(bank, asked_uuid))

    @bp.post("/auth/<uuid:asked_uuid>/phone")
    def answer(asked_uuid: object) -> ResponseReturnValue:
        if is_foreign_origin():
            abort(403)
        beside = request.form.get("beside") == "browser"
        with bank.store.transaction():
            asked = _load(bank, asked_uuid)
            problem = _decide(bank, asked) if oauth.status(bank.store, asked) == "PENDING" else None
        if problem:
            return _waiting(bank, asked, problem) if beside else _phone(bank, asked, problem)
        if not beside:
            return _phone(bank, asked)
        target = oauth.redirect_url(bank, asked)
        return _go(target) if target else _waiting(bank, asked)

    return bp


def _load(bank: Bank, asked_uuid: object) -> Item:
    asked = bank.store.named("oauth_request", str(asked_uuid))
    if asked is None:
        abort(_page("not_found.html", 404))
    return asked


def _decide(bank: Bank, asked: Item) -> str | None:
    """Carry out the answer given on the phone; return what is wrong with it, if anything."""
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
    oauth.accept(bank, asked, user, shared)
    return None


def _go(target: str) -> ResponseReturnValue:
    response = redirect(target, 303)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _page(template: str, code: int = 200, /, *form_targets: str, **values: object) -> Response:
    return secure(Response(render_template(template, **values), code, content_type="text/html"), *form_targets)


def _waiting(bank: Bank, asked: Item, problem: str | None = None) -> Response:
    phone_url = f"{request.host_url}auth/{asked.name}/phone"
    parts = urlsplit(asked.body["redirect_uri"])
    return _page(
        "consent.html",
        422 if problem else 200,
        # A browser checks form-action on the redirect that follows a form, too.
        f"{parts.scheme}://{parts.netloc}",
        **_facts(bank, asked),
        problem=problem,
        phone_url=phone_url,
        qr=qr_path(phone_url),
        beside=True,
    )


def _phone(bank: Bank, asked: Item, problem: str | None = None) -> Response:
    return _page("phone.html", 422 if problem else 200, **_facts(bank, asked), problem=problem, beside=False)


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


def money(cents: int, currency: str) -> str:
    """Write an amount for a person."""
    sign = "−" if cents < 0 else ""
    name = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency, f"{currency} ")
    return f"{sign}{name}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def qr_path(text: str) -> Json:
    """Return a QR code as the size of its square and an SVG path; four modules of quiet zone."""
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    matrix = code.get_matrix()
    path = "".join(f"M{x},{y}h1v1h-1z" for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark)
    return {"size": len(matrix), "path": path}
