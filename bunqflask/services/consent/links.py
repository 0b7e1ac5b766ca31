"""Consents as programs ask for them: a link for the holder, and how far its attempt is.

The answer whether the right person has approved is not for a program: the member gives it on the page of the attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bunqflask.models import AttemptFailure, AttemptStep, ConsentAttempt, ErrorKind, Language
from bunqflask.services import policy
from bunqflask.services.connections import overview
from bunqflask.services.consent import attempts
from bunqflask.services.consent.attempts import LONGEST_LABEL, Invitation
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.services.principal import Principal, TokenBearer


@dataclass(frozen=True, kw_only=True)
class ConsentLink:
    """An attempt to obtain a consent, as the member who began it may know of it.

    `token` is the last part of the one-time link while it waits for the holder. `ends_at` is until when it can stay in
    this step, None at its end. `valid_until` is until when its link can be used. `connection_id` is what it led to.
    """

    id: str
    label: str
    language: Language | None
    step: AttemptStep
    token: str | None
    created_at: datetime
    step_since: datetime
    ends_at: datetime | None
    valid_until: datetime
    seen_at: datetime | None
    opened_at: datetime | None
    approved_at: datetime | None
    holder_name: str | None
    renews_connection_id: int | None
    connection_id: int | None
    failure: AttemptFailure | None
    error_kind: ErrorKind | None
    next_try_at: datetime | None


def make(principal: Principal, invitation: Invitation, *, renews_connection_id: int | None = None) -> ConsentLink:
    """Make a link for a new consent, or for one that renews a connection; without a label that has its holder's name.

    :raises NotFoundHere: the principal may not manage that connection.
    :raises NotPermitted: the principal is a guest, or a program whose token is narrowed to accounts.
    :raises NotSetUp: setup has not been run.
    :raises TooManyInvitations: the principal has too many that are open.
    """
    _check_may_ask(principal)
    if renews_connection_id is not None:
        policy.check_can_manage(principal, renews_connection_id)
        name = overview.get(principal, renews_connection_id).holder_name
        invitation = replace(invitation, label=invitation.label or name[:LONGEST_LABEL])
    return get(principal, attempts.start(principal, renews_connection_id=renews_connection_id, invitation=invitation))


def list_open(principal: Principal) -> list[ConsentLink]:
    """Return the principal's attempts that wait for the holder, for bunq, or for an answer here.

    :raises NotPermitted: the principal is a guest, or a program whose token is narrowed to accounts.
    """
    _check_may_ask(principal)
    return [_link(principal, each) for each in attempts.list_open(principal)]


def get(principal: Principal, attempt_id: str) -> ConsentLink:
    """Return one attempt of the principal.

    :raises NotFoundHere: there is none.
    :raises NotPermitted: the principal is a guest, or a program whose token is narrowed to accounts.
    """
    _check_may_ask(principal)
    return _link(principal, attempts.get_for(principal, attempt_id))


def cancel(principal: Principal, attempt_id: str) -> ConsentLink:
    """Give an attempt up; one that has ended, or waits for the member's answer, stays as it is.

    :raises NotFoundHere: there is none.
    :raises NotPermitted: the principal is a guest, or a program whose token is narrowed to accounts.
    """
    _check_may_ask(principal)
    attempts.cancel(attempts.get_for(principal, attempt_id))
    return get(principal, attempt_id)


def _check_may_ask(principal: Principal) -> None:
    """Make sure that the principal may ask a holder for a consent: its accounts are not known before, to no token.

    :raises NotPermitted: the principal is a guest, or a program whose token is narrowed to accounts.
    """
    policy.check_can_connect(principal)
    if isinstance(principal, TokenBearer) and principal.account_ids is not None:
        raise NotPermitted("A token for chosen accounts cannot connect others.")


def _link(principal: Principal, attempt: ConsentAttempt) -> ConsentLink:
    is_seen = attempt.connection_id is not None and _sees(principal, attempt.connection_id)
    is_erased = attempt.step == AttemptStep.CONNECTED and not is_seen
    return ConsentLink(
        id=attempt.id,
        label=attempt.label,
        language=attempt.language,
        step=AttemptStep.DISCARDED if is_erased else attempt.step,
        token=attempt.link_token if attempt.step == AttemptStep.WAITING else None,
        created_at=attempt.created_at,
        step_since=attempt.step_since,
        ends_at=attempts.deadline(attempt),
        valid_until=attempt.expires_at,
        seen_at=attempt.seen_at,
        opened_at=attempt.opened_at,
        approved_at=attempt.approved_at,
        holder_name=attempt.granted_user_name,
        renews_connection_id=attempt.renews_connection_id,
        connection_id=attempt.connection_id if is_seen else None,
        failure=attempt.failure,
        error_kind=attempt.error_kind,
        next_try_at=attempt.next_try_at,
    )


def _sees(principal: Principal, connection_id: int) -> bool:
    try:
        overview.get(principal, connection_id)
    except NotFoundHere:
        return False
    return True
