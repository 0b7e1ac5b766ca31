"""What people do with the notes on a payment: write, change and delete them, and attach files.

Functions that end in `_within` take part in the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

from flask import current_app
from sqlalchemy import exists, select

from bunqflask import clock
from bunqflask.bunq import notes as bunq_notes
from bunqflask.bunq.notes import NoteKind
from bunqflask.database.transactions import transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    NOTE_KINDS,
    Ability,
    ConnectionAbility,
    FileBody,
    Instruction,
    InstructionFile,
    InstructionKind,
    InstructionState,
    Note,
    NoteBody,
    NoteChangeBody,
    NoteRemovalBody,
)
from bunqflask.services.instructions import preparing, reading, receipts, rights
from bunqflask.services.instructions.checks import InstructionRefused
from bunqflask.services.instructions.reading import InstructionView
from bunqflask.services.payments import details, repository
from bunqflask.services.payments import notes as stored_notes
from bunqflask.services.payments.lines import PaymentDetail
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal

_OF_NOTES = NoteBody | NoteChangeBody | NoteRemovalBody | FileBody
_SHOW_FAILED_FOR = timedelta(days=1)
_SHOWN = (InstructionState.WAITING, InstructionState.SENDING, InstructionState.UNKNOWN, InstructionState.FAILED)
_READ_PATIENCE_S = 10.0


def in_transaction(work: Callable[[], Instruction]) -> int:
    """Do one of the following in a transaction of its own; return the id of the instruction."""
    with transaction():
        return work().id


def write_within(principal: Principal, payment_row_id: int, text: str) -> Instruction:
    """Let a note be written on a payment.

    :raises NotFoundHere: the principal does not see the payment, or not its whole account.
    :raises AbilityOff: it is switched off for the connection.
    :raises InstructionRefused: bunq would not take it.
    """
    payment = _payment(principal, payment_row_id)
    body = NoteBody(payment_row_id, payment.payment_id, _lines(text))
    return preparing.prepare_within(principal, payment.account.id, body)


def change_within(principal: Principal, payment_row_id: int, note_id: int, text: str) -> Instruction:
    """Let a note have another text; `note_id` is bunq's. Raises what `write_within` does, also for an unknown note."""
    payment = _payment(principal, payment_row_id)
    _check_free(payment, "text", note_id)
    body = NoteChangeBody(payment_row_id, payment.payment_id, note_id, _lines(text))
    return preparing.prepare_within(principal, payment.account.id, body)


def delete_within(principal: Principal, payment_row_id: int, kind: NoteKind, note_id: int) -> Instruction:
    """Let a note be deleted, or files be taken off a payment. Raises what `change_within` does."""
    payment = _payment(principal, payment_row_id)
    _check_free(payment, kind, note_id)
    body = NoteRemovalBody(payment_row_id, payment.payment_id, kind, note_id)
    return preparing.prepare_within(principal, payment.account.id, body)


def detach_within(principal: Principal, payment_row_id: int, attachment_id: int) -> Instruction:
    """Let a file be taken off a payment: the note at bunq that names it, and no other file, is deleted.

    :raises NotFoundHere: no stored note on the payment is one.
    """
    _payment(principal, payment_row_id)
    query = select(Note).filter_by(payment_row_id=payment_row_id, kind="attachment")
    for note in db.session.scalars(query):
        if list(note.attachment_ids) == [attachment_id]:
            return delete_within(principal, payment_row_id, "attachment", note.note_id)
    raise NotFoundHere


def attach_within(principal: Principal, payment_row_id: int, name: str, content: bytes) -> Instruction:
    """Let a file be attached to a payment. Its bytes are stored here until bunq has them.

    :param name: what the file is called; it is shown at bunq.
    :raises InstructionRefused: it is none of the types that bunq takes, too large, or could run something.
    """
    payment = _payment(principal, payment_row_id)
    media_type = receipts.check(content)
    digest = hashlib.sha256(content).hexdigest()
    body = FileBody(payment_row_id, payment.payment_id, receipts.name_of(name), media_type, digest)
    row = preparing.prepare_within(principal, payment.account.id, body)
    db.session.add(InstructionFile(instruction_id=row.id, content=content))
    return row


def under_way(principal: Principal, payment: PaymentDetail) -> list[InstructionView] | None:
    """Return what is on its way to a payment, or could not be written within the last day, the newest first.

    None where the principal may not write on the payment, which they see.
    """
    account = payment.account
    is_in_full = rights.may_see_instructions(principal) and account.first_day is None
    if not is_in_full or not account.is_covered or payment.withdrawn_at is not None:
        return None
    is_on = exists().where(
        ConnectionAbility.connection_id == account.connection_id, ConnectionAbility.ability == Ability.NOTES
    )
    is_any = exists().where(
        Instruction.account_id == account.id, Instruction.kind.in_(NOTE_KINDS), Instruction.state.in_(_SHOWN)
    )
    # Nearly always nothing is on its way, and to know both costs one statement.
    may_write, has_any = db.session.execute(select(is_on, is_any)).one()
    if not may_write or not has_any:
        return [] if may_write else None
    return [
        each
        for each in reading.list_all(principal, NOTE_KINDS, states=_SHOWN, account_id=account.id)
        if isinstance(each.body, _OF_NOTES)
        and each.body.payment_row_id == payment.line.id
        and not clock.is_over(each.ended_at or clock.now(), after=_SHOW_FAILED_FOR)
    ]


def read_again(instruction_id: int) -> None:
    """Read the notes on a payment from bunq once something was written there, so that its page shows it.

    What goes wrong there is recorded with the stored notes; the next look at the page reads them again.
    """
    row = db.session.get(Instruction, instruction_id, populate_existing=True)
    if row is None or row.state is not InstructionState.DONE or not isinstance(row.body, _OF_NOTES):
        return
    member = rights.member_with_access(row.member_id)
    if member is None:
        return
    try:
        stored_notes.fetch(member, row.body.payment_row_id, patience_s=_READ_PATIENCE_S)
    except NotFoundHere:
        current_app.logger.info("instruction %s: its preparer does not see the payment any more", row.reference)


def _payment(principal: Principal, payment_row_id: int) -> PaymentDetail:
    """Return a payment that bunq lists, of an account that the principal sees in full.

    :raises NotFoundHere: there is none, or it is not theirs to see.
    :raises InstructionRefused: bunq does not list it any more.
    """
    payment = details.get(repository.accounts_of(principal), payment_row_id)
    rights.account_in_full(principal, payment.account.id)
    if payment.withdrawn_at is not None:
        raise InstructionRefused(_("bunq does not list this payment any more, so nothing can be added to it."))
    return payment


def _check_free(payment: PaymentDetail, kind: NoteKind, note_id: int) -> None:
    """Make sure that a note is known here, and that nothing else is being done with it: which came last would be luck.

    :raises NotFoundHere: no such note is stored.
    :raises InstructionRefused: something is on its way.
    """
    if db.session.get(Note, (payment.line.id, kind, note_id)) is None:
        raise NotFoundHere
    query = select(Instruction).filter_by(account_id=payment.account.id, kind=InstructionKind.NOTE, ended_at=None)
    for row in db.session.scalars(query):
        known = ("text", row.body.note_id) if isinstance(row.body, NoteChangeBody) else None
        if isinstance(row.body, NoteRemovalBody):
            known = (row.body.note_kind, row.body.note_id)
        if known == (kind, note_id):
            raise InstructionRefused(_("This note is being changed just now. Try again in a minute."))


def _lines(text: str) -> str:
    """Return a text as it is read back later: in lines, without blank ends and what nobody sees."""
    return bunq_notes.lines(text).strip()
