"""Telling the sandbox what to do, apart from bunq's protocol: JSON under /__sandbox."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, jsonify, request

from bunqflask.sandbox.bank import accounts, history, oauth, seed
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.faults import KINDS
from bunqflask.sandbox.bank.hosts import is_forwarded
from bunqflask.sandbox.bank.store import LARGEST_ID, Item, Json, Store
from bunqflask.sandbox.bank.wire import is_loopback

PREFIX = "/__sandbox"

# What people want to see fail most often; every other call can be chosen below them.
OFTEN = (
    "ANY *",
    "POST session-server",
    "GET monetary-account",
    "GET payment",
    "POST payment",
    "POST draft-payment",
    "POST token",
    "GET user",
)


def is_open(bank: Bank) -> bool:
    """Tell whether this request may use the control addresses.

    With a token, who shows it; without one, only callers on this machine of a sandbox that listens on loopback. What a
    proxy passes on may come from anywhere.
    """
    token = bank.settings.token
    if token is not None:
        shown = request.headers.get("X-Sandbox-Token") or request.cookies.get("sandbox_token") or ""
        return secrets.compare_digest(shown.encode(), token.encode())
    return not is_forwarded(request.headers.keys()) and all(
        _is_loopback(host) for host in (request.remote_addr or "", request.environ.get("SERVER_NAME", ""), request.host)
    )


def _is_loopback(host: str) -> bool:
    return is_loopback(urlsplit(f"//{host}").hostname or host)


def is_foreign_origin() -> bool:
    """Tell whether a browser says that another site sent this request."""
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def guard() -> tuple[Response, int] | None:
    """Keep strangers out of the control addresses."""
    if is_open(current()) and not is_foreign_origin():
        return None
    return _refuse("control is open on loopback, or with SANDBOX_TOKEN in the header X-Sandbox-Token", 403)


def _refuse(text: str, status: int = 400) -> tuple[Response, int]:
    return jsonify({"error": text}), status


def _body() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


bp = Blueprint("control", __name__, url_prefix=PREFIX)
bp.before_request(guard)


@bp.errorhandler(ValueError)
def wrong(error: ValueError) -> tuple[Response, int]:
    return _refuse(str(error))


@bp.get("/state")
def state() -> Response:
    bank = current()
    return jsonify(describe(bank))


@bp.get("/switches")
def read_switches() -> Response:
    bank = current()
    return jsonify(bank.switches)


@bp.patch("/switches")
def change_switches() -> Response:
    bank = current()
    bank.set_switches(_body())
    return jsonify(bank.switches)


@bp.get("/faults")
def list_faults() -> Response:
    bank = current()
    return _all_faults(bank)


@bp.put("/faults")
def replace_faults() -> Response:
    bank = current()
    body = request.get_json(force=True, silent=True)
    wanted = body.get("faults") if isinstance(body, dict) else body
    if not isinstance(wanted, list):
        raise ValueError('the body is a list of faults, or {"faults": [...]}')
    bank.faults.replace(wanted)
    return _all_faults(bank)


@bp.post("/faults")
def add_fault() -> Response:
    bank = current()
    bank.faults.add(_body())
    return _all_faults(bank)


@bp.delete("/faults")
def clear_faults() -> Response:
    bank = current()
    bank.faults.clear()
    return _all_faults(bank)


@bp.delete("/faults/<int:fault_id>")
def remove_fault(fault_id: int) -> Response:
    bank = current()
    bank.faults.remove(fault_id)
    return _all_faults(bank)


@bp.post("/clock")
def advance_clock() -> Response:
    bank = current()
    seconds = _body().get("advance_s")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError("advance_s is a number of seconds")
    bank.store.advance_clock(seconds)
    done = bank.work_due()
    bank.wake()
    return jsonify({"now": bunq_time(bank.store.clock.now()), "work_done": done})


@bp.post("/grants/revoke")
def revoke_grants() -> Response:
    bank = current()
    body = _body()
    user_id = body.get("user_id")
    if isinstance(user_id, bool) or not isinstance(user_id, int) or user_id > LARGEST_ID:
        raise ValueError("user_id is the number of the granting user")
    with bank.store.transaction():
        return jsonify({"revoked": oauth.revoke(bank.store, user_id, grant_id=body.get("grant_id"))})


@bp.get("/calls")
def calls() -> Response:
    bank = current()
    return jsonify({"calls": bank.calls.entries(after=request.args.get("after", 0, type=int))})


@bp.delete("/calls")
def clear_calls() -> Response:
    bank = current()
    bank.calls.clear()
    return jsonify({"calls": []})


@bp.post("/seed")
def make_history() -> Response:
    bank = current()
    return jsonify(history.from_json(bank, _body()))


@bp.post("/reset")
def reset() -> Response:
    bank = current()
    seed.reset(bank)
    return jsonify(describe(bank))


def _all_faults(bank: Bank) -> Response:
    return jsonify({"faults": [each.as_json() for each in bank.faults.all()], "kinds": KINDS})


def describe(bank: Bank) -> dict[str, Any]:
    """Return what the bank holds, without any secret."""
    store = bank.store
    with store.transaction():
        return {
            "now": bunq_time(store.clock.now()),
            "clock_offset_s": store.clock.offset_s,
            "switches": bank.switches,
            "faults": [each.as_json() for each in bank.faults.all()],
            "users": [_user(store, each) for each in store.select("user")[::-1]],
            "grants": [_grant(each) for each in store.select("grant")[::-1]],
            "consents": [
                {"uuid": each.name, "status": oauth.status(store, each), "created": each.created}
                for each in store.select("oauth_request", limit=50)[::-1]
            ],
            "installations": len(store.select("installation")),
            "devices": len(store.select("device")),
            "sessions": sum(not each.body["closed"] for each in store.select("session")),
            "oauth_clients": [
                {"id": each.id, "owner": each.owner, "status": each.body["status"]}
                for each in store.select("oauth_client")[::-1]
            ],
        }


def _user(store: Store, user: Item) -> Json:
    return {
        "id": user.id,
        "type": user.body["type"],
        "name": user.body["legal_name"],
        "accounts": [
            {
                "id": each.id,
                "type": each.body["wrapper"],
                "description": each.body["description"],
                "iban": each.body["iban"],
                "status": each.body["status"],
            }
            for each in accounts.of_user(store, user.id)
        ],
    }


def _grant(grant: Item) -> Json:
    return {
        "id": grant.id,
        "user_id": grant.owner,
        "oauth_client": grant.parent,
        "user_api_key_id": grant.body["user_api_key_id"],
        "status": grant.body["status"],
        "accounts": grant.body["accounts"],
        "created": grant.created,
    }


def fault_facts(bank: Bank, app: Flask, back: str) -> Json:
    """Return what the faults section of a page shows; `back` is where its forms return to."""
    names: frozenset[str] = app.extensions["call_names"]
    return {
        "faults": bank.faults.all(),
        "kinds": KINDS,
        "often": OFTEN,
        "calls": sorted(names - set(OFTEN), key=lambda call: call.split()[::-1]),
        "back": back,
    }
