"""The control panel: a page with the faults, switches and clock, and one with the log of calls.

They offer as pages what control/api.py offers as JSON, under the same prefix and the same access rule.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, abort, current_app, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import seed
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.settings import SWITCHES, switch_from_text
from bunqflask.sandbox.control.api import PREFIX, fault_facts, is_foreign_origin, is_open
from bunqflask.sandbox.pages.layout import page

LOG_SHOWN = 200

# What the panel calls each switch and its values.
SWITCH_WORDS = {
    "rate_limits": "Rate limits",
    "token_style": "Token call takes its parameters from",
    "oauth_variant": "OAuth sessions are opened on",
    "denial": "After a denial",
    "permitted_ips_enforced": "Refuse calls from addresses that a key is not bound to",
    "request_ids_enforced": "Refuse a request id that was used before",
    "user_agent_enforced": "Refuse calls without User-Agent",
    "second_line_enforced": "Refuse a card's second line of more than 17 characters",
    "card_wrapper": "Cards are listed under",
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
    ("card_wrapper", "Card"): "Card",
    ("card_wrapper", "typed"): "CardDebit or CardCredit",
}


bp = Blueprint("panel", __name__, url_prefix=PREFIX)
# A person who opens the root of the server in a browser is sent to these pages.
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


def _back() -> ResponseReturnValue:
    """Redirect to the page that held the form, if it is a page of this server."""
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
