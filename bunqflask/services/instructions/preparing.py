"""What people do with instructions: prepare, change, approve, send back and take back.

Functions that end in `_within` take part in the caller's transaction, which the API needs for its `Idempotency-Key`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from sqlalchemy import delete

from bunqflask import clock
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import (
    Ability,
    AuditKind,
    CardBody,
    DraftBody,
    EventKind,
    FileBody,
    Instruction,
    InstructionFile,
    InstructionKind,
    InstructionState,
    LinkBody,
    MonetaryAccount,
    NoteBody,
    NoteChangeBody,
    NoteRemovalBody,
    RequestBody,
    TransferBody,
)
from bunqflask.models.instructions import Body
from bunqflask.services.audit import trail
from bunqflask.services.instructions import abilities, approval_limits, changed_ibans, checks, facts, rights
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import Principal

# Somebody alone approves what they prepared; for so long they can take it back before it is sent.
UNDO_WITHIN = timedelta(seconds=60)
_KIND_OF: dict[type, InstructionKind] = {
    DraftBody: InstructionKind.DRAFT,
    RequestBody: InstructionKind.REQUEST,
    LinkBody: InstructionKind.LINK,
    TransferBody: InstructionKind.TRANSFER,
    NoteBody: InstructionKind.NOTE,
    NoteChangeBody: InstructionKind.NOTE,
    NoteRemovalBody: InstructionKind.NOTE,
    FileBody: InstructionKind.FILE,
    CardBody: InstructionKind.CARD,
}
_BEFORE_SENDING = (InstructionState.PREPARED, InstructionState.WAITING)
# Without letters and digits that are taken for one another.
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


class ChangedMeanwhile(Exception):
    """The instruction is not what its approver saw, or has gone on since: look at it again before deciding."""


@dataclass(frozen=True)
class Approval:
    """What follows from an approval: when it is sent, later where its approver can still take it back."""

    sent_from: datetime
    is_alone: bool


def prepare(principal: Principal, account_id: int, body: Body, *, label: str = "") -> int:
    """Prepare an instruction in a transaction of its own; return its id. See `prepare_within`."""
    with transaction():
        return prepare_within(principal, account_id, body, label=label).id


def change(
    principal: Principal, instruction_id: int, body: DraftBody, content_hash: str, *, compared: Collection[int] = ()
) -> None:
    """Change a draft in a transaction of its own. See `change_within`."""
    with transaction():
        change_within(principal, instruction_id, body, content_hash, compared=compared)


def approve(
    principal: Principal, instruction_id: int, content_hash: str, *, compared: Collection[int] = ()
) -> Approval:
    """Approve a draft in a transaction of its own. See `approve_within`."""
    with transaction():
        return approve_within(principal, instruction_id, content_hash, compared=compared)


def send_back(principal: Principal, instruction_id: int, reason: str) -> None:
    """Send a draft back in a transaction of its own. See `send_back_within`."""
    with transaction():
        send_back_within(principal, instruction_id, reason)


def cancel(principal: Principal, instruction_id: int) -> None:
    """Take an instruction back in a transaction of its own. See `cancel_within`."""
    with transaction():
        cancel_within(principal, instruction_id)


def prepare_within(
    principal: Principal, account_id: int, body: Body, *, label: str = "", compared: Collection[int] = ()
) -> Instruction:
    """Prepare an instruction, within the caller's transaction. All but drafts are ready to be sent with that.

    :param label: what its preparer calls it.
    :param compared: the numbers of the payments of a draft, from 1, whose changed IBANs the preparer compared.
    :raises NotFoundHere: the principal does not see the account in full.
    :raises NotPermitted: they may not, or it is switched off (`AbilityOff`).
    :raises InstructionRefused: bunq would not take it, or a changed IBAN was not compared (`IbansNotCompared`).
    """
    account = ready_account(principal, account_id, _KIND_OF[type(body)])
    if isinstance(body, DraftBody):
        changed_ibans.check(account, facts.lines_of(body), compared)
    return add_within(principal, account, body, label, None)


def ready_account(principal: Principal, account_id: int, kind: InstructionKind) -> MonetaryAccount:
    """Return an account on which the principal may prepare a kind of instruction, and from which it can be sent.

    :raises NotFoundHere: the principal does not see it in full.
    :raises NotPermitted: they may not, or it is switched off (`AbilityOff`).
    :raises InstructionRefused: bunq does not let it be used now.
    """
    account = rights.check_can_prepare(principal, account_id, kind).row
    checks.check_account(account, kind)
    return account


def add_within(
    principal: Principal, account: MonetaryAccount, body: Body, label: str, batch: str | None
) -> Instruction:
    """Prepare an instruction on an account that `ready_account` returned in the caller's transaction.

    Of many on one account, rights and abilities are asked for once; so are changed IBANs, which is left to the caller.

    :param batch: the reference of what it was split from.
    :raises InstructionRefused: bunq would not take it.
    """
    checks.check_body(principal, account, body)
    kind = _KIND_OF[type(body)]
    row = Instruction(
        kind=kind,
        state=InstructionState.PREPARED,
        reference=new_reference(),
        connection_id=account.connection_id,
        account_id=account.id,
        member_id=principal.id,
        body=body,
        content_hash=_hash(account, kind, body),
        amount=amount_of(body),
        created_at=clock.now(),
        label=_line(label, 120),
        batch=batch,
        looks=0,
        result={},
    )
    db.session.add(row)
    db.session.flush()
    _record(AuditKind.INSTRUCTION_PREPARED, row, principal)
    if kind is InstructionKind.DRAFT:
        emit(EventKind.DRAFT_PREPARED, instruction_id=row.id, account_id=row.account_id)
    else:
        _make_ready(row, clock.now())
    return row


def change_within(
    principal: Principal, instruction_id: int, body: DraftBody, content_hash: str, *, compared: Collection[int] = ()
) -> Instruction:
    """Change a draft that was not sent, within the caller's transaction: its approval is gone with that.

    Saving what there is already, where nothing was approved or sent back, does nothing.

    :param content_hash: of what is changed, so that nobody undoes what another member changed meanwhile.
    :param compared: as for `prepare_within`.
    :raises NotFoundHere: the principal does not see its account in full.
    :raises ChangedMeanwhile: it is on its way to bunq, was ended, or is another one by now.
    :raises InstructionRefused: bunq would not take it, or a changed IBAN was not compared (`IbansNotCompared`).
    """
    row = _locked(principal, instruction_id, InstructionKind.DRAFT)
    account = rights.check_can_prepare(principal, row.account_id, row.kind).row
    checks.check_ready(principal, account, row.kind, body)
    if row.state not in _BEFORE_SENDING or not secrets.compare_digest(row.content_hash, content_hash):
        raise ChangedMeanwhile
    changed_ibans.check(account, facts.lines_of(body), compared)
    is_same = row.content_hash == _hash(account, row.kind, body) and row.member_id == principal.id
    if is_same and row.state is InstructionState.PREPARED and not row.sent_back:
        return row
    row.body, row.content_hash, row.amount = body, _hash(account, row.kind, body), amount_of(body)
    row.member_id = principal.id
    _take_back_approval(row)
    _record(AuditKind.INSTRUCTION_CHANGED, row, principal)
    emit(EventKind.DRAFT_PREPARED, instruction_id=row.id, account_id=row.account_id)
    return row


def approve_within(
    principal: Principal, instruction_id: int, content_hash: str, *, compared: Collection[int] = ()
) -> Approval:
    """Approve a draft as it was shown, within the caller's transaction; it is sent with that.

    Somebody who is alone here approves what they prepared, and it is sent after `UNDO_WITHIN`.

    :param content_hash: of what the approver saw.
    :param compared: the numbers of the payments, from 1, whose changed IBANs the approver compared.
    :raises NotFoundHere: the principal does not see its account in full.
    :raises NotPermitted: they may not approve it, or a limit would be passed.
    :raises ChangedMeanwhile: it was changed, approved or ended meanwhile.
    :raises IbansNotCompared: they did not say of all changed IBANs that they compared them.
    """
    row = _locked(principal, instruction_id, InstructionKind.DRAFT)
    abilities.check_is_on(row.connection_id, Ability.DRAFTS)
    account = rights.account_in_full(principal, row.account_id)
    if not rights.can_approve(principal, account, row.member_id):
        raise NotPermitted(
            _("Somebody else has to approve it: who prepared it cannot, nor who only reads the account.")
        )
    if row.state is not InstructionState.PREPARED or not secrets.compare_digest(row.content_hash, content_hash):
        raise ChangedMeanwhile
    if isinstance(row.body, DraftBody):
        changed_ibans.check(account.row, facts.lines_of(row.body), compared)
    approval_limits.check(principal, row.connection_id, amount_of(row.body) or Decimal(0))
    is_own = row.member_id == principal.id
    row.approved_by_id, row.approved_at, row.sent_back = principal.id, clock.now(), ""
    _make_ready(row, clock.now() + (UNDO_WITHIN if is_own else timedelta(0)))
    _record(AuditKind.INSTRUCTION_APPROVED, row, principal)
    return Approval(row.next_try_at or clock.now(), is_own)


def send_back_within(principal: Principal, instruction_id: int, reason: str) -> None:
    """Send a draft back to who prepared it, within the caller's transaction, approved or not. Once is as good as twice.

    :raises NotFoundHere: the principal does not see its account in full.
    :raises NotPermitted: they could not approve it either.
    :raises ChangedMeanwhile: it is on its way to bunq, or was ended.
    """
    row = _locked(principal, instruction_id, InstructionKind.DRAFT)
    account = rights.account_in_full(principal, row.account_id)
    if not rights.can_approve(principal, account, None):
        raise NotPermitted(_("Only those who can approve it can send it back."))
    if row.state not in _BEFORE_SENDING:
        raise ChangedMeanwhile
    why = _line(reason, 300) or _("without a reason")
    if row.state is InstructionState.PREPARED and row.sent_back == why:
        return
    _take_back_approval(row)
    row.sent_back = why
    _record(AuditKind.INSTRUCTION_SENT_BACK, row, principal)
    emit(EventKind.DRAFT_DECIDED, instruction_id=row.id, account_id=row.account_id, outcome="sent_back")


def cancel_within(principal: Principal, instruction_id: int) -> None:
    """Take an instruction back, within the caller's transaction: here where it was not sent, otherwise at bunq.

    Once is as good as twice. What bunq has done already stays done.

    :raises NotFoundHere: the principal does not see its account in full.
    :raises NotPermitted: they did not prepare it, and could not approve it either.
    :raises ChangedMeanwhile: nobody can take it back any more.
    """
    row = _locked(principal, instruction_id)
    account = rights.account_in_full(principal, row.account_id)
    if row.member_id != principal.id and not rights.can_approve(principal, account, None):
        raise NotPermitted(_("Only who prepared it, and those who can approve it, can take it back."))
    if row.ended_at is not None:
        if row.state is InstructionState.CANCELLED:
            return
        raise ChangedMeanwhile
    if row.cancel_asked_at is None:
        row.cancel_asked_at = clock.now()
        _record(AuditKind.INSTRUCTION_TAKEN_BACK, row, principal)
    if row.state in _BEFORE_SENDING:
        row.state, row.ended_at, row.next_try_at = InstructionState.CANCELLED, clock.now(), None
        db.session.execute(delete(InstructionFile).filter_by(instruction_id=row.id))
        return
    if row.state is InstructionState.OPEN:
        row.next_try_at = clock.now()
    emit(EventKind.INSTRUCTION_DUE, instruction_id=row.id)


def end_paid_within(instruction_id: int) -> None:
    """End a link at bunq whose whole amount came in, within the caller's transaction: nobody shall pay it twice."""
    row = db.session.get_one(Instruction, instruction_id, populate_existing=True, with_for_update=True)
    if row.ended_at is None and row.cancel_asked_at is None:
        row.cancel_asked_at = row.next_try_at = clock.now()
        _record(AuditKind.INSTRUCTION_TAKEN_BACK, row, None)
        emit(EventKind.INSTRUCTION_DUE, instruction_id=row.id)


def transfer_to(principal: Principal, account_id: int, amount: Decimal, description: str) -> TransferBody:
    """Return what moves money to an account of ours; whether it may be moved there is checked when it is prepared.

    :raises NotFoundHere: the principal does not see the account in full.
    """
    other = rights.account_in_full(principal, account_id).row
    name = other.description[: checks.LONGEST_NAME]
    return TransferBody(amount, other.id, other.iban or "", name, description)


def new_reference() -> str:
    """Return a reference that nobody else makes: short enough to be read out, and to stand in a payment."""
    return "BF" + "".join(secrets.choice(_LETTERS) for _each in range(10))


def amount_of(body: Body) -> Decimal | None:
    """Return the sum of the amounts of an instruction; None where it is not about money."""
    if isinstance(body, DraftBody):
        return sum((line.amount for line in body.lines), Decimal(0))
    return body.amount if isinstance(body, RequestBody | LinkBody | TransferBody) else None


# What the acts have in common


def _locked(principal: Principal, instruction_id: int, kind: InstructionKind | None = None) -> Instruction:
    """Lock an instruction that the principal sees, within the caller's transaction.

    :raises NotFoundHere: they do not, or it is of another kind.
    """
    row = db.session.get(Instruction, instruction_id, populate_existing=True, with_for_update=True)
    if row is None or (kind is not None and row.kind is not kind):
        raise NotFoundHere
    rights.account_in_full(principal, row.account_id)
    return row


def _make_ready(row: Instruction, when: datetime) -> None:
    row.state, row.ready_at, row.next_try_at = InstructionState.WAITING, clock.now(), when
    emit(EventKind.INSTRUCTION_DUE, instruction_id=row.id)


def _take_back_approval(row: Instruction) -> None:
    row.state, row.ready_at, row.next_try_at = InstructionState.PREPARED, None, None
    row.approved_by_id = row.approved_at = None
    row.sent_back = ""
    row.clear_error()


def _hash(account: MonetaryAccount, kind: InstructionKind, body: Body) -> str:
    return hashlib.sha256(msgspec.json.encode([account.id, account.iban, kind.value, body])).hexdigest()


def _line(text: str, longest: int) -> str:
    return "".join(each for each in " ".join(text.split()) if each.isprintable())[:longest]


def _record(kind: AuditKind, row: Instruction, principal: Principal | None) -> None:
    trail.record(
        kind,
        actor_id=principal.id if principal is not None else None,
        connection_id=row.connection_id,
        subject=row.reference,
        account_ids=[row.account_id],
        instruction=row.kind.value,
    )
