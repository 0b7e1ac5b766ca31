"""Notes on a payment and the files that go with it: a part of its page, which htmx brings up to date."""

from __future__ import annotations

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.services.audit import looks
from bunqflask.services.payments import details, file_types, notes, repository
from bunqflask.services.payments.lines import PaymentDetail
from bunqflask.services.payments.repository import Scope
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.marks import polled
from bunqflask.web.payments import note_errors, note_presenters
from bunqflask.web.ui.htmx import wants_fragment

bp = Blueprint("notes", __name__, url_prefix="/payments/<long:payment_row_id>")
note_errors.register(bp)

# How long to wait for bunq's turn: an automatic request is repeated soon, a person who pressed waits.
_POLL_PATIENCE_S = 0.5
_PRESS_PATIENCE_S = 3.0


@bp.get("/notes")
@polled
def index(payment_row_id: int) -> ResponseReturnValue:
    """The notes on a payment. Asked for as a fragment, stale ones are read from bunq first."""
    scope = repository.scope_of(g.team_member)
    payment = details.get(scope, payment_row_id)
    if not wants_fragment():
        return redirect(_page_of(payment_row_id))
    stored = notes.of(payment_row_id)
    if stored.is_stale and stored.is_due:
        notes.fetch(g.team_member, payment_row_id, patience_s=_POLL_PATIENCE_S)
        return _fragment_now(payment_row_id)
    return _fragment(payment, scope)


@bp.post("/notes")
def refresh(payment_row_id: int) -> ResponseReturnValue:
    """Read the notes from bunq now, for a member who holds the account; others wait until they are stale."""
    if not details.get(repository.scope_of(g.team_member), payment_row_id).account.is_held:
        raise NotFoundHere
    notes.fetch(g.team_member, payment_row_id, patience_s=_PRESS_PATIENCE_S)
    return _fragment_now(payment_row_id, focus=True) if wants_fragment() else redirect(_page_of(payment_row_id))


@bp.get("/attachments/<long:attachment_id>")
def file(payment_row_id: int, attachment_id: int) -> ResponseReturnValue:
    """One file, read from bunq now, as a download.

    Always a download, pictures too: so nothing that a stranger made is ever a page of this site.
    """
    found = notes.find_file(g.team_member, payment_row_id, attachment_id)
    if request.method == "HEAD":
        return Response(status=200)  # to ask whether there is a file must not cost a call
    content = notes.read_file(found, patience_s=_PRESS_PATIENCE_S)
    looks.record_attachment(g.team_member, found.account_id, payment=found.payment_id, attachment=attachment_id)
    response = Response(content, mimetype=file_types.of(content).media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{file_types.name_of(found, content)}"'
    return response


def _page_of(payment_row_id: int) -> str:
    return url_for("payments.show", payment_row_id=payment_row_id, _anchor="notes")


def _fragment_now(payment_row_id: int, *, focus: bool = False) -> Response:
    """Show what is stored after bunq was asked: the connection may have ended meanwhile."""
    scope = repository.scope_of(g.team_member)
    return _fragment(details.get(scope, payment_row_id), scope, focus=focus)


def _fragment(payment: PaymentDetail, scope: Scope, *, focus: bool = False) -> Response:
    card = note_presenters.card(g.team_member, payment, scope.by_id[payment.account.connection_id], focus=focus)
    response = make_response(render_template("payments/_notes.html", card=card))
    response.vary.add("HX-Request")
    return response
