"""Drafts: lists by how far they are, the page of one, and what people decide about it."""

from __future__ import annotations

import re

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import InstructionKind, InstructionState
from bunqflask.services.instructions import approval_limits, facts, matching, preparing, reading, rights
from bunqflask.services.instructions.changed_ibans import IbansNotCompared
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.web.guards import recently_authenticated
from bunqflask.web.instructions import draft_presenters, pay, presenters
from bunqflask.web.marks import polled
from bunqflask.web.ui import formatting
from bunqflask.web.ui.htmx import fingerprint, shows_already

bp = Blueprint("drafts", __name__, url_prefix="/pay/drafts")
bp.before_request(pay.check_is_no_guest)

TABS = {
    "open": (InstructionState.PREPARED, InstructionState.WAITING),
    "bunq": (InstructionState.SENDING, InstructionState.UNKNOWN, InstructionState.OPEN),
    "done": (InstructionState.ACCEPTED,),
    "refused": (InstructionState.REJECTED, InstructionState.FAILED, InstructionState.CANCELLED),
}
_PAGE = 50
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_BATCH = re.compile(r"BF[A-Z0-9]{1,18}", re.ASCII)


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the drafts that are so far, the newest first."""
    tab = request.args.get("tab", "open")
    if tab not in TABS:
        raise NotFoundHere
    older_than = request.args.get("older_than", type=int)
    if older_than is not None and not 0 < older_than < 2**31:
        raise NotFoundHere
    batch = request.args.get("batch", "")
    if batch and not _BATCH.fullmatch(batch):
        raise NotFoundHere
    found = reading.list_all(
        g.team_member,
        [InstructionKind.DRAFT],
        states=None if batch else TABS[tab],
        batch=batch or None,
        older_than=older_than,
        limit=_PAGE + 1,
    )
    return render_template(
        "instructions/drafts.html",
        tab="" if batch else tab,
        rows=[presenters.row(each) for each in found[:_PAGE]],
        older_than=found[_PAGE - 1].id if len(found) > _PAGE else None,
        sums=reading.not_yet_paid(g.team_member) if tab == "open" and not batch else [],
        can_prepare=bool(accounts()),
    )


@bp.get("/<int:instruction_id>")
@polled
def show(instruction_id: int) -> ResponseReturnValue:
    """Show a draft with its payments, what to look at in it, and what can be decided."""
    found = _draft(instruction_id)
    return ("", 204) if shows_already(fingerprint(found)) else _page(found)


@bp.post("/<int:instruction_id>/approve")
@recently_authenticated
def approve(instruction_id: int) -> ResponseReturnValue:
    """Approve a draft as the page showed it."""
    seen = request.form.get("content_hash", "")
    try:
        approval = preparing.approve(
            g.team_member, instruction_id, seen if seen.isascii() else "", compared=compared_numbers()
        )
    except ChangedMeanwhile:
        return make_response(_page(_draft(instruction_id), lines_seen=request.form.get("lines", "")), 409)
    except NotPermitted as refused:
        return make_response(_page(_draft(instruction_id), error=str(refused)), 403)
    except IbansNotCompared as refused:
        return make_response(_page(_draft(instruction_id), error=str(refused)), 422)
    if approval.is_alone:
        at = formatting.clock(approval.sent_from, seconds=True)
        flash(_("Approved. It is sent to bunq at %(time)s; until then you can take it back.") % {"time": at})
    else:
        flash(_("Approved. It is sent to bunq now. Money moves only when the holder accepts it in the bunq app."))
    return _back(instruction_id)


@bp.post("/<int:instruction_id>/send-back")
def send_back(instruction_id: int) -> ResponseReturnValue:
    """Send a draft back to who prepared it, with a reason."""
    try:
        preparing.send_back(g.team_member, instruction_id, request.form.get("reason", "")[:1000])
    except ChangedMeanwhile:
        return make_response(changed_page(instruction_id), 409)
    flash(_("Sent back. Who prepared it can change it, or take it back."))
    return _back(instruction_id)


@bp.post("/<int:instruction_id>/cancel")
def cancel(instruction_id: int) -> ResponseReturnValue:
    """Take a draft back, here or at bunq."""
    _draft(instruction_id)
    try:
        preparing.cancel(g.team_member, instruction_id)
    except ChangedMeanwhile:
        return make_response(changed_page(instruction_id), 409)
    if reading.get(g.team_member, instruction_id).state is InstructionState.CANCELLED:
        flash(_("Taken back. Nothing was sent to bunq."))
    else:
        flash(_("It is being taken back at bunq. If the holder has accepted it by then, it stays accepted."))
    return _back(instruction_id)


def accounts() -> list[pay.Account]:
    """Return the accounts on which the member may prepare drafts: bunq's drafts are in euros."""
    return [each for each in pay.accounts_for(InstructionKind.DRAFT) if each.currency == "EUR"]


def compared_numbers() -> set[int]:
    """Return the numbers of the payments, as the page showed them, of which the form says that IBANs were compared."""
    return {int(each) for each in request.form.getlist("compared") if _NUMBER.fullmatch(each)}


def changed_page(instruction_id: int) -> str:
    """Return the page of a draft that changed, or went on, since somebody looked at it."""
    return _page(_draft(instruction_id), lines_seen="")


def _back(instruction_id: int) -> ResponseReturnValue:
    return redirect(url_for("drafts.show", instruction_id=instruction_id))


def _draft(instruction_id: int) -> reading.InstructionView:
    found = reading.get(g.team_member, instruction_id)
    if found.kind is not InstructionKind.DRAFT:
        raise NotFoundHere
    return found


def _page(found: reading.InstructionView, *, lines_seen: str | None = None, error: str = "") -> str:
    """Return the page of a draft.

    :param lines_seen: what somebody decided about, when that is not what there is now; "" when they did not say.
    """
    account = rights.account_in_full(g.team_member, found.account_id).row
    marks = []
    if found.state is InstructionState.PREPARED:
        marks = facts.marks_of_draft(account, found.id, draft_presenters.body_of(found))
    limits = approval_limits.limits_today(g.team_member, found.connection_id) if found.can_approve else None
    paid = matching.payments_of(found)
    return render_template(
        "instructions/draft.html",
        draft=draft_presenters.present(found, marks, paid, has_siblings=_has_siblings(found), lines_seen=lines_seen),
        tab=next((tab for tab, states in TABS.items() if found.state in states), "open"),
        limits=limits,
        error=error,
        # The message about a decision stays on screen.
        changes_soon=request.method == "GET" and presenters.changes_soon(found),
        seen=fingerprint(found),
    )


def _has_siblings(found: reading.InstructionView) -> bool:
    """Tell whether other drafts were made of the same file."""
    kinds = [InstructionKind.DRAFT]
    return found.batch is not None and len(reading.list_all(g.team_member, kinds, batch=found.batch, limit=2)) > 1
