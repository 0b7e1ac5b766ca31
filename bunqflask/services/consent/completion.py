"""From a stored access token to a connection: session, accounts, confirmation; tried again until it works.

https://doc.bunq.com/oauth
"""

from __future__ import annotations

from typing import Any

from flask import current_app
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from bunqflask import clock
from bunqflask.bunq import errors, protocol, resources
from bunqflask.database import leases
from bunqflask.extensions import db
from bunqflask.models import BunqSession, Connection, ConsentAttempt, Installation
from bunqflask.services.connections import access, accounts
from bunqflask.services.consent import attempts
from bunqflask.services.gateway import abandoned_sessions, onboarding, retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import CallGate

# Answers after which trying again by itself would change nothing.
_FINAL = ("refused",)


def is_due(attempt: Any) -> bool:
    """Tell whether there is something to do for this attempt now."""
    return attempt.step == "connecting" and clock.has_come(attempt.next_try_at, longest=retry_policy.LONGEST_REST)


def advance(attempt: ConsentAttempt, *, patience_s: float) -> None:
    """Bring an approved attempt as far as bunq allows now; one worker at a time.

    Whatever goes wrong is noted on the attempt with the time of the next try; the approval is kept.
    """
    if not is_due(attempt):
        return
    holder = leases.take(attempt, ConsentAttempt.step == "connecting")
    if holder is None:
        return
    gate = CallGate(patience_s)
    try:
        _go_on(attempt, gate)
    except errors.BunqError as error:
        _note(attempt, error)
    except sessions.NotSetUp:
        retry_policy.note_kind(attempt, "not_set_up")
    except (sessions.SessionGone, ObjectDeletedError, StaleDataError):
        return  # erased meanwhile, perhaps with the member who started it
    finally:
        leases.give_back(attempt, holder)


def advance_all(*, patience_s: float) -> None:
    """Bring every approved attempt as far as bunq allows now; one that fails as nobody foresaw holds up no other."""
    for attempt_id in [attempt.id for attempt in attempts.list_approved()]:
        try:
            attempt = db.session.get(ConsentAttempt, attempt_id)
            if attempt is not None:
                advance(attempt, patience_s=patience_s)
        except Exception:
            db.session.rollback()
            current_app.logger.exception("attempt %s cannot go on", attempt_id)


def confirm(attempt: ConsentAttempt) -> bool:
    """The member says that this is the right person: make the connection; False when it was answered already."""
    return _connect(attempt, "confirm")


def _go_on(attempt: ConsentAttempt, gate: CallGate) -> None:
    token, session = attempt.access_token, attempt.session
    if token is None:
        return
    if session is None:
        _keep_wanted(attempt)
        attempt.session = session = BunqSession(generation=0)
        db.session.commit()
    try:
        if attempt.trouble == "checking":
            _find_out_who_is_refused(attempt, gate)
            return
        found = _read_accounts(attempt, session, token, gate)
    except errors.SecretRefused as refused:
        if attempt.installation is None:
            found = _try_own_installation(attempt, session, token, gate)
        else:
            attempt.trouble_facts = retry_policy.facts_of(refused)
            attempt.trouble = "checking"
            db.session.commit()
            _find_out_who_is_refused(attempt, gate)
            return
    except errors.InstallationTaken:
        found = _try_own_installation(attempt, session, token, gate)
    _take_up(attempt, session, found)


def _read_accounts(
    attempt: ConsentAttempt, session: BunqSession, token: str, gate: CallGate
) -> list[resources.MonetaryAccount]:
    installation = attempt.installation or sessions.current_installation()
    if attempt.installation is not None:
        _complete(attempt.installation, token, gate)
    return sessions.run(session, secret=token, installation=installation, gate=gate, work=accounts.fetch)


def _try_own_installation(
    attempt: ConsentAttempt, session: BunqSession, token: str, gate: CallGate
) -> list[resources.MonetaryAccount]:
    """Some sources say that bunq wants a key pair and a device for each access token: try that once.

    Only for a token never used before, and after our own installation was refused with it; or where an installation
    may have one session only, and there is one: perhaps this token's, opened by an answer that never came.
    """
    _keep_wanted(attempt)
    useless = attempt.installation
    own = Installation(environment=attempt.environment, is_current=False, created_at=clock.now())
    own.redirect_uris = []
    own.private_key = protocol.new_private_key()
    attempt.installation = own
    if useless is not None:
        db.session.delete(useless)
    db.session.commit()
    current_app.logger.info("attempt %s: trying an installation of its own", attempt.id)
    return _read_accounts(attempt, session, token, gate)


def _complete(installation: Installation, token: str, gate: CallGate) -> None:
    """Do what is not done yet of a grant's own installation; resumable like setup itself."""
    if installation.token_sealed is None:
        onboarding.install(installation, gate)
    if installation.device_registered_at is None:
        with sessions.client_for(installation, gate) as client:
            client.register_device(installation.token or "", onboarding.DEVICE_DESCRIPTION, token)
        installation.device_registered_at = clock.now()
        db.session.commit()


def _find_out_who_is_refused(attempt: ConsentAttempt, gate: CallGate) -> None:
    """bunq's words do not tell a refused grant from a refused server: our own session does."""
    ours = sessions.current_installation()
    works = sessions.own_session_works_since(ours, attempt.approved_at or attempt.created_at, gate)
    if works:
        attempts.end(attempt, "connecting", "failed", trouble="secret_refused")
        return
    own = attempt.installation
    attempt.installation = None
    if own is not None:
        db.session.delete(own)
    retry_policy.note_kind(attempt, "server_refused")


def _take_up(attempt: ConsentAttempt, session: BunqSession, found: list[resources.MonetaryAccount]) -> None:
    """The accounts are here: hold them until the member confirms, or connect at once."""
    granted_user_id = session.holder_user_id
    if granted_user_id is None:
        # Older answers do not tell the granting user's id; the accounts name their owner.
        granted_user_id = next((each.user_id for each in found if each.user_id is not None), None)
    if granted_user_id is None:
        raise errors.ResponseNotUnderstood("bunq does not say whose accounts these are")
    _keep_wanted(attempt)
    attempt.granted_user_id = granted_user_id
    attempt.granted_user_type = session.holder_type or "User"
    attempt.granted_user_name = session.holder_name or f"bunq user {granted_user_id}"
    attempt.accounts = [{account.wrapper: dict(account.raw)} for account in found]
    retry_policy.clear(attempt)
    if attempt.came_back_elsewhere or is_other_person(attempt):
        attempts.claim(attempt, "connecting", "confirm")
        db.session.commit()
    else:
        db.session.commit()
        _connect(attempt, "connecting")


def _keep_wanted(attempt: ConsentAttempt) -> None:
    """See to it that nothing more is stored with an attempt that was cancelled while bunq answered.

    :raises SessionGone: it was.
    """
    if not attempts.lock(attempt, "connecting"):
        db.session.rollback()
        raise sessions.SessionGone


def is_other_person(attempt: ConsentAttempt) -> bool:
    """Tell whether a renewal was approved by somebody else than the connection's holder."""
    renewed = attempt.renews_connection
    return renewed is not None and renewed.granted_user_id != attempt.granted_user_id


def _connect(attempt: ConsentAttempt, step: str) -> bool:
    """Make or renew the connection, in one transaction with the attempt's move."""
    if not attempts.claim(attempt, step, "connected"):
        db.session.rollback()
        return False
    connection, is_new = access.find_or_add(
        attempt.environment,
        attempt.granted_user_id or 0,
        attempt.granted_user_type or "",
        attempt.granted_user_name or "",
    )
    old_session, old_installation = connection.session, connection.installation
    abandoned_sessions.leave(old_session, old_installation)
    _hand_over(attempt, connection)
    found = [account for item in attempt.accounts or [] if (account := resources.MonetaryAccount.from_item(item))]
    difference = accounts.store(connection, found)
    access.admit(connection, attempt.member_id)
    attempt.connection_id = connection.id
    attempt.changes = None if is_new else _as_json(difference)
    attempt.accounts = None
    db.session.commit()
    db.session.refresh(attempt)
    abandoned_sessions.close(old_session, old_installation)
    return True


def _hand_over(attempt: ConsentAttempt, connection: Connection) -> None:
    """Move the permission from the attempt to the connection: it exists once."""
    connection.access_token, attempt.access_token = attempt.access_token, None
    connection.session_id, attempt.session_id = attempt.session_id, None
    connection.installation_id, attempt.installation_id = attempt.installation_id, None
    connection.hooks_set_at = None  # whether callbacks outlive the old permission is not told
    connection.granted_user_type = attempt.granted_user_type or ""
    connection.display_name = attempt.granted_user_name or ""
    connection.consented_at = attempt.approved_at or clock.now()
    access.mark(connection, "active")


def _note(attempt: ConsentAttempt, error: errors.BunqError) -> None:
    attempt.tries += 1
    if attempt.trouble == "checking":
        retry_policy.note_check_pending(attempt, error)
        return
    retry_policy.note(attempt, error)
    # A refusal without words is hardly bunq's own: something on the way said no, and may let us through later.
    is_final = attempt.trouble in _FINAL and bool(getattr(error, "descriptions", None))
    if is_final:
        attempts.end(attempt, "connecting", "failed")


def _as_json(difference: accounts.Difference) -> dict[str, Any]:
    return {"new": difference.new, "gone": difference.gone, "stays": difference.stays}
