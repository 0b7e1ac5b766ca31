"""Notes on payments, and the files attached to either: fetched from bunq when somebody looks, not by a sync.

bunq lists notes for one payment at a time, two calls each: a backfill with notes would take many times the calls.
So the page of a payment asks for them once it is there, and stores them. For the same reason a search does not look
in them: it would find a note only on payments that somebody has opened before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import BigInteger, bindparam, delete, exists, select
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq import notes as bunq_notes
from bunqflask.bunq.notes import NoteKind
from bunqflask.database import leases
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.lists import is_one_of
from bunqflask.database.transactions import transaction
from bunqflask.database.upsert import insert_into
from bunqflask.extensions import db
from bunqflask.models import NOTE_KINDS, ErrorKind, Instruction, InstructionState, Note, NoteSync
from bunqflask.services.connections import access, consents
from bunqflask.services.gateway import retry_policy, sessions, user_ids
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.payments import aggregates, details, repository, revisions
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

# People change notes, and bunq has no callback for it.
STALE_AFTER = timedelta(minutes=5)
_RETRY_S = 60.0
_WAIT_S = 3.0
# What bunq does not show now, it will hardly show in a minute.
_RETRY_AFTER_NO_S = 6 * 3600.0
_LONGEST_TEXT = 10_000
# With whether this server has written a note on the account since: a look at bunq that began before that misses it.
_STATE = select(
    NoteSync,
    exists().where(
        Instruction.account_id == NoteSync.account_id,
        Instruction.kind.in_(NOTE_KINDS),
        Instruction.state == InstructionState.DONE,
        Instruction.ended_at > NoteSync.synced_at,
    ),
).where(NoteSync.id == bindparam("id"))


class FileGone(Exception):
    """bunq does not hand out a file, and trying again will not change that: `connection_ended`, or it said no."""

    def __init__(self, *, connection_ended: bool) -> None:
        super().__init__("the connection has ended" if connection_ended else "bunq does not show the file")
        self.connection_ended = connection_ended


@dataclass(frozen=True, kw_only=True)
class StoredNote:
    """A note on a payment; `note_id` and the files by bunq's ids, which it gives to texts and to files apart."""

    kind: NoteKind
    note_id: int
    text: str
    author: str
    created_at: datetime | None
    updated_at: datetime | None
    attachment_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class StoredNotes:
    """What is stored of a payment's notes, and how bunq was last asked for them.

    `is_stale` tells that they should be read again, `is_due` that this may be tried now, `is_syncing` that a worker
    reads them now.
    """

    notes: tuple[StoredNote, ...] = ()
    synced_at: datetime | None = None
    error_kind: ErrorKind | None = None
    error_facts: dict[str, Any] | None = None
    next_try_at: datetime | None = None
    is_stale: bool = True
    is_due: bool = True
    is_syncing: bool = False


@dataclass(frozen=True)
class Place:
    """Where a payment is at bunq, and our account of it."""

    account_id: int
    monetary_account_id: int
    payment_id: int
    holder_user_id: int


@dataclass(frozen=True)
class File:
    """A file that a principal may see: attached to a payment, or to a note on it.

    `connection_id` and `account_id` are ours, the others bunq's.
    """

    connection_id: int
    account_id: int
    monetary_account_id: int
    payment_id: int
    attachment_id: int


@dataclass(frozen=True)
class NamedFile:
    """A file that stands in a payment, or in a note on it; `account_id` is ours, `attachment_id` bunq's."""

    account_id: int
    attachment_id: int
    of_note: bool


def of(payment_row_id: int) -> StoredNotes:
    """Return what is stored of the notes on a payment, the oldest first."""
    found = db.session.execute(_STATE, {"id": payment_row_id}).one_or_none()
    if found is None:
        return StoredNotes()
    state, is_written_since = found
    return StoredNotes(
        notes=tuple(of_payments([payment_row_id]).get(payment_row_id, ())),
        synced_at=state.synced_at,
        error_kind=state.error_kind,
        error_facts=state.error_facts,
        next_try_at=state.next_try_at,
        is_stale=clock.is_over(state.synced_at, after=STALE_AFTER) or is_written_since,
        is_due=clock.has_come(state.next_try_at, longest=timedelta(seconds=_RETRY_AFTER_NO_S)),
        is_syncing=leases.is_taken(state),
    )


def of_payments(payment_row_ids: Iterable[int]) -> dict[int, list[StoredNote]]:
    """Return the stored notes on some payments by their rows, the oldest first; those without notes are left out."""
    query = select(Note).where(is_one_of(Note.payment_row_id, payment_row_ids, BigInteger()))
    found: dict[int, list[StoredNote]] = {}
    for note in db.session.scalars(query.order_by(Note.created_at, Note.kind, Note.note_id)):
        found.setdefault(note.payment_row_id, []).append(
            StoredNote(
                kind="attachment" if note.kind == "attachment" else "text",
                note_id=note.note_id,
                text=note.text,
                author=note.author,
                created_at=note.created_at,
                updated_at=note.updated_at,
                attachment_ids=tuple(note.attachment_ids),
            )
        )
    return found


def own_files(raw: dict[str, Any]) -> list[int]:
    """Return the files that came with a payment itself, by bunq's ids."""
    return bunq_notes.attachment_ids(raw.get("attachment"))


def fetch(principal: Principal, payment_row_id: int, *, patience_s: float) -> None:
    """Fetch the notes on a payment from bunq and store them; an error is recorded on their `NoteSync`.

    One worker at a time; while another one does it, nothing happens.

    :raises NotFoundHere: the principal may not see this payment.
    """
    payment = details.get(repository.scope_of(principal), payment_row_id)
    account = payment.account
    if consents.reader_of(account.id) is None:
        return
    place = _place(account.id, account.connection_id, account.monetary_account_id, payment.payment_id)
    state = _ensure_state(payment_row_id, account.id)
    with leases.held(state) as lease:
        if lease is None:
            return
        try:
            _sync_under(lease, payment_row_id, place, RateLimiter(patience_s, lease=lease))
        except (sessions.SessionGone, LeaseLost):
            return


def _sync_under(lease: Lease, payment_row_id: int, place: Place, limiter: RateLimiter) -> None:
    asked_at = clock.now()
    try:
        with consents.session_for(place.account_id, limiter) as bunq:
            found = user_ids.with_either(
                bunq,
                place.holder_user_id,
                lambda user_id: bunq.list_notes(place.monetary_account_id, place.payment_id, user_id=user_id),
            )
        with transaction():
            # First the account, as who erases it does: in the other order each would wait for the other.
            aggregates.lock(place.account_id)
            lease.verify()
            state = db.session.get_one(NoteSync, payment_row_id)
            if _store(state, found):
                revisions.touch(place.account_id, payment_row_id)
            state.synced_at = asked_at
            state.clear_error()
    except (errors.BunqError, NotSetUp) as error:
        with transaction():
            lease.verify()
            _record(db.session.get_one(NoteSync, payment_row_id), error)


def list_files(principal: Principal, payment_row_id: int) -> list[NamedFile]:
    """Return the files of a payment: its own, then those of the stored notes on it.

    :raises NotFoundHere: the principal may not see this payment.
    """
    payment = details.get(repository.scope_of(principal), payment_row_id)
    found = {each: NamedFile(payment.account.id, each, of_note=False) for each in own_files(payment.raw)}
    for note in of(payment_row_id).notes:
        for each in note.attachment_ids:
            found.setdefault(each, NamedFile(payment.account.id, each, of_note=True))
    return list(found.values())


def find_file(principal: Principal, payment_row_id: int, attachment_id: int) -> File:
    """Return a file of a payment: one that bunq named in the payment or in a stored note on it.

    :raises NotFoundHere: the principal may not see the payment, or nothing stored of it names such a file.
    """
    payment = details.get(repository.scope_of(principal), payment_row_id)
    account = payment.account
    named = [own_files(payment.raw), *(note.attachment_ids for note in of(payment_row_id).notes)]
    if not any(attachment_id in ids for ids in named):
        raise NotFoundHere
    return File(account.connection_id, account.id, account.monetary_account_id, payment.payment_id, attachment_id)


def read_file(file: File, *, patience_s: float) -> bytes:
    """Fetch a file from bunq, which alone keeps it.

    It is read whole before the first byte is passed on: only then is its signature known to be bunq's.

    :raises FileGone: bunq will not hand it out.
    :raises BunqError: it cannot be fetched now.
    """
    place = _place(file.account_id, file.connection_id, file.monetary_account_id, file.payment_id)
    try:
        with consents.session_for(file.account_id, RateLimiter(patience_s)) as bunq:
            return user_ids.with_either(
                bunq,
                place.holder_user_id,
                lambda user_id: bunq.read_attachment(file.monetary_account_id, file.attachment_id, user_id=user_id),
            )
    except (errors.ObjectNotFound, errors.PermissionRefused) as refused:
        current_app.logger.info("attachment %s: %s", file.attachment_id, refused)
        raise FileGone(connection_ended=False) from refused
    except sessions.SessionGone as gone:
        raise FileGone(connection_ended=True) from gone


def _place(account_id: int, connection_id: int, monetary_account_id: int, payment_id: int) -> Place:
    return Place(account_id, monetary_account_id, payment_id, access.by_id(connection_id).granted_user_id)


def _ensure_state(payment_row_id: int, account_id: int) -> NoteSync:
    """Return the row that says how the notes of a payment were fetched, made if need be."""
    state = db.session.get(NoteSync, payment_row_id)
    if state is not None:
        return state
    try:
        with transaction():
            fresh = insert_into(NoteSync).values(id=payment_row_id, account_id=account_id)
            db.session.execute(fresh.on_conflict_do_nothing())
    except IntegrityError as error:  # the account was erased just now
        raise NotFoundHere from error
    state = db.session.get(NoteSync, payment_row_id)
    if state is None:
        raise NotFoundHere
    return state


def _store(state: NoteSync, found: Sequence[bunq_notes.Note]) -> bool:
    """Store these notes and no others, within the caller's transaction: what was deleted at bunq is deleted here.

    Returns whether that changes what people and programs see.
    """
    before = of(state.id).notes
    db.session.execute(delete(Note).where(Note.payment_row_id == state.id))
    db.session.add_all(
        Note(
            payment_row_id=state.id,
            kind=note.kind,
            note_id=note.note_id,
            created_at=note.created_at,
            updated_at=note.updated_at,
            author=note.author[:500],
            text=note.text[:_LONGEST_TEXT],
            attachment_ids=note.attachment_ids,
            raw=dict(note.raw),
        )
        for note in found
    )
    db.session.flush()
    return of(state.id).notes != before


def _record(state: NoteSync, error: errors.BunqError | NotSetUp) -> None:
    if isinstance(error, NotSetUp):
        retry_policy.record_kind(state, ErrorKind.NOT_SET_UP, wait_s=_RETRY_S)
        return
    kind = retry_policy.kind_of(error)
    if kind == ErrorKind.WAITING:
        retry_policy.record_kind(state, kind, wait_s=getattr(error, "wait_s", 0.0) or _WAIT_S)
        state.error_facts = None
        return
    is_no = isinstance(error, errors.ObjectNotFound | errors.PermissionRefused)
    current_app.logger.warning("notes of payment %s: %s", state.id, error)
    retry_policy.record_kind(state, kind, wait_s=_RETRY_AFTER_NO_S if is_no else _RETRY_S)
    state.error_facts = retry_policy.facts_of(error)
