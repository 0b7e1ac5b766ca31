"""From bunq's redirect to a connection: access token, session, accounts, confirmation; retried until it works.

A callback is at most eight commits: the state is used up; the access token is stored, before the first call that uses
it; then one commit for each call to bunq and its answer, and one for the connection.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from flask import current_app
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from bunqflask import clock
from bunqflask.bunq import errors, resources
from bunqflask.database import leases
from bunqflask.database.leases import Lease, LeaseLost
from bunqflask.database.transactions import emit, transaction
from bunqflask.extensions import db
from bunqflask.models import (
    AttemptFailure,
    AttemptStep,
    BunqSession,
    Connection,
    ConsentAttempt,
    ErrorKind,
    EventKind,
)
from bunqflask.services.connections import refusal
from bunqflask.services.consent import attempts, grants, oauth, recording
from bunqflask.services.consent.attempts import AttemptProgress, ConsentDenied, ConsentFailed, ConsentStateMismatch
from bunqflask.services.gateway import abandoned_sessions, installations, retry_policy, sessions
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.gateway.rate_limiter import RateLimiter
from bunqflask.services.gateway.sessions import Bunq, Credentials
from bunqflask.services.principal import Principal

_STORING_TRIES = 3
_STORING_PAUSE_S = 1.0
# Together with the tries themselves less than an exchange may take; the browser waits for it.
_EXCHANGE_PAUSES_S = (1.0, 3.0, 8.0)
_LONGEST_EXCHANGE_PAUSE_S = 10.0
_NOT_PROCESSED = 491
# After the first refusal of an approval: bunq allows one session in 30 seconds.
_SOON_S = 30.0


@dataclass(frozen=True)
class _Approval:
    """What came back from bunq in exchange for the code, and the leases under which it is used."""

    lease: Lease
    session_lease: Lease


def come_back(
    browser_session: oauth.BrowserSession,
    *,
    principal: Principal | None,
    state: str,
    error: str | None,
    code: str | None,
    patience_s: float,
) -> str:
    """Take up what bunq sent a browser back with, and bring the attempt as far as bunq allows now; return its id.

    The state is looked at first, then the error, then the code. What bunq does not allow yet, the worker or the
    member's page does later.

    :raises ConsentStateMismatch: the state does not fit; nothing was looked at.
    :raises ConsentDenied: the holder refused.
    :raises ConsentFailed: any other end; the attempt's `failure` says which.
    """
    attempt, taken, lease = _take_state(browser_session, state)
    if error is not None:
        _end_without_code(attempt, error)
    if not code:
        raise _failed(attempt, AttemptFailure.NO_CODE)
    try:
        token = _exchange(taken, code)
    except errors.BunqError as failure:
        raise _failed(attempt, _exchange_failure(failure), failure) from failure
    is_elsewhere = principal is None or principal.id != attempt.member_id
    approval = _store_token(attempt, lease, token, is_elsewhere=is_elsewhere)
    attempt_id = attempt.id
    if approval is not None:
        limiter = RateLimiter(patience_s, lease=approval.lease)
        _advance_under(approval.lease, attempt_id, limiter, approval.session_lease)
    return attempt_id


def is_due(attempt: ConsentAttempt | AttemptProgress) -> bool:
    """Tell whether there is something to do for this attempt now."""
    return attempt.step == AttemptStep.CONNECTING and retry_policy.is_due(attempt.next_try_at, attempt.error_kind)


def advance(attempt_id: str, *, patience_s: float) -> None:
    """Bring an approved attempt as far as bunq allows now; one worker at a time.

    An error is recorded on the attempt with the time of the next try; the approval is kept.
    """
    attempt = db.session.get(ConsentAttempt, attempt_id)
    if attempt is None or not is_due(attempt):
        return
    lease = leases.take(attempt, ConsentAttempt.step == AttemptStep.CONNECTING)
    if lease is not None:
        _advance_under(lease, attempt_id, RateLimiter(patience_s, lease=lease))


def advance_all(*, patience_s: float) -> None:
    """Bring every approved attempt as far as bunq allows now; an unexpected error of one holds up no other."""
    for attempt_id in attempts.list_approved():
        try:
            advance(attempt_id, patience_s=patience_s)
        except Exception:
            db.session.rollback()
            current_app.logger.exception("attempt %s cannot go on", attempt_id)


def confirm(attempt: ConsentAttempt) -> bool:
    """The member says that this is the right person: take the consent up; False when it was answered already."""
    with transaction():
        return grants.take_up(attempt, AttemptStep.CONFIRM)


def is_other_person(attempt: ConsentAttempt) -> bool:
    """Tell whether a renewal was approved by somebody else than the connection's holder."""
    if attempt.renews_connection_id is None:
        return False
    renewed = db.session.get(Connection, attempt.renews_connection_id)
    return renewed is not None and renewed.granted_user_id != attempt.granted_user_id


def _take_state(browser_session: oauth.BrowserSession, state: str) -> tuple[ConsentAttempt, oauth.TakenState, Lease]:
    """Use the state up and move the attempt on, under a lease of ours."""
    store, attempt, lease = oauth.StateStore(), None, None
    with transaction():
        taken = store.take(browser_session, state)
        attempt = db.session.get(ConsentAttempt, taken.attempt_id) if taken else None
        is_in_time = taken is not None and not taken.is_expired
        if attempt is not None and attempts.is_overdue(attempt):
            attempts.end_within(attempt, AttemptStep.WAITING, AttemptStep.EXPIRED)
        elif attempt is not None and is_in_time:
            is_ours = attempts.claim(attempt, AttemptStep.WAITING, AttemptStep.EXCHANGING)
            lease = leases.take_within(ConsentAttempt, attempt.id) if is_ours else None
    store.clear_state_data(browser_session, state)
    if taken is None or attempt is None or lease is None:
        raise ConsentStateMismatch(attempt.id if attempt else None)
    return attempt, taken, lease


def _exchange(taken: oauth.TakenState, code: str) -> str:
    """Exchange the code for the access token; tried again only where bunq has not processed the request.

    :raises BunqError: no answer, a refusal (`CodeRefused`), or an answer of another shape.
    """
    for pause_s in _EXCHANGE_PAUSES_S:
        try:
            return oauth.exchange(installations.current(), taken, code)
        except (errors.RateLimited, errors.BunqUnavailable, errors.RequestNotSent) as failure:
            # 429 and 491 are sent before anything is done; after any other answer the code may be used up.
            if isinstance(failure, errors.BunqUnavailable) and failure.status != _NOT_PROCESSED:
                raise
            time.sleep(max(pause_s, min(getattr(failure, "wait_s", 0.0), _LONGEST_EXCHANGE_PAUSE_S)))
    return oauth.exchange(installations.current(), taken, code)


def _store_token(attempt: ConsentAttempt, lease: Lease, token: str, *, is_elsewhere: bool) -> _Approval | None:
    """Store the access token, which bunq gives only once: a database that is away for a moment is asked again.

    Returns the leases under which it may be used at once; None when the worker uses it.

    :raises ConsentStateMismatch: the attempt was cancelled while bunq answered; the token is not stored.
    """
    for tries_left in reversed(range(_STORING_TRIES)):
        try:
            with transaction():
                return _store_token_within(attempt, lease, token, is_elsewhere=is_elsewhere)
        except OperationalError:
            if not tries_left:
                raise
            time.sleep(_STORING_PAUSE_S)
    raise AssertionError("unreachable")


def _store_token_within(attempt: ConsentAttempt, lease: Lease, token: str, *, is_elsewhere: bool) -> _Approval | None:
    attempts.reload(attempt)
    if attempt.step == AttemptStep.CONNECTING and attempt.access_token == token:
        # The commit of an earlier try has succeeded and only its acknowledgement been lost, and with it the leases.
        return None
    values = {"approved_at": clock.now(), "came_back_elsewhere": is_elsewhere}
    if not attempts.claim(attempt, AttemptStep.EXCHANGING, AttemptStep.CONNECTING, **values):
        raise ConsentStateMismatch(attempt.id)
    attempt.access_token = token
    attempt.session_id = sessions.new_session().id
    emit(EventKind.CONSENT_APPROVED, attempt_id=attempt.id)
    recording.approved(attempt)
    db.session.flush()
    session_lease = leases.take_within(BunqSession, attempt.session_id)
    try:
        lease.renew(db.session.connection())
    except LeaseLost:
        return None
    return _Approval(lease, session_lease) if session_lease is not None else None


def _advance_under(lease: Lease, attempt_id: str, limiter: RateLimiter, session_lease: Lease | None = None) -> None:
    """Go on with an approved attempt under a lease, and give the lease back.

    After an error that is not bunq's the lease is kept: it runs out, and that is when the next try is.
    """
    try:
        try:
            _go_on(lease, attempt_id, limiter, session_lease)
        except errors.BunqError as error:
            with transaction():
                _record(_locked(lease, attempt_id), error)
                lease.release()
        except NotSetUp:
            with transaction():
                retry_policy.record_kind(_locked(lease, attempt_id), ErrorKind.NOT_SET_UP)
                lease.release()
    except (sessions.SessionGone, LeaseLost, ObjectDeletedError, StaleDataError):
        return  # cancelled or taken over meanwhile


def _go_on(lease: Lease, attempt_id: str, limiter: RateLimiter, session_lease: Lease | None) -> None:
    if session_lease is None and _read(attempt_id).error_kind == ErrorKind.CHECKING:
        _settle_refusal(lease, attempt_id, limiter)
        return
    try:
        if session_lease is not None:
            _open_session(session_lease, attempt_id, limiter)
        found = _list_accounts(attempt_id, limiter)
    except (errors.SecretRefused, errors.InstallationTaken) as refused:
        attempt = _read(attempt_id)
        if isinstance(refused, errors.SecretRefused) and attempt.installation_id is not None:
            with transaction():
                attempt = _locked(lease, attempt_id)
                attempt.refused_at = clock.now()
                retry_policy.record(attempt, refused)
            _settle_refusal(lease, attempt_id, limiter)
            return
        found = _try_own_installation(lease, attempt_id, limiter)
    with transaction():
        _take_up(_locked(lease, attempt_id), found)
        lease.release()


def _open_session(session_lease: Lease, attempt_id: str, limiter: RateLimiter) -> None:
    """Open the session whose lease was taken together with the storing of the token."""
    try:
        credentials = _credentials(attempt_id)
    except (sessions.SessionGone, NotSetUp):
        # The request that cancelled the attempt has abandoned its session: the worker waits for the lease to close it.
        with transaction():
            session_lease.release()
        raise
    sessions.open_under(session_lease, credentials, limiter)


def _read(attempt_id: str) -> ConsentAttempt:
    attempt = db.session.get(ConsentAttempt, attempt_id, populate_existing=True)
    if attempt is None:
        raise sessions.SessionGone
    return attempt


def _credentials(attempt_id: str) -> Credentials:
    attempt = _read(attempt_id)
    if attempt.access_token is None or attempt.session_id is None:
        raise sessions.SessionGone
    return Credentials(attempt.session_id, attempt.access_token, attempt.installation_id or installations.current().id)


def _list_accounts(attempt_id: str, limiter: RateLimiter) -> list[resources.MonetaryAccount]:
    attempt = _read(attempt_id)
    if attempt.installation_id is not None:
        installations.complete_for_grant(attempt.installation_id, attempt.access_token or "", limiter)
    with Bunq(lambda: _credentials(attempt_id), limiter) as bunq:
        return bunq.list_monetary_accounts()


def _try_own_installation(lease: Lease, attempt_id: str, limiter: RateLimiter) -> list[resources.MonetaryAccount]:
    """Some sources say that bunq wants a key pair and a device for each access token: try that once.

    Only for a token never used before, and after our own installation was refused with it; or where an installation
    may have one session only, and there is one: perhaps this token's, opened by an answer that never came.
    """
    with transaction():
        attempt = _locked(lease, attempt_id)
        abandoned_sessions.abandon(None, attempt.installation_id)
        attempt.installation_id = installations.add_for_grant(attempt.environment).id
    current_app.logger.info("attempt %s: trying an installation of its own", attempt_id)
    return _list_accounts(attempt_id, limiter)


def _settle_refusal(lease: Lease, attempt_id: str, limiter: RateLimiter) -> None:
    """Find out whether the permission or this server is refused, and record it: either way, it is tried again."""
    attempt = _read(attempt_id)
    is_of_permission = refusal.is_of_permission(attempt.refused_at or attempt.created_at, limiter)
    with transaction():
        attempt = _locked(lease, attempt_id)
        soon_s = _SOON_S if attempt.refused_since is None else None
        if refusal.record(attempt, of_permission=is_of_permission, wait_s=soon_s):
            attempts.end_within(attempt, AttemptStep.CONNECTING, AttemptStep.FAILED, AttemptFailure.SECRET_REFUSED)
        else:
            abandoned_sessions.abandon(None, attempt.installation_id)
            attempt.installation_id = None
        lease.release()


def _take_up(attempt: ConsentAttempt, found: list[resources.MonetaryAccount]) -> None:
    """The accounts are listed: hold them until the member confirms, or connect at once."""
    session = db.session.get_one(BunqSession, attempt.session_id)
    granted_user_id = session.holder_user_id
    if granted_user_id is None:
        # Older answers do not tell the granting user's id; the accounts name their owner.
        granted_user_id = next((each.user_id for each in found if each.user_id is not None), None)
    if granted_user_id is None:
        raise errors.ResponseNotUnderstood("bunq does not say whose accounts these are")
    attempt.granted_user_id = granted_user_id
    attempt.granted_user_type = session.holder_type or "User"
    attempt.granted_user_name = session.holder_name or f"bunq user {granted_user_id}"
    attempt.accounts = [{account.wrapper: dict(account.raw)} for account in found]
    attempt.iban_endings = [each.ibans[0][-4:] if each.ibans else "" for each in found]
    attempt.failure = None
    attempt.clear_error()
    if attempt.came_back_elsewhere or is_other_person(attempt) or grants.would_change(attempt):
        attempts.claim(attempt, AttemptStep.CONNECTING, AttemptStep.CONFIRM)
        # The earlier permission goes on until the answer, if bunq has not ended it.
        attempts.test_renewed(attempt)
        if attempt.came_back_elsewhere:
            emit(EventKind.INVITATION_APPROVED, attempt_id=attempt.id)
    else:
        grants.take_up(attempt, AttemptStep.CONNECTING)


def _locked(lease: Lease, attempt_id: str) -> ConsentAttempt:
    """Lock the attempt, and make sure that it was neither cancelled nor taken over while bunq answered.

    :raises LeaseLost: another worker has taken over.
    :raises SessionGone: it was cancelled.
    """
    lease.verify()
    attempt = db.session.get_one(ConsentAttempt, attempt_id)
    if attempt.step != AttemptStep.CONNECTING:
        raise sessions.SessionGone
    return attempt


def _record(attempt: ConsentAttempt, error: errors.BunqError) -> None:
    if attempt.error_kind == ErrorKind.CHECKING:
        retry_policy.record_pending_check(attempt, error)
        return
    if isinstance(error, errors.SecretRefused):
        attempt.refused_at = clock.now()
    is_first = attempt.error_kind in (None, ErrorKind.WAITING)
    retry_policy.record(attempt, error)
    if is_first and attempt.error_kind == ErrorKind.REFUSED:
        # One refusal proves nothing, and somebody may be waiting.
        retry_policy.record_kind(attempt, ErrorKind.REFUSED, wait_s=_SOON_S)


def _end_without_code(attempt: ConsentAttempt, error: str) -> None:
    if error == "access_denied":
        attempts.end(attempt.id, AttemptStep.EXCHANGING, AttemptStep.DENIED)
        raise ConsentDenied(attempt.id)
    raise _failed(attempt, AttemptFailure.BUNQ_ERROR, facts={"message": error[:100]})


def _failed(
    attempt: ConsentAttempt,
    failure: AttemptFailure,
    error: errors.BunqError | None = None,
    facts: dict[str, object] | None = None,
) -> ConsentFailed:
    with transaction():
        attempt.error_facts = retry_policy.facts_of(error) if error is not None else facts
        attempts.end_within(attempt, AttemptStep.EXCHANGING, AttemptStep.FAILED, failure)
    return ConsentFailed(attempt.id)


def _exchange_failure(failure: errors.BunqError) -> AttemptFailure:
    if not isinstance(failure, errors.CodeRefused):
        return AttemptFailure(retry_policy.kind_of(failure).value)
    if failure.error in ("invalid_client", "unauthorized_client"):
        return AttemptFailure.CLIENT_REFUSED
    # Without a message, or with a redirect, it was hardly the token endpoint that answered.
    is_bunqs = failure.descriptions and not 300 <= failure.status < 400
    return AttemptFailure.CODE_REFUSED if is_bunqs else AttemptFailure.NOT_UNDERSTOOD
