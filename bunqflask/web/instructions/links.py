"""bunq.me links: their list, the form for a new one, and the page of one with what was paid by it."""

from __future__ import annotations

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.models import InstructionKind, LinkBody
from bunqflask.services.instructions import once
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.web.instructions import asking, pay, typed
from bunqflask.web.marks import polled

bp = Blueprint("links", __name__, url_prefix="/pay/links")
bp.before_request(pay.check_is_no_guest)

_KIND = InstructionKind.LINK
_FIELDS = ("account", "amount", "description", "return_url")


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the links, the newest first, but for those of collections."""
    rows, older = asking.page_of(_KIND)
    can_begin = bool(pay.accounts_for(_KIND))
    return render_template("instructions/links.html", rows=rows, older=older, can_begin=can_begin)


@bp.get("/new")
def new() -> ResponseReturnValue:
    """Show the form for a new link."""
    return _form()


@bp.post("/new")
def prepare() -> ResponseReturnValue:
    """Make a link, or show the form again with what is wrong in it."""
    try:
        amount = typed.amount(typed.value("amount"))
    except ValueError as wrong:
        return make_response(_form({"amount": str(wrong)}), 422)
    body = LinkBody(amount, typed.value("description"), typed.value("return_url") or None)
    try:
        made = once.prepare(g.team_member, typed.account_id(), body, typed.value("token"))
    except InstructionRefused as refused:
        return make_response(_form({"": str(refused)}), 422)
    return redirect(url_for("links.show", link_id=made))


@bp.get("/<int:link_id>")
@polled
def show(link_id: int) -> ResponseReturnValue:
    """Show one link; its page asks again while bunq is still to be asked."""
    return asking.show(_KIND, link_id)


@bp.post("/<int:link_id>/end")
def end(link_id: int) -> ResponseReturnValue:
    """End a link, so that nobody can pay it any more."""
    return asking.take_back(_KIND, link_id, url_for("links.show", link_id=link_id))


def _form(faults: dict[str, str] | None = None) -> str:
    accounts = typed.accounts(_KIND)[_KIND]
    return render_template(
        "instructions/link_form.html",
        accounts=accounts,
        values={each: request.form.get(each, "") for each in _FIELDS},
        faults=faults or {},
        token=typed.value("token") or once.new_token(),
    )
