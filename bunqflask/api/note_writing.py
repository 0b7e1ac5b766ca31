"""Writing on payments: notes and files, which a worker writes at bunq."""

from __future__ import annotations

from collections.abc import Callable

from flask import g, request

from bunqflask.api import problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.instruction_schemas import FileQuery, InstructionItem, InstructionQuery, Instructions, NoteWish
from bunqflask.api.instructions import Begun, begun, get_of, item_of, list_of, writing
from bunqflask.models import NOTE_KINDS, Instruction, TokenScope
from bunqflask.services.instructions import notes
from bunqflask.services.instructions.checks import InstructionRefused

_TAG = "Notes"
_WRITE = TokenScope.NOTES_WRITE


@writing(
    "POST",
    "/payments/<long:payment_id>/notes",
    body=NoteWish,
    scope=_WRITE,
    tag=_TAG,
)
def write_note(payment_id: int, json: NoteWish) -> Begun:
    """Write a note on a payment. The holder sees it in the bunq app."""
    return _prepared(lambda: notes.write_within(g.bearer, payment_id, json.text))


@writing(
    "PUT",
    "/payments/<long:payment_id>/notes/<long:note_id>",
    body=NoteWish,
    scope=_WRITE,
    tag=_TAG,
)
def change_note(payment_id: int, note_id: int, json: NoteWish) -> Begun:
    """Give a note of the kind `text` another text."""
    return _prepared(lambda: notes.change_within(g.bearer, payment_id, note_id, json.text))


@writing(
    "DELETE",
    "/payments/<long:payment_id>/notes/<long:note_id>",
    scope=_WRITE,
    tag=_TAG,
)
def delete_note(payment_id: int, note_id: int) -> Begun:
    """Delete a note of the kind `text`."""
    return _prepared(lambda: notes.delete_within(g.bearer, payment_id, "text", note_id))


@writing(
    "POST",
    "/payments/<long:payment_id>/attachments",
    query=FileQuery,
    scope=_WRITE,
    tag=_TAG,
    takes_file=True,
)
def attach_file(payment_id: int, query: FileQuery) -> Begun:
    """Attach a file to a payment: a PDF, PNG or JPEG of up to 10 MB, as the body of the call.

    A PDF that holds a script or starts a program is refused.
    """
    content = request.get_data()
    return _prepared(lambda: notes.attach_within(g.bearer, payment_id, query.name, content))


@writing(
    "DELETE",
    "/payments/<long:payment_id>/attachments/<long:attachment_id>",
    scope=_WRITE,
    tag=_TAG,
)
def detach_file(payment_id: int, attachment_id: int) -> Begun:
    """Take a file off a payment that a note attached to it."""
    return _prepared(lambda: notes.detach_within(g.bearer, payment_id, attachment_id))


@endpoint("GET", "/note-changes", query=InstructionQuery, answer=Instructions, scope=_WRITE, tag=_TAG)
def note_changes(query: InstructionQuery) -> Instructions:
    """What was written on payments on the accounts that the token sees in full, the newest first."""
    return list_of(NOTE_KINDS, query)


@endpoint("GET", "/note-changes/<int:note_change_id>", answer=InstructionItem, scope=_WRITE, tag=_TAG)
def note_change(note_change_id: int) -> InstructionItem:
    """How far the writing of a note or a file is."""
    return item_of(get_of(NOTE_KINDS, note_change_id))


def _prepared(work: Callable[[], Instruction]) -> Begun:
    try:
        row = work()
    except InstructionRefused as refused:
        problems.refuse(str(refused))
    return begun("note_change", row.id)
