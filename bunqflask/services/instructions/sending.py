"""Instructions on their way: sent once, looked up when an answer is lost, followed until nobody decides any more.

    waiting → sending → open → accepted, rejected, cancelled
                 │   ↘ done
                 └→ unknown → open, done (found), waiting, failed (not there)

What is about to be done is committed before bunq is asked. So a process that dies leaves the row as `sending`; who
finds it so without a lease takes it for `unknown`. So does everybody whom bunq gave another answer than a success: also
one that says no is believed only after a look at bunq. What is not there may be sent again; what is there never is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import delete, select, update

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.bunq.resources import created_id
from bunqflask.database import leases
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AuditKind,
    Connection,
    EndReason,
    ErrorKind,
    EventKind,
    Instruction,
    InstructionFile,
    InstructionKind,
    InstructionState,
    MonetaryAccount,
)
from bunqflask.services.audit import trail
from bunqflask.services.connections import consents
from bunqflask.services.gateway import retry_policy, sessions, user_ids
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq
from bunqflask.services.instructions import abilities, first_steps, kinds, note_kinds, notes, rights
from bunqflask.services.instructions.kinds import Place

# What could not be sent for so long is not sent any more: nobody expects it by then.
SEND_WITHIN = timedelta(days=1)
# After a lost answer bunq is looked at so long later, each time. It may still have been at work at the first.
_LOOKS = (timedelta(seconds=5), timedelta(seconds=60), timedelta(seconds=120))
# How often something open is looked at, by how long it is open. A callback of bunq comes before that.
_FOLLOW = ((timedelta(minutes=10), timedelta(seconds=30)), (timedelta(days=1), timedelta(minutes=5)))
_FOLLOW_LATER = timedelta(hours=1)
_NO_CONSENT_WAIT_S = 300.0
_DUE_AT_ONCE = 200
# After a no one look is enough.
_SAID_NO = (ErrorKind.WAITING, ErrorKind.CHECKING, ErrorKind.INSTALLATION_REFUSED, ErrorKind.REFUSED)
_NOT_HERE = (403, 404)
# bunq was not reached.
_NOT_ASKED = (errors.CallNotAllowedYet, errors.RequestNotSent)
# What bunq echoes no reference of ours for.
_WITHOUT_REFERENCE = (InstructionKind.LINK, InstructionKind.NOTE)
_WORKED_ON = (InstructionState.WAITING, InstructionState.SENDING, InstructionState.UNKNOWN, InstructionState.OPEN)


def due() -> list[int]:
    """Return the ids of the instructions on which a worker is to act now, those that wait longest first."""
    is_due = Instruction.next_try_at.is_(None) | (Instruction.next_try_at <= clock.now())
    query = select(Instruction.id).where(Instruction.ended_at.is_(None), Instruction.state.in_(_WORKED_ON), is_due)
    return list(db.session.scalars(query.order_by(Instruction.next_try_at, Instruction.id).limit(_DUE_AT_ONCE)))


def look_soon(connection_id: int) -> None:
    """Let the open instructions of a connection be looked at now, within the caller's transaction."""
    query = update(Instruction).filter_by(connection_id=connection_id, state=InstructionState.OPEN)
    db.session.execute(query.values(next_try_at=clock.now()))


def advance(instruction_id: int, *, patience_s: float) -> None:
    """Do what is due for an instruction, if anything is; one worker at a time does it."""
    found = _load(instruction_id)
    if found is None or found.state not in _WORKED_ON:
        return
    with leases.held(found, Instruction.ended_at.is_(None)) as lease:
        if lease is None:
            return
        try:
            _step(lease, RateLimiter(patience_s, is_background=True, lease=lease))
        except (LeaseLost, sessions.SessionGone) as gone:
            current_app.logger.info("instruction %s: %s", instruction_id, type(gone).__name__)
    notes.read_again(instruction_id)


def _step(lease: Lease, limiter: RateLimiter) -> None:
    row = db.session.get_one(Instruction, lease.row_id, populate_existing=True)
    if row.state is InstructionState.WAITING:
        _send(lease, limiter)
    elif row.state is InstructionState.SENDING:
        _note_lost(lease)
    elif row.state is InstructionState.UNKNOWN:
        _look_up(lease, limiter)
    elif row.state is InstructionState.OPEN:
        _follow(lease, limiter)


# Sending


def _send(lease: Lease, limiter: RateLimiter) -> None:
    row, place = _with_place(lease)
    if _end_if_hopeless(lease, row):
        return
    # What was looked at is what is sent: a change, or another approval, makes it ready at another time.
    ready_at = row.ready_at
    account_id, path_user_id, is_repeatable = row.account_id, row.path_user_id, note_kinds.is_repeatable(row.body)

    def ask(bunq: Bunq) -> None:
        # The session is opened first: what fails until then has certainly sent nothing.
        _ = bunq.path_user_id
        if not _take_first_step(lease, bunq, place):
            return
        write = _begin_sending(lease, place, ready_at)
        if write is None:
            return
        try:
            made = bunq.call_once(lambda client, token, own_id: client.write(token, path_user_id or own_id, write))
            bunq_id = None if is_repeatable else created_id(made)
        except errors.BunqError as error:
            _note_failure(lease, error)
        else:
            _note_done(lease, bunq_id)

    _with_session(lease, account_id, limiter, ask)


def _take_first_step(lease: Lease, bunq: Bunq, place: Place) -> bool:
    """Do what comes before the call itself; returns whether that may follow. bunq may refuse this step for good."""
    refused = None
    try:
        reason = first_steps.take(lease, bunq, place)
    except errors.RequestRefused as error:
        if retry_policy.kind_of(error) is not ErrorKind.REFUSED:
            raise
        refused, reason = error, EndReason.REFUSED
    if reason is None:
        return True
    with transaction():
        row = _locked(lease)
        row.error_facts = retry_policy.facts_of(refused) if refused is not None else None
        _end(row, InstructionState.FAILED, reason)
    return False


def _begin_sending(lease: Lease, place: Place, ready_at: datetime | None) -> Any:
    """Commit that bunq is asked now, and return with what; None when it must not be asked any more."""
    with transaction():
        row = _locked(lease)
        if row.state is not InstructionState.WAITING or row.ready_at != ready_at:
            return None  # taken back or changed meanwhile
        row.state, row.sent_at, row.looks, row.next_try_at = InstructionState.SENDING, clock.now(), 0, None
        return kinds.write_of(row, place)


def _end_if_hopeless(lease: Lease, row: Instruction) -> bool:
    """End what must not be sent any more; returns whether it is so."""
    ready_at, reason = row.ready_at or row.created_at, None
    if clock.is_over(ready_at, after=SEND_WITHIN):
        reason = EndReason.TOO_LATE
    elif rights.ABILITY_OF[row.kind] not in abilities.of_connection(row.connection_id):
        reason = EndReason.NOT_PERMITTED
    elif why := rights.why_not_sent(row):
        current_app.logger.warning("instruction %s is not sent: %s", row.reference, why)
        reason = EndReason.NOT_PERMITTED
    if reason is None:
        return False
    with transaction():
        again = _locked(lease)
        if again.state is InstructionState.WAITING:
            _end(again, InstructionState.FAILED, reason)
    return True


def _note_failure(lease: Lease, error: errors.BunqError) -> None:
    """bunq gave no good answer: it was not reached, or may have done it."""
    with transaction():
        row = _locked(lease)
        if isinstance(error, _NOT_ASKED):
            row.state = InstructionState.WAITING
            retry_policy.record(row, error)
            return
        current_app.logger.warning("instruction %s: %s", row.reference, error)
        row.error_kind, row.error_facts = retry_policy.kind_of(error), retry_policy.facts_of(error)
        row.error_since = row.error_since or clock.now()
        row.state, row.looks, row.next_try_at = InstructionState.UNKNOWN, 0, clock.now() + _LOOKS[0]


def _note_done(lease: Lease, bunq_id: int | None) -> None:
    with transaction():
        _take(_locked(lease), bunq_id)


def _take(row: Instruction, bunq_id: int | None) -> None:
    """Note that something exists at bunq, within the caller's transaction; what changes something has no new id."""
    row.clear_error()
    row.bunq_id, row.opened_at = bunq_id, clock.now()
    _record(AuditKind.INSTRUCTION_SENT, row)
    if kinds.is_followed(row.kind):
        row.state, row.next_try_at = InstructionState.OPEN, clock.now()
    else:
        if row.kind is InstructionKind.TRANSFER:
            row.result = {"payment_ids": [bunq_id]}
        _end(row, InstructionState.DONE)


# Looking up


def _note_lost(lease: Lease) -> None:
    """A process died while bunq was asked, or could not store the answer."""
    with transaction():
        row = _locked(lease)
        row.state, row.looks, row.next_try_at = InstructionState.UNKNOWN, 0, clock.now() + _LOOKS[0]


def _look_up(lease: Lease, limiter: RateLimiter) -> None:
    row, place = _with_place(lease)
    sought = kinds.Sought(row.kind, row.body, row.reference, row.sent_at or row.created_at, place)

    def ask(bunq: Bunq) -> None:
        try:
            found = kinds.look_up(bunq, sought)
        except errors.BunqError as error:
            _note_problem(lease, error)
        else:
            _settle(lease, found)

    _with_session(lease, row.account_id, limiter, ask)


def _settle(lease: Lease, found: list[int]) -> None:
    """Take what was found at bunq and no other instruction made; after the last look in vain, send again."""
    with transaction():
        row = _locked(lease)
        if row.kind in _WITHOUT_REFERENCE and found and _is_another_on_its_way(row):
            row.next_try_at = clock.now() + _LOOKS[0]  # it may be the other one's
            return
        is_repeatable = note_kinds.is_repeatable(row.body)
        free = found if is_repeatable else _not_taken(row, found)
        if free:
            _take(row, None if is_repeatable else free[0])
            return
        row.looks += 1
        if row.looks < (1 if row.error_kind in _SAID_NO else len(_LOOKS)):
            row.next_try_at = clock.now() + _LOOKS[row.looks]
        else:
            _note_absent(row)


def _not_taken(row: Instruction, found: list[int]) -> list[int]:
    same = select(Instruction.bunq_id).filter_by(account_id=row.account_id, kind=row.kind)
    return sorted(set(found) - set(db.session.scalars(same.where(Instruction.bunq_id.in_(found)))), key=found.index)


def _note_absent(row: Instruction) -> None:
    """bunq has not done it: send it again, or give it up where bunq said no; within the caller's transaction."""
    if row.cancel_asked_at is not None:
        _end(row, InstructionState.CANCELLED)
    elif row.error_kind is not ErrorKind.REFUSED:
        row.state, row.next_try_at = InstructionState.WAITING, clock.now()
    elif row.path_user_id is None and (row.error_facts or {}).get("status") in _NOT_HERE:
        row.path_user_id = db.session.get_one(Connection, row.connection_id).granted_user_id
        row.state, row.next_try_at = InstructionState.WAITING, clock.now()
    else:
        _end(row, InstructionState.FAILED, EndReason.REFUSED)


def _is_another_on_its_way(row: Instruction) -> bool:
    """Tell whether another one of the account is being made right now, by which bunq's list may have grown."""
    query = select(Instruction.id).filter_by(account_id=row.account_id, kind=row.kind, state=InstructionState.SENDING)
    return db.session.scalar(query.where(Instruction.id != row.id).limit(1)) is not None


# Following


def _follow(lease: Lease, limiter: RateLimiter) -> None:
    row, place = _with_place(lease)
    kind, bunq_id, is_cancelled = row.kind, row.bunq_id, row.cancel_asked_at is not None
    if bunq_id is None:
        raise ValueError(f"instruction {row.id} is open without an id of bunq")
    path = kinds.path_of(kind, place, bunq_id)

    def read(bunq: Bunq, user_id: int) -> Any:
        shown = bunq.call(lambda client, token, _own: client.show_written(token, user_id, path))
        if not is_cancelled or kinds.state_of(kind, shown)[0] is not InstructionState.OPEN:
            return shown
        write = kinds.cancel_of(kind, place, shown)
        bunq.call(lambda client, token, _own: client.write(token, user_id, write))
        return bunq.call(lambda client, token, _own: client.show_written(token, user_id, path))

    def ask(bunq: Bunq) -> None:
        try:
            shown = user_ids.with_either(bunq, place.holder_user_id, lambda user_id: read(bunq, user_id))
        except errors.BunqError as error:
            _note_problem(lease, error)
        else:
            _note_shown(lease, shown)

    _with_session(lease, row.account_id, limiter, ask)


def _note_shown(lease: Lease, shown: Any) -> None:
    with transaction():
        row = _locked(lease)
        row.clear_error()
        facts = {"share_url": shown.share_url, "payment_ids": list(shown.payment_ids)}
        row.result = {key: value for key, value in facts.items() if value}
        state, reason = kinds.state_of(row.kind, shown)
        if state is InstructionState.OPEN:
            row.next_try_at = clock.now() + _pause(row.opened_at)
            return
        is_ours = state is InstructionState.CANCELLED and row.cancel_asked_at is not None
        _end(row, state, None if is_ours else reason)


def _pause(opened_at: datetime | None) -> timedelta:
    """Return after what time something open is looked at again: the longer it is open, the more rarely."""
    age = clock.now() - (opened_at or clock.now())
    return next((pause for until, pause in _FOLLOW if age < until), _FOLLOW_LATER)


# What the steps have in common


def _with_session(lease: Lease, account_id: int, limiter: RateLimiter, ask: Callable[[Bunq], None]) -> None:
    """Do something in a session; what keeps it from opening is recorded, and tried again later."""
    try:
        with consents.session_for(account_id, limiter) as bunq:
            ask(bunq)
    except errors.BunqError as error:
        _note_problem(lease, error)
    except NotSetUp:
        with transaction():
            retry_policy.record_kind(_locked(lease), ErrorKind.NOT_SET_UP)
    except sessions.SessionGone:
        # No consent covers the account now: a renewal may.
        with transaction():
            row = _locked(lease)
            if row.state is not InstructionState.SENDING:
                retry_policy.record_kind(row, ErrorKind.REFUSED, wait_s=_NO_CONSENT_WAIT_S)


def _note_problem(lease: Lease, error: errors.BunqError) -> None:
    """Record why nothing could be found out or sent; the state stays, and it is tried again."""
    with transaction():
        retry_policy.record(_locked(lease), error)


def _load(instruction_id: int) -> Instruction | None:
    return db.session.get(Instruction, instruction_id, populate_existing=True)


def _with_place(lease: Lease) -> tuple[Instruction, Place]:
    row = db.session.get_one(Instruction, lease.row_id, populate_existing=True)
    account = db.session.get_one(MonetaryAccount, row.account_id)
    holder = db.session.get_one(Connection, row.connection_id).granted_user_id
    return row, kinds.place_of(account, holder)


def _locked(lease: Lease) -> Instruction:
    """Lock the row under its lease, within the caller's transaction.

    :raises LeaseLost: another worker has taken over, or it was erased.
    """
    lease.verify()
    return db.session.get_one(Instruction, lease.row_id)


def _end(row: Instruction, state: InstructionState, reason: EndReason | None = None) -> None:
    """End an instruction, within the caller's transaction."""
    row.state, row.end_reason, row.ended_at, row.next_try_at = state, reason, clock.now(), None
    db.session.execute(delete(InstructionFile).filter_by(instruction_id=row.id))
    _record(AuditKind.INSTRUCTION_ENDED, row, state=state.value, reason=reason.value if reason else "")
    is_by_people_here = state is InstructionState.CANCELLED and reason is None
    if row.kind is InstructionKind.DRAFT and not is_by_people_here:
        emit(EventKind.DRAFT_DECIDED, instruction_id=row.id, account_id=row.account_id, outcome=state.value)


def _record(kind: AuditKind, row: Instruction, **facts: Any) -> None:
    trail.record(
        kind,
        actor_id=None,
        connection_id=row.connection_id,
        subject=row.reference,
        account_ids=[row.account_id],
        instruction=row.kind.value,
        **facts,
    )
