"""Notes on payments, and the files attached to either: read from bunq when somebody looks, not with the history.

bunq lists notes for one payment at a time, two calls each: reading them with the history would multiply its calls.
So the page of a payment asks for them once it is there, and what it gets is kept. For the same reason a search
does not look in them: it would find a note only on payments that somebody has opened before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq import notes as bunq
from bunqflask.bunq.client import BunqClient
from bunqflask.database import leases
from bunqflask.extensions import db, writable
from bunqflask.models import Connection, MonetaryAccount, Note, NoteReading, Payment
from bunqflask.services.connections import access
from bunqflask.services.connections.access import NotFoundHere
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import CallGate
from bunqflask.services.payments import repository
from bunqflask.services.team.members import Member

Result = TypeVar("Result")

# People change notes, and nobody tells us.
STALE_AFTER = timedelta(minutes=5)
_REST = timedelta(minutes=1)
_REST_WAITING = timedelta(seconds=3)
# What bunq does not show now, it will hardly show in a minute.
_REST_AFTER_NO = timedelta(hours=6)
_LONGEST_TEXT = 10_000


class FileGone(Exception):
    """bunq does not hand out a file, and trying again will not change that: `connection_ended`, or it said no."""

    def __init__(self, *, connection_ended: bool) -> None:
        super().__init__("the connection has ended" if connection_ended else "bunq does not show the file")
        self.connection_ended = connection_ended


@dataclass(frozen=True)
class Known:
    """What is stored of a payment's notes; `reading` is None until bunq was asked for them."""

    reading: NoteReading | None
    notes: Sequence[Note]


@dataclass(frozen=True)
class File:
    """A file that a member may see, by bunq's ids: attached to a payment, or to a note on it."""

    connection_id: int
    monetary_account_id: int
    payment_id: int
    attachment_id: int


def of(payment: Payment) -> Known:
    """Return what is stored of the notes on a payment, the oldest first."""
    query = select(Note).where(Note.payment_row_id == payment.id).order_by(Note.created_at, Note.kind, Note.note_id)
    return Known(db.session.get(NoteReading, payment.id), list(db.session.scalars(query)))


def own_files(raw: dict[str, Any]) -> list[int]:
    """Return the files that came with a payment itself, by bunq's ids."""
    return bunq.attachment_ids(raw.get("attachment"))


def may_be_asked(connection: Connection, account: MonetaryAccount) -> bool:
    """Tell whether bunq still shows us anything of this account."""
    return connection.status == "active" and account.is_shared


def is_stale(reading: NoteReading | None) -> bool:
    """Tell whether notes should be read again."""
    return reading is None or clock.is_over(reading.read_at, after=STALE_AFTER)


def is_due(reading: NoteReading | None) -> bool:
    """Tell whether a reading that is wanted may be tried now."""
    return reading is None or clock.has_come(reading.next_try_at, longest=_REST_AFTER_NO)


def is_being_read(reading: NoteReading | None) -> bool:
    """Tell whether some worker reads the notes at this moment."""
    return reading is not None and leases.is_taken(reading)


def refresh(member: Member, payment_row_id: int, *, patience_s: float) -> None:
    """Read the notes on a payment from bunq and store them; whatever goes wrong is noted on their reading.

    One worker at a time; while another one does it, nothing happens.

    :raises NotFoundHere: the member may not see this payment.
    """
    writable()
    payment, account, _raw = repository.get_for(member, payment_row_id)
    connection = access.by_id(account.connection_id)
    if not may_be_asked(connection, account):
        return
    monetary_account_id, payment_id = account.monetary_account_id, payment.payment_id
    reading = _reading_of(payment_row_id)
    holder = leases.take(reading)
    if holder is None:
        return
    asked_at = clock.now()

    def list_notes(client: BunqClient, token: str, user_id: int) -> list[bunq.Note]:
        return client.list_notes(token, user_id, monetary_account_id, payment_id)

    try:
        found = _ask(connection, CallGate(patience_s), list_notes)
        if leases.held(reading, holder):
            _store(reading, found)
            reading.read_at = asked_at
            reading.trouble = reading.trouble_facts = reading.next_try_at = None
            db.session.commit()
    except (errors.BunqError, sessions.NotSetUp) as error:
        db.session.rollback()
        if leases.held(reading, holder):
            _note_trouble(reading, error)
    except sessions.SessionGone:
        return
    finally:
        leases.give_back(reading, holder)


def find_file(member: Member, payment_row_id: int, attachment_id: int) -> File:
    """Return a file of a payment: one that bunq named in the payment or in a stored note on it.

    :raises NotFoundHere: the member may not see the payment, or nothing stored of it names such a file.
    """
    payment, account, raw = repository.get_for(member, payment_row_id)
    named = [own_files(raw), *(note.attachment_ids for note in of(payment).notes)]
    if not any(attachment_id in ids for ids in named):
        raise NotFoundHere
    return File(account.connection_id, account.monetary_account_id, payment.payment_id, attachment_id)


def read_file(file: File, *, patience_s: float) -> bytes:
    """Read a file from bunq, which alone keeps it.

    It is read whole, as far as any answer of bunq's may go, before the first byte is passed on: only then is its
    signature known to be bunq's.

    :raises FileGone: bunq will not hand it out.
    :raises BunqError: it cannot be read now.
    """
    writable()
    connection = access.by_id(file.connection_id)
    if connection.status != "active":
        raise FileGone(connection_ended=True)

    def read(client: BunqClient, token: str, user_id: int) -> bytes:
        return client.read_attachment(token, user_id, file.monetary_account_id, file.attachment_id)

    try:
        return _ask(connection, CallGate(patience_s), read)
    except (errors.ObjectNotFound, errors.PermissionRefused) as refused:
        current_app.logger.info("attachment %s: %s", file.attachment_id, refused)
        raise FileGone(connection_ended=False) from refused
    except sessions.SessionGone as gone:
        raise FileGone(connection_ended=True) from gone


def _ask(connection: Connection, gate: CallGate, calls: Callable[[BunqClient, str, int], Result]) -> Result:
    """Make calls in the connection's session, and once more for the holder's own id where bunq says no.

    Which of the two ids goes into paths of notes and files, bunq's pages and its own example tell differently.
    """
    session, secret, installation = sessions.means_of(connection)
    holder_id = connection.granted_user_id

    def work(client: BunqClient, token: str, path_user_id: int) -> Result:
        try:
            return calls(client, token, path_user_id)
        except (errors.ObjectNotFound, errors.PermissionRefused) as refused:
            if path_user_id == holder_id:
                raise
            try:
                return calls(client, token, holder_id)
            except (errors.ObjectNotFound, errors.PermissionRefused):
                raise refused from None

    return sessions.run(session, secret=secret, installation=installation, gate=gate, work=work)


def _reading_of(payment_row_id: int) -> NoteReading:
    """Return the row that says how the notes of a payment were read, made if need be."""
    insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
    try:
        db.session.execute(insert(NoteReading).values(id=payment_row_id).on_conflict_do_nothing())
        db.session.commit()
    except IntegrityError as error:  # the payment was erased this moment
        db.session.rollback()
        raise NotFoundHere from error
    reading: NoteReading | None = db.session.get(NoteReading, payment_row_id)
    if reading is None:
        raise NotFoundHere
    return reading


def _store(reading: NoteReading, found: Sequence[bunq.Note]) -> None:
    """Keep these notes and no others: what was changed or deleted at bunq is so here. Does not commit."""
    db.session.execute(delete(Note).where(Note.payment_row_id == reading.id))
    db.session.add_all(
        Note(
            payment_row_id=reading.id,
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


def _note_trouble(reading: NoteReading, error: errors.BunqError | sessions.NotSetUp) -> None:
    kind = retry_policy.kind_of(error) if isinstance(error, errors.BunqError) else "not_set_up"
    reading.trouble, reading.trouble_facts = kind, None
    if kind == "waiting":
        # Not a trouble: bunq's limits are kept, and the page that is open goes on by itself.
        wait_s = getattr(error, "wait_s", 0.0)
        rest = timedelta(seconds=wait_s) if wait_s else _REST_WAITING
    else:
        current_app.logger.warning("notes of payment %s: %s", reading.id, error)
        reading.trouble_facts = retry_policy.facts_of(error) if isinstance(error, errors.BunqError) else None
        rest = _REST_AFTER_NO if isinstance(error, errors.ObjectNotFound | errors.PermissionRefused) else _REST
    reading.next_try_at = clock.now() + rest
    db.session.commit()
