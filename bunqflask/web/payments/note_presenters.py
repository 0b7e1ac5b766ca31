"""From stored notes to what the page of a payment shows of them: texts, files, and when bunq was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flask import url_for

from bunqflask import clock
from bunqflask.i18n import gettext as _
from bunqflask.models import ErrorKind, InstructionState
from bunqflask.services.connections.overview import ConnectionOverview
from bunqflask.services.gateway.retry_policy import policy_for, waiting_lead
from bunqflask.services.instructions import notes as writing
from bunqflask.services.instructions import once
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.payments import notes
from bunqflask.services.payments.lines import PaymentDetail
from bunqflask.services.payments.notes import StoredNote, StoredNotes
from bunqflask.services.principal import Principal
from bunqflask.web.errors.facts import shown_facts
from bunqflask.web.instructions.presenters import Pill, explanation, row
from bunqflask.web.payments.sync_status import why_over
from bunqflask.web.ui import formatting

# A page that is open asks again automatically when a next try is as near as this; a person may ask at any time.
_NEAR_S = 120
_MOST_SIGNS = 9_000


@dataclass(frozen=True, kw_only=True)
class FileLink:
    """A file at bunq; `url` is None where bunq does not hand it out any more."""

    label: str
    url: str | None


@dataclass(frozen=True, kw_only=True)
class NoteView:
    """One note, its text as safe lines; `changed_at` is None while it is as it was first written."""

    text: str
    files: list[FileLink]
    author: str
    created_at: datetime | None
    changed_at: datetime | None
    change_url: str | None


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """What is on its way to bunq, or could not be written there: what it is, its state, and what that means."""

    title: str
    about: str
    pill: Pill
    explanation: str
    cancel_url: str | None


@dataclass(frozen=True, kw_only=True)
class NotesCard:
    """All notes on a payment and the files that came with it; `trigger` is when htmx asks for it again.

    `over` is why bunq cannot be asked any more, `error_text` what went wrong when it was. `write_url` is where a note
    is sent, for those who may write some, and `write_token` that of its form; for files there are two more.
    """

    url: str
    notes: list[NoteView] = field(default_factory=list)
    own_files: list[FileLink] = field(default_factory=list)
    synced_at: datetime | None = None
    over: str | None = None
    error_text: str | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    next_try_at: datetime | None = None
    trigger: str | None = None
    may_refresh: bool = True
    write_url: str | None = None
    write_token: str = ""
    file_url: str | None = None
    file_token: str = ""
    under_way: list[UnderWay] = field(default_factory=list)
    focus: bool = False


def card(
    principal: Principal, payment: PaymentDetail, connection: ConnectionOverview, *, focus: bool = False
) -> NotesCard:
    """Show what is stored of a payment's notes, whether bunq is or can be asked for them, and what is on its way."""
    row_id = payment.line.id
    stored, over = notes.of(row_id), why_over(payment.account, connection)
    trigger, error_text = (None, None) if over else (_trigger(stored), _error_text(stored))
    under_way = None if over else writing.under_way(principal, payment)
    can_write = under_way is not None
    if any(each.ended_at is None for each in under_way or ()):
        trigger = "load delay:2s"

    def links(attachment_ids: Sequence[int], described: str = "") -> list[FileLink]:
        labels = _labels(described, len(attachment_ids))
        return [
            _link(row_id, each, label, is_over=over is not None)
            for each, label in zip(attachment_ids, labels, strict=True)
        ]

    return NotesCard(
        url=url_for("notes.index", payment_row_id=row_id),
        notes=[
            _view(note, links(note.attachment_ids, _lines(note.text)), row_id if can_write else None)
            for note in stored.notes
        ],
        own_files=links(notes.own_files(payment.raw)),
        synced_at=stored.synced_at,
        over=over,
        error_text=error_text,
        # That bunq shows no notes is no error to look into: the permission may well not hold them.
        facts=shown_facts(stored.error_facts) if error_text and stored.error_kind != ErrorKind.REFUSED else [],
        next_try_at=stored.next_try_at if trigger and not stored.is_due else None,
        trigger=trigger,
        may_refresh=payment.account.is_held,
        focus=focus,
        write_url=url_for("note_writing.write", payment_row_id=row_id) if can_write else None,
        write_token=once.new_token() if can_write else "",
        file_url=url_for("note_writing.attach", payment_row_id=row_id) if can_write else None,
        file_token=once.new_token() if can_write else "",
        under_way=[_under_way(each, row_id) for each in under_way or ()],
    )


def _under_way(found: InstructionView, payment_row_id: int) -> UnderWay:
    shown = row(found)
    cancel = url_for("note_writing.cancel", payment_row_id=payment_row_id, note_change_id=found.id)
    return UnderWay(
        title=shown.title,
        about=shown.about,
        pill=shown.pill,
        explanation=explanation(found),
        cancel_url=cancel if found.can_cancel and found.state is InstructionState.WAITING else None,
    )


def _view(note: StoredNote, files: list[FileLink], payment_row_id: int | None) -> NoteView:
    """Show a note; with the payment's id, to somebody who may change it."""
    change_url = None
    if payment_row_id is not None:
        where = {"payment_row_id": payment_row_id, "kind": note.kind, "note_id": note.note_id}
        change_url = url_for("note_writing.edit", **where)  # type: ignore[arg-type]
    changed = note.updated_at is not None and note.updated_at != note.created_at
    return NoteView(
        text=_lines(note.text),
        files=files,
        author=note.author,
        created_at=note.created_at,
        changed_at=note.updated_at if changed else None,
        change_url=change_url,
    )


def _lines(text: str) -> str:
    """What somebody wrote, safe to show, in its own lines; empty when there is nothing to read in it."""
    return "\n".join(formatting.one_line(line, _MOST_SIGNS) for line in text[:_MOST_SIGNS].split("\n")).strip()


def _labels(described: str, count: int) -> list[str]:
    """Name files: bunq says no name of a file, only what somebody wrote about those of a note."""
    if count == 1:
        is_name = described and "\n" not in described and len(described) <= formatting.NAME_LENGTH
        return [described if is_name else _("File")]
    return [_("File %(place)d of %(count)d") % {"place": place, "count": count} for place in range(1, count + 1)]


def _link(payment_row_id: int, attachment_id: int, label: str, *, is_over: bool) -> FileLink:
    url = url_for("notes.file", payment_row_id=payment_row_id, attachment_id=attachment_id)
    return FileLink(label=label, url=None if is_over else url)


def _error_text(stored: StoredNotes) -> str | None:
    if stored.error_kind is None:
        return None
    if stored.error_kind == ErrorKind.WAITING:
        return waiting_lead()
    if stored.error_kind == ErrorKind.REFUSED:
        return _("bunq doesn’t show us the notes of this payment.")
    policy = policy_for(stored.error_kind)
    return " ".join([f"{policy.title}.", *policy.todo])


def _trigger(stored: StoredNotes) -> str | None:
    """Ask right after the page is there, again when the next try is due, and never while nothing is to be asked."""
    if not stored.is_stale:
        return None
    if stored.is_syncing:
        return "load delay:2s"
    if stored.is_due or stored.next_try_at is None:
        return "load"
    wait_s = (stored.next_try_at - clock.now()).total_seconds()
    return f"load delay:{int(wait_s) + 1}s" if wait_s < _NEAR_S else None
