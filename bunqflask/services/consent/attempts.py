"""Attempts to obtain a consent: from the press on "Connect bunq" to a connection, or to a reason why not.

An attempt moves through its steps only by conditional updates, so that of any number of requests at the same time
exactly one makes each move:

    waiting → exchanging → connecting → connected
       │        │  │            ├→ confirm → connected | discarded
       │        │  └→ failed    └→ failed
       ├→ expired, cancelled
       └────────┴→ denied, or waiting again: an invitation whose approval could not be used
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import CursorResult, Select, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import joinedload

from bunqflask import clock
from bunqflask.database.transactions import transaction
from bunqflask.digest import digest
from bunqflask.extensions import db, table_of
from bunqflask.models import (
    AttemptFailure,
    AttemptStep,
    Connection,
    ConnectionState,
    ConsentAttempt,
    ErrorKind,
    Language,
)
from bunqflask.services import policy
from bunqflask.services.consent import recording
from bunqflask.services.gateway import abandoned_sessions, installations
from bunqflask.services.policy import NotFoundHere
from bunqflask.services.principal import Principal
from bunqflask.services.sync import connection_sync

WINDOW = timedelta(minutes=10)
# An invitation: the holder is elsewhere, and reads it when they have the time.
INVITATION_WINDOW = timedelta(days=7)
HOLD = timedelta(days=7)
KEEP_TRYING = timedelta(hours=24)  # the holder need not approve again because bunq has a bad hour
# A member's links that wait at the same time, invitations among them, and ended attempts that are kept at all.
MOST_WAITING = 20
MOST_INVITATIONS = 200
MOST_ENDED = 50
# The signs of a label.
LONGEST_LABEL = 120
_KEPT = timedelta(days=30)
_SECRETS_KEPT = timedelta(days=1)
# The longest that an exchange can take; older ones were cut off by a crash.
_EXCHANGE = timedelta(seconds=60)
_LISTED = (AttemptStep.WAITING, AttemptStep.CONNECTING, AttemptStep.CONFIRM)
OPEN_STEPS = (*_LISTED, AttemptStep.EXCHANGING)
# How an attempt ends whose time has run out, and why.
_OVERDUE: dict[AttemptStep, tuple[AttemptStep, AttemptFailure | None]] = {
    AttemptStep.WAITING: (AttemptStep.EXPIRED, None),
    AttemptStep.EXCHANGING: (AttemptStep.FAILED, AttemptFailure.INTERRUPTED),
    AttemptStep.CONNECTING: (AttemptStep.FAILED, AttemptFailure.GIVEN_UP),
    AttemptStep.CONFIRM: (AttemptStep.DISCARDED, None),
}


class ConsentError(Exception):
    """A consent cannot go on; nothing was stored. `attempt_id` is None where no attempt is known."""

    def __init__(self, attempt_id: str | None = None) -> None:
        super().__init__(type(self).__name__)
        self.attempt_id = attempt_id


class ConsentStateMismatch(ConsentError):
    """The state is unknown, used already, expired, or another browser's."""


class ConsentDenied(ConsentError):
    """The holder refused at bunq."""


class ConsentFailed(ConsentError):
    """bunq sent the person back without a usable approval, or the approval could not be used."""


class LinkUsed(ConsentError):
    """The one-time link was taken by another browser, or its attempt is over."""


class TooManyInvitations(Exception):
    """A member has as many open invitations as one may have; none is ended for a new one."""


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """What an inviter notes on an invitation: for whom it is, and the language of the holder's pages.

    `language` None means the one that the holder's browser asks for.
    """

    label: str = ""
    language: Language | None = None


def start(
    principal: Principal, *, renews_connection_id: int | None = None, invitation: Invitation | None = None
) -> str:
    """Begin an attempt to obtain a consent, or to renew one; return its id.

    :param invitation: for a holder elsewhere, whom the link waits for; None: for the principal's own browser.
    :raises NotPermitted: the principal is a guest.
    :raises NotSetUp: setup has not been run.
    :raises TooManyInvitations: the principal has too many that are open.
    """
    policy.check_can_connect(principal)
    installations.current()
    now, token = clock.now(), secrets.token_urlsafe(16)
    noted = invitation or Invitation()
    with transaction():
        _make_room(principal.id, for_invitation=invitation is not None)
        attempt = ConsentAttempt(
            id=uuid.uuid4().hex,
            environment=current_app.config["BUNQ_ENVIRONMENT"],
            member_id=principal.id,
            renews_connection_id=renews_connection_id,
            step=AttemptStep.WAITING,
            step_since=now,
            created_at=now,
            expires_at=now + (INVITATION_WINDOW if invitation else WINDOW),
            is_invitation=invitation is not None,
            label=noted.label,
            language=noted.language,
            link_hash=digest(token),
            came_back_elsewhere=False,
        )
        attempt.link_token = token
        db.session.add(attempt)
        recording.begun(attempt)
        return attempt.id


def get_for(principal: Principal, attempt_id: str) -> ConsentAttempt:
    """Return an attempt that this principal started, after ending it when its time has run out.

    :raises NotFoundHere: there is none.
    """
    # PostgreSQL refuses some characters in a text instead of finding nothing.
    attempt = _load(attempt_id) if attempt_id.isalnum() else None
    if attempt is None or attempt.member_id != principal.id:
        raise NotFoundHere
    return load_ended(attempt)


@dataclass(frozen=True, kw_only=True)
class AttemptProgress:
    """How far an attempt is: all that a waiting page needs to know every two seconds."""

    step: AttemptStep
    step_since: datetime
    created_at: datetime
    expires_at: datetime
    next_try_at: datetime | None
    error_kind: ErrorKind | None
    seen_at: datetime | None
    opened_at: datetime | None


# Asked every two seconds by each page that waits.
_attempt = table_of(ConsentAttempt).c
_PROGRESS = select(*(_attempt[name] for name in AttemptProgress.__dataclass_fields__)).where(
    _attempt.id == bindparam("id"), _attempt.member_id == bindparam("member_id")
)
_OPEN = select(_attempt.id).where(_attempt.member_id == bindparam("member_id"), _attempt.step.in_(_LISTED))


def progress_for(principal: Principal, attempt_id: str) -> AttemptProgress:
    """Return how far an attempt is that this principal started.

    :raises NotFoundHere: there is none.
    """
    asked = {"id": attempt_id, "member_id": principal.id}
    if not attempt_id.isalnum():
        raise NotFoundHere
    if (row := db.session.connection().execute(_PROGRESS, asked).one_or_none()) is None:
        raise NotFoundHere
    return AttemptProgress(**row._mapping)


def by_id(attempt_id: str) -> ConsentAttempt:
    """Return an attempt for work that no principal asks for.

    :raises ConsentStateMismatch: it was deleted with its member.
    """
    if (attempt := _load(attempt_id)) is None:
        raise ConsentStateMismatch
    return attempt


def list_open(principal: Principal) -> list[ConsentAttempt]:
    """Return the principal's attempts that wait for the holder, for bunq, or for an answer here."""
    # The first page asks each time, and hardly anybody has one.
    ids = db.session.connection().execute(_OPEN, {"member_id": principal.id}).scalars().all()
    ours = db.session.scalars(query().where(ConsentAttempt.id.in_(ids)).order_by(_attempt.created_at)) if ids else ()
    return [each for each in ours if not is_overdue(each)]


def list_approved() -> list[str]:
    """Return the ids of attempts whose approval is stored and whose accounts are still to be fetched."""
    return list(db.session.scalars(select(ConsentAttempt.id).filter_by(step=AttemptStep.CONNECTING)))


def cancel(attempt: ConsentAttempt) -> None:
    """End an attempt at the wish of the member who started it; what was obtained is erased."""
    for step in (AttemptStep.WAITING, AttemptStep.EXCHANGING, AttemptStep.CONNECTING):
        if end(attempt.id, step, AttemptStep.CANCELLED):
            return


def discard(attempt: ConsentAttempt) -> None:
    """The member says that this is not the right person: erase the permission."""
    end(attempt.id, AttemptStep.CONFIRM, AttemptStep.DISCARDED)


def end(attempt_id: str, old: AttemptStep, new: AttemptStep, failure: AttemptFailure | None = None) -> bool:
    """Move an attempt to an end, and erase all that it obtained with it; True for exactly one caller."""
    with transaction():
        attempt = db.session.get(ConsentAttempt, attempt_id)
        return attempt is not None and end_within(attempt, old, new, failure)


def end_within(
    attempt: ConsentAttempt, old: AttemptStep, new: AttemptStep, failure: AttemptFailure | None = None
) -> bool:
    """Do the same within the caller's transaction.

    An invitation whose approval could not be exchanged waits again instead, for another press in the same browser.
    """
    if (old, new) == (AttemptStep.EXCHANGING, AttemptStep.FAILED) and _may_wait_again(attempt):
        return claim(attempt, old, AttemptStep.WAITING, failure=failure, lease_holder=None, lease_until=None)
    is_late = is_overdue(attempt)
    if not claim(attempt, old, new, failure=failure):
        return False
    recording.ended(attempt, is_late=is_late)
    erase(attempt)
    test_renewed(attempt)
    if new == AttemptStep.FAILED:
        current_app.logger.warning(
            "%s: a consent failed: %s %s", reference(attempt), failure or attempt.error_kind, attempt.error_facts
        )
    return True


def _may_wait_again(attempt: ConsentAttempt) -> bool:
    return attempt.is_invitation and attempt.expires_at > clock.now()


def test_renewed(attempt: ConsentAttempt) -> None:
    """Let the worker test at once what a renewal would have replaced: bunq may have ended it with the new approval."""
    same_user = and_(
        Connection.environment == attempt.environment, Connection.granted_user_id == attempt.granted_user_id
    )
    query = select(Connection.id).where(or_(Connection.id == attempt.renews_connection_id, same_user))
    for connection_id in list(db.session.scalars(query.where(Connection.state == ConnectionState.ACTIVE))):
        connection_sync.request_within(connection_id)


def erase(attempt: ConsentAttempt) -> None:
    """Erase all that an attempt obtained, within the caller's transaction; the worker closes its session at bunq."""
    abandoned_sessions.abandon(attempt.session_id, attempt.installation_id)
    attempt.access_token = None
    attempt.accounts = attempt.iban_endings = None
    attempt.session_id = attempt.installation_id = None


def end_all_overdue() -> None:
    """End every attempt whose time has run out, so that no unwanted permission is kept."""
    query = select(ConsentAttempt).where(ConsentAttempt.step.in_(OPEN_STEPS))
    for attempt in list(db.session.scalars(query)):
        _end_overdue(attempt)


def delete_old() -> None:
    """Delete attempts that ended long ago, and what is secret in them much earlier."""
    now, ended = clock.now(), ConsentAttempt.step.not_in(OPEN_STEPS)
    with transaction():
        db.session.execute(delete(ConsentAttempt).where(ended, ConsentAttempt.step_since < now - _KEPT))
        secrets_of = update(ConsentAttempt).where(ended, ConsentAttempt.step_since < now - _SECRETS_KEPT)
        db.session.execute(
            secrets_of.values(link_token_sealed=None, access_token_sealed=None, accounts_text_sealed=None)
        )


def deadline(attempt: ConsentAttempt | AttemptProgress) -> datetime | None:
    """Return until when the attempt stays in its present step, or None at its end."""
    lives = {AttemptStep.EXCHANGING: _EXCHANGE, AttemptStep.CONNECTING: KEEP_TRYING, AttemptStep.CONFIRM: HOLD}
    if attempt.step == AttemptStep.WAITING:
        return attempt.expires_at
    return attempt.step_since + lives[attempt.step] if attempt.step in lives else None


def is_overdue(attempt: ConsentAttempt | AttemptProgress) -> bool:
    """Tell whether the time of the present step has run out."""
    until = deadline(attempt)
    if until is None or until < clock.now():
        return until is not None
    # Begun by a clock that was wrong, it would wait for hours; a stored approval only waits longer for bunq.
    begun_at = attempt.created_at if attempt.step == AttemptStep.WAITING else attempt.step_since
    return attempt.step != AttemptStep.CONNECTING and clock.is_ahead(begun_at, by=clock.SKEW)


def reference(attempt: ConsentAttempt) -> str:
    """Return what stands both on the pages of a failed attempt and in the log."""
    return f"BF-{attempt.created_at:%Y%m%d-%H%M%S}-{attempt.id[:4].upper()}"


def claim(attempt: ConsentAttempt, old: AttemptStep, new: AttemptStep, *conditions: Any, **values: Any) -> bool:
    """Move an attempt from one step to another if it is still there, within the caller's transaction.

    True for exactly one caller; the row is read again.
    """
    db.session.flush()
    if old != new:
        values |= {"step": new, "step_since": clock.now()}
    query = (
        update(ConsentAttempt)
        .where(ConsentAttempt.id == attempt.id, ConsentAttempt.step == old, *conditions)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    result = db.session.execute(query)
    reload(attempt)
    return isinstance(result, CursorResult) and result.rowcount == 1


def reload(attempt: ConsentAttempt) -> None:
    """Read an attempt again.

    :raises ConsentStateMismatch: it was deleted with its member.
    """
    try:
        db.session.refresh(attempt)
    except InvalidRequestError:
        raise ConsentStateMismatch from None


def _make_room(member_id: int, *, for_invitation: bool) -> None:
    """Cancel the member's oldest waiting attempts, and delete the oldest ended ones, before there are too many.

    :raises TooManyInvitations: an invitation is not cancelled for another one: somebody was sent its link.
    """
    ours = select(ConsentAttempt).where(ConsentAttempt.member_id == member_id)
    is_open = ConsentAttempt.is_invitation, ConsentAttempt.step.in_(OPEN_STEPS)
    count = select(func.count()).select_from(ConsentAttempt).where(ConsentAttempt.member_id == member_id, *is_open)
    if for_invitation and (db.session.scalar(count) or 0) >= MOST_INVITATIONS:
        raise TooManyInvitations
    waiting = ours.where(ConsentAttempt.step == AttemptStep.WAITING, ~ConsentAttempt.is_invitation)
    for attempt in list(
        db.session.scalars(waiting.order_by(ConsentAttempt.created_at.desc()).offset(MOST_WAITING - 1))
    ):
        end_within(attempt, AttemptStep.WAITING, AttemptStep.CANCELLED)
    ended = ours.where(ConsentAttempt.step.not_in(OPEN_STEPS)).order_by(ConsentAttempt.step_since.desc())
    too_many = ended.offset(MOST_ENDED).with_only_columns(ConsentAttempt.id)
    db.session.execute(delete(ConsentAttempt).where(ConsentAttempt.id.in_(too_many)))


def _end_overdue(attempt: ConsentAttempt) -> bool:
    if not is_overdue(attempt):
        return False
    step = AttemptStep(attempt.step)
    end(attempt.id, step, *_OVERDUE[step])
    return True


def load_ended(attempt: ConsentAttempt) -> ConsentAttempt:
    """Return the attempt, ended and loaded again when its time has run out."""
    attempt_id = attempt.id
    if not _end_overdue(attempt):
        return attempt
    if (found := _load(attempt_id)) is None:
        raise NotFoundHere
    return found


def _load(attempt_id: str) -> ConsentAttempt | None:
    return db.session.scalars(query().where(ConsentAttempt.id == attempt_id)).one_or_none()


def query() -> Select[ConsentAttempt]:
    """Attempts with all that their pages show."""
    return (
        select(ConsentAttempt)
        .options(joinedload(ConsentAttempt.member), joinedload(ConsentAttempt.renews_connection))
        .execution_options(populate_existing=True)
    )
