"""Invitations to connect: attempts for a holder elsewhere, as the member sees them who made them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_

from bunqflask import clock
from bunqflask.extensions import db
from bunqflask.models import AttemptFailure, AttemptStep, ConsentAttempt, Language
from bunqflask.services.consent import attempts, oauth
from bunqflask.services.principal import Principal

# How long an invitation stays in the list after its end.
_LISTED_AFTER_END = timedelta(days=7)
_MOST_LISTED = 250


class InvitationState(StrEnum):
    """How far an invitation is, in the eyes of its maker."""

    NOT_OPENED = "not_opened"
    # a browser has shown the page of the link, or the holder went to bunq and did not come back
    OPENED = "opened"
    # the holder went on to bunq, and may come back
    AT_BUNQ = "at_bunq"
    # the approval is stored, the accounts are fetched
    FETCHING = "fetching"
    # the approval waits for the maker's answer
    APPROVED = "approved"
    DONE = "done"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class OpenInvitation:
    """An invitation in the list of its maker; all times are UTC.

    `token` is the last part of its link while the link can be used. `state_since` is when the state began. `ends_at` is
    until when it can wait in this state, None at its end. `failure` says why the last approval could not be used, or
    why it ended in failure. `holder_name` is None before an approval.
    """

    id: str
    label: str
    language: Language | None
    state: InvitationState
    step: AttemptStep
    state_since: datetime
    created_at: datetime
    ends_at: datetime | None
    token: str | None
    holder_name: str | None
    account_count: int | None
    renews_name: str | None
    failure: AttemptFailure | None

    @property
    def is_open(self) -> bool:
        """Tell whether somebody can still do something with it."""
        return self.state not in (InvitationState.DONE, InvitationState.ENDED)


def list_open(principal: Principal) -> list[OpenInvitation]:
    """Return the invitations that a principal has made: those under way, then those that ended in the last 7 days."""
    query = attempts.query().where(ConsentAttempt.member_id == principal.id, ConsentAttempt.is_invitation)
    is_recent = ConsentAttempt.step_since > clock.now() - _LISTED_AFTER_END
    query = query.where(or_(ConsentAttempt.step.in_(attempts.OPEN_STEPS), is_recent))
    newest = query.order_by(ConsentAttempt.created_at.desc()).limit(_MOST_LISTED)
    return sorted((of(each) for each in db.session.scalars(newest)), key=lambda each: not each.is_open)


def of(attempt: ConsentAttempt) -> OpenInvitation:
    """Show an attempt as an invitation."""
    state, since = _state(attempt)
    is_over = attempts.is_overdue(attempt)
    is_waiting = attempt.step == AttemptStep.WAITING and not is_over
    return OpenInvitation(
        id=attempt.id,
        label=attempt.label,
        language=attempt.language,
        state=state,
        step=attempt.step,
        state_since=since,
        created_at=attempt.created_at,
        ends_at=None if is_over else attempts.deadline(attempt),
        token=attempt.link_token if is_waiting else None,
        holder_name=attempt.granted_user_name,
        account_count=None if attempt.iban_endings is None else len(attempt.iban_endings),
        renews_name=attempt.renews_connection.display_name if attempt.renews_connection else None,
        failure=attempt.failure,
    )


def waits_for_holder(attempt: ConsentAttempt) -> bool:
    """Tell whether an invitation asks nothing of its maker now."""
    return attempt.is_invitation and attempt.step == AttemptStep.WAITING


def _state(attempt: ConsentAttempt) -> tuple[InvitationState, datetime]:
    """Return the state, and since when it is."""
    if attempts.is_overdue(attempt):
        return InvitationState.ENDED, attempts.deadline(attempt) or attempt.step_since
    if attempt.step == AttemptStep.WAITING:
        return _state_of_waiting(attempt)
    state = {
        AttemptStep.EXCHANGING: InvitationState.FETCHING,
        AttemptStep.CONNECTING: InvitationState.FETCHING,
        AttemptStep.CONFIRM: InvitationState.APPROVED,
        AttemptStep.CONNECTED: InvitationState.DONE,
    }.get(attempt.step, InvitationState.ENDED)
    return state, attempt.step_since


def _state_of_waiting(attempt: ConsentAttempt) -> tuple[InvitationState, datetime]:
    came_back = attempt.opened_at is not None and attempt.step_since > attempt.opened_at
    if attempt.opened_at is not None and not came_back and clock.now() - attempt.opened_at < oauth.STATE_LIFE:
        return InvitationState.AT_BUNQ, attempt.opened_at
    if (since := attempt.opened_at or attempt.seen_at) is not None:
        return InvitationState.OPENED, since
    return InvitationState.NOT_OPENED, attempt.created_at
