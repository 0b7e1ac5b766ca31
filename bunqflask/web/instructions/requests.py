"""Requests for money: their list, the form for a new one, and the page of one."""

from __future__ import annotations

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.models import InstructionKind, RequestBody
from bunqflask.services.instructions import once, payers
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.payers import NoPayer
from bunqflask.web.instructions import asking, pay, typed
from bunqflask.web.marks import polled

bp = Blueprint("requests", __name__, url_prefix="/pay/requests")
bp.before_request(pay.check_is_no_guest)

_KIND = InstructionKind.REQUEST
_FIELDS = ("account", "amount", "payer", "name", "description")


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the requests, the newest first, but for those of collections."""
    rows, older = asking.page_of(_KIND)
    can_begin = bool(pay.accounts_for(_KIND))
    return render_template("instructions/requests.html", rows=rows, older=older, can_begin=can_begin)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """Show the form for a new request."""
    return _form()


@bp.post("/new")
def prepare() -> ResponseReturnValue:
    """Send a request, or show the form again with what is wrong in it."""
    body, faults = _read()
    if body is None:
        return make_response(_form(faults), 422)
    try:
        made = once.prepare(g.team_member, typed.account_id(), body, typed.value("token"))
    except InstructionRefused as refused:
        return make_response(_form({"": str(refused)}), 422)
    return redirect(url_for("requests.show", request_id=made))


@bp.get("/<int:request_id>")
@polled
def show(request_id: int) -> ResponseReturnValue:
    """Show one request; its page asks again while bunq is still to be asked."""
    return asking.show(_KIND, request_id)


@bp.post("/<int:request_id>/take-back")
def take_back(request_id: int) -> ResponseReturnValue:
    """Take a request back."""
    return asking.take_back(_KIND, request_id, url_for("requests.show", request_id=request_id))


def _read() -> tuple[RequestBody | None, dict[str, str]]:
    faults: dict[str, str] = {}
    try:
        amount = typed.amount(typed.value("amount"))
    except ValueError as wrong:
        faults["amount"] = str(wrong)
    try:
        payer = payers.read(typed.value("payer"), typed.value("name"))
    except NoPayer as wrong:
        faults["payer"] = str(wrong)
    return (None, faults) if faults else (RequestBody(amount, payer, typed.value("description")), faults)


def _form(faults: dict[str, str] | None = None) -> str:
    accounts = typed.accounts(_KIND)[_KIND]
    return render_template(
        "instructions/request_form.html",
        accounts=accounts,
        values={each: request.form.get(each, "") for each in _FIELDS},
        faults=faults or {},
        token=typed.value("token") or once.new_token(),
    )
