"""Writing on a payment: notes are written, changed and deleted, and files attached; a worker does it at bunq."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import Instruction
from bunqflask.services.instructions import notes, once, preparing
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.preparing import ChangedMeanwhile
from bunqflask.services.payments import details, repository
from bunqflask.services.payments import notes as stored
from bunqflask.services.payments.notes import StoredNote
from bunqflask.services.policy import NotFoundHere
from bunqflask.web.marks import takes_file

bp = Blueprint("note_writing", __name__, url_prefix="/payments/<long:payment_row_id>")


@bp.post("/notes/write")
def write(payment_row_id: int) -> ResponseReturnValue:
    """Let a note be written."""
    text = request.form.get("text", "")
    try:
        _once(("write", payment_row_id, text), lambda: notes.write_within(g.team_member, payment_row_id, text))
    except InstructionRefused as refused:
        flash(str(refused), "error")
    return redirect(_page_of(payment_row_id))


@bp.post("/notes/attach")
@takes_file
def attach(payment_row_id: int) -> ResponseReturnValue:
    """Let a file be attached."""
    sent = request.files.get("file")
    name, content = (sent.filename or "", sent.read()) if sent is not None else ("", b"")
    form = ("attach", payment_row_id, name, hashlib.sha256(content).hexdigest())
    try:
        _once(form, lambda: notes.attach_within(g.team_member, payment_row_id, name, content))
    except InstructionRefused as refused:
        flash(str(refused), "error")
    return redirect(_page_of(payment_row_id))


@bp.get("/notes/<kind>/<long:note_id>")
def edit(payment_row_id: int, kind: str, note_id: int) -> ResponseReturnValue:
    """Show a note to be changed or deleted."""
    note = _find(payment_row_id, kind, note_id)
    return _edit_page(payment_row_id, note, note.text)


@bp.post("/notes/<kind>/<long:note_id>")
def change(payment_row_id: int, kind: str, note_id: int) -> ResponseReturnValue:
    """Let a note have another text, or be deleted."""
    note, text = _find(payment_row_id, kind, note_id), request.form.get("text", "")
    is_deleted = request.form.get("act") == "delete" or note.kind != "text"

    def work() -> Instruction:
        if is_deleted:
            return notes.delete_within(g.team_member, payment_row_id, note.kind, note_id)
        return notes.change_within(g.team_member, payment_row_id, note_id, text)

    try:
        _once(("change", payment_row_id, kind, note_id, "" if is_deleted else text, is_deleted), work)
    except InstructionRefused as refused:
        shown = note.text if is_deleted else text
        return make_response(_edit_page(payment_row_id, note, shown, str(refused)), 422)
    return redirect(_page_of(payment_row_id))


@bp.post("/notes/under-way/<int:note_change_id>/cancel")
def cancel(payment_row_id: int, note_change_id: int) -> ResponseReturnValue:
    """Take back what was not sent yet."""
    try:
        preparing.cancel(g.team_member, note_change_id)
    except ChangedMeanwhile:
        flash(_("It has ended already, and cannot be taken back."), "error")
    return redirect(_page_of(payment_row_id))


def _once(form: object, work: Callable[[], Instruction]) -> None:
    once.do(g.team_member, request.form.get("token", ""), form, work)


def _find(payment_row_id: int, kind: str, note_id: int) -> StoredNote:
    """Return a stored note that the member may change.

    :raises NotFoundHere: there is none, or they may not.
    """
    payment = details.get(repository.accounts_of(g.team_member), payment_row_id)
    if notes.under_way(g.team_member, payment) is None:
        raise NotFoundHere
    for each in stored.of(payment_row_id).notes:
        if (each.kind, each.note_id) == (kind, note_id):
            return each
    raise NotFoundHere


def _edit_page(payment_row_id: int, note: StoredNote, text: str, error: str | None = None) -> str:
    return render_template(
        "payments/note.html",
        back_url=_page_of(payment_row_id),
        url=url_for("note_writing.change", payment_row_id=payment_row_id, kind=note.kind, note_id=note.note_id),
        is_text=note.kind == "text",
        text=text,
        error=error,
        token=once.new_token(),
    )


def _page_of(payment_row_id: int) -> str:
    return url_for("payments.show", payment_row_id=payment_row_id, _anchor="notes")
