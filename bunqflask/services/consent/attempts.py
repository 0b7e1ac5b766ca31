"""Consents on their way: from the press on "Connect bunq" to a connection, or to a reason why not.

An attempt moves through its steps only by conditional updates, so that of any number of requests at the
same time exactly one makes each move:

    waiting → exchanging → connecting → connected
       │           │            ├→ confirm → connected | discarded
       ├→ denied   └→ failed    └→ failed
       ├→ expired
       └→ cancelled
"""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import CursorResult, bindparam, or_, select, update
from sqlalchemy.exc import InvalidRequestError, OperationalError

from bunqflask import clock, unchanged
from bunqflask.bunq import errors
from bunqflask.extensions import db, table_of, writable
from bunqflask.models import Connection, ConsentAttempt
from bunqflask.services.connections.access import NotFoundHere
from bunqflask.services.consent import oauth
from bunqflask.services.gateway import abandoned_sessions, retry_policy, sessions
from bunqflask.services.team.members import Member

WINDOW = timedelta(minutes=10)
HOLD = timedelta(minutes=15)
KEEP_TRYING = timedelta(minutes=60)
# The longest that an exchange can take; older ones were cut off by a crash.
_EXCHANGE = timedelta(seconds=60)
_OPEN_STEPS = ("waiting", "exchanging", "connecting", "confirm")
_attempt = table_of(ConsentAttempt).c
_GLANCE = select(
    *(_attempt[name] for name in ("member_id", "step", "step_since", "expires_at", "next_try_at", "trouble"))
).where(_attempt.id == bindparam("id"))
_STORING_TRIES = 3
_STORING_PAUSE_S = 1.0


class ConsentError(Exception):
    """A consent cannot go on; nothing was stored."""

    def __init__(self, attempt: ConsentAttempt | None = None) -> None:
        super().__init__(type(self).__name__)
        self.attempt = attempt


class ConsentStateMismatch(ConsentError):
    """The state is unknown, used already, expired, or another browser's."""


class ConsentDenied(ConsentError):
    """The holder said no at bunq."""


class ConsentFailed(ConsentError):
    """bunq sent the person back without a usable approval, or the approval could not be used."""


class LinkUsed(ConsentError):
    """The one-time link was taken by another browser, or its attempt is over."""


def start(member: Member, *, renews: Connection | None = None) -> ConsentAttempt:
    """Begin an attempt to obtain a consent, or to renew one.

    :raises NotSetUp: setup has not been run.
    """
    sessions.current_installation()
    now, token = clock.now(), secrets.token_urlsafe(16)
    attempt = ConsentAttempt(
        id=uuid.uuid4().hex,
        environment=current_app.config["BUNQ_ENVIRONMENT"],
        member_id=member.id,
        renews_connection_id=renews.id if renews else None,
        step="waiting",
        step_since=now,
        created_at=now,
        expires_at=now + WINDOW,
        link_hash=_digest(token),
        tries=0,
        came_back_elsewhere=False,
    )
    attempt.link_token = token
    db.session.add(attempt)
    db.session.commit()
    return attempt


def get_for(member: Member, attempt_id: str) -> ConsentAttempt:
    """Return an attempt that this member started; what has run out meanwhile is ended.

    :raises NotFoundHere: there is none.
    """
    # PostgreSQL refuses some signs in a text instead of finding nothing.
    attempt: ConsentAttempt | None = db.session.get(ConsentAttempt, attempt_id) if attempt_id.isalnum() else None
    if attempt is None or attempt.member_id != member.id:
        raise NotFoundHere
    end_overdue(attempt)
    return attempt


def glance(member: Member, attempt_id: str) -> Any:
    """Return what a poll has to know of an attempt of this member; None when there is more to do than to look.

    A row with the names of an attempt's own, without the rest of it: most polls find that nothing has changed.
    """
    if not attempt_id.isalnum():
        return None
    row = unchanged.ask(("attempt", attempt_id), lambda: db.session.execute(_GLANCE, {"id": attempt_id}).one_or_none())
    return None if row is None or row.member_id != member.id or _is_overdue(row) else row


def list_open(member: Member) -> list[ConsentAttempt]:
    """Return the member's attempts that wait for bunq or for an answer here."""
    query = db.select(ConsentAttempt).where(
        ConsentAttempt.member_id == member.id, ConsentAttempt.step.in_(["connecting", "confirm"])
    )
    attempts = list(db.session.scalars(query.order_by(ConsentAttempt.created_at)))
    return [attempt for attempt in attempts if not _is_overdue(attempt)]


def list_approved() -> list[ConsentAttempt]:
    """Return every attempt whose approval is kept and whose accounts are still to be fetched."""
    return list(db.session.scalars(db.select(ConsentAttempt).filter_by(step="connecting")))


def by_link(token: str) -> ConsentAttempt:
    """Return the attempt of a one-time link.

    :raises LinkUsed: there is no such link, or its attempt is over.
    """
    query = db.select(ConsentAttempt).filter_by(link_hash=_digest(token))
    attempt: ConsentAttempt | None = db.session.scalars(query).one_or_none()
    if attempt is None:
        raise LinkUsed
    end_overdue(attempt)
    if attempt.step != "waiting":
        raise LinkUsed(attempt)
    return attempt


def take_link(attempt: ConsentAttempt, browser: str) -> None:
    """Bind a link to the browser in which it is pressed; the same browser may press again.

    :raises LinkUsed: another browser was first.
    """
    taken_by = _digest(browser)
    free_or_ours = or_(ConsentAttempt.link_browser_hash.is_(None), ConsentAttempt.link_browser_hash == taken_by)
    if not _move(attempt, "waiting", "waiting", free_or_ours, link_browser_hash=taken_by):
        raise LinkUsed(attempt)


def begin(attempt: ConsentAttempt, browser_session: oauth.BrowserSession) -> str:
    """Return bunq's address for this attempt, its state tied to this browser.

    :raises LinkUsed: the attempt is over.
    :raises NotSetUp: setup is not complete.
    """
    if attempt.step != "waiting":
        raise LinkUsed(attempt)
    installation = sessions.current_installation()
    if installation.client_id is None or installation.client_secret_sealed is None:
        raise sessions.NotSetUp("run `flask --app wsgi setup` first")
    return oauth.authorization_url(installation, attempt.id, browser_session)


def come_back(
    browser_session: oauth.BrowserSession,
    *,
    member: Member | None,
    state: str,
    error: str | None,
    code: str | None,
) -> ConsentAttempt:
    """Take up what bunq sent a browser back with: state first, then error, then code.

    Ends with the access token stored, before anything else can fail. `connecting.advance` goes on from there,
    at once or, should this worker get no further, with the next poll of the member's page.

    :raises ConsentStateMismatch: the state does not fit; nothing was looked at.
    :raises ConsentDenied: the holder said no.
    :raises ConsentFailed: any other end; `attempt.trouble` says which.
    """
    writable()
    store = oauth.StateStore()
    taken = store.take(browser_session, state)
    attempt = db.session.get(ConsentAttempt, taken.attempt_id) if taken else None
    if attempt is not None:
        end_overdue(attempt)
    is_in_time = taken is not None and not taken.is_expired
    is_taken_up = attempt is not None and is_in_time and _move(attempt, "waiting", "exchanging")
    db.session.commit()
    store.clear_state_data(browser_session, state)
    if taken is None or attempt is None or not is_taken_up:
        raise ConsentStateMismatch(attempt)
    if error is not None:
        _end_without_code(attempt, error)
    if not code:
        raise _fail(attempt, "no_code")
    try:
        token = oauth.exchange(sessions.current_installation(), taken, code)
    except errors.BunqError as failure:
        attempt.trouble_facts = retry_policy.facts_of(failure)
        raise _fail(attempt, _exchange_trouble(failure)) from failure
    elsewhere = member is None or member.id != attempt.member_id
    if not _keep(attempt, token, elsewhere=elsewhere):
        raise ConsentStateMismatch(attempt)  # cancelled while bunq answered: what it answered is not kept
    return attempt


def cancel(attempt: ConsentAttempt) -> None:
    """End an attempt at the wish of the member who started it; what was obtained is erased."""
    for step in ("waiting", "exchanging", "connecting"):
        if attempt.step == step and end(attempt, step, "cancelled"):
            return


def discard(attempt: ConsentAttempt) -> None:
    """The member says that this is not the right person: erase the permission, close the session."""
    end(attempt, "confirm", "discarded")


def end(attempt: ConsentAttempt, old: str, new: str, **values: Any) -> bool:
    """Move an attempt to an end, and forget all that it obtained in the same transaction: a crash leaves no secret.

    True for exactly one caller.
    """
    is_ours = claim(attempt, old, new, **values)
    _reload(attempt)
    if is_ours:
        erase(attempt)
    else:
        db.session.commit()
    return is_ours


def erase(attempt: ConsentAttempt) -> None:
    """Forget all that an attempt obtained, and close its session at bunq."""
    session, own_installation = attempt.session, attempt.installation
    attempt.access_token = None
    attempt.accounts = None
    attempt.session_id = attempt.installation_id = None
    abandoned_sessions.leave(session, own_installation)
    db.session.commit()
    abandoned_sessions.close(session, own_installation)


def end_overdue(attempt: ConsentAttempt) -> None:
    """End an attempt whose time has run out."""
    if not _is_overdue(attempt):
        return
    writable()
    ends = {"waiting": "expired", "exchanging": "failed", "connecting": "failed", "confirm": "discarded"}
    step = attempt.step
    reason = {"exchanging": "interrupted", "connecting": "given_up"}.get(step)
    end(attempt, step, ends[step], **({"trouble": reason} if reason else {}))


def end_all_overdue() -> None:
    """End every attempt whose time has run out, so that no permission is kept that nobody asks for."""
    query = db.select(ConsentAttempt).where(ConsentAttempt.step.in_(_OPEN_STEPS))
    for attempt in list(db.session.scalars(query)):
        end_overdue(attempt)


def deadline(attempt: Any) -> Any:
    """Return until when the attempt stays in its present step, or None at its end."""
    lives = {"exchanging": _EXCHANGE, "connecting": KEEP_TRYING, "confirm": HOLD}
    if attempt.step == "waiting":
        return attempt.expires_at
    return attempt.step_since + lives[attempt.step] if attempt.step in lives else None


def reference(attempt: ConsentAttempt) -> str:
    """Return what stands both on the pages of a failed attempt and in the log."""
    return f"BF-{attempt.created_at:%Y%m%d-%H%M%S}-{attempt.id[:4].upper()}"


def _is_overdue(attempt: Any) -> bool:
    until = deadline(attempt)
    if until is None or until < clock.now():
        return until is not None
    # Begun by a clock that was wrong, it would wait for hours; an approval that is kept only waits longer for bunq.
    return attempt.step != "connecting" and clock.is_ahead(until, by=HOLD)


def _keep(attempt: ConsentAttempt, token: str, *, elsewhere: bool) -> bool:
    """Store an access token, which bunq gives only once: a database that is away for a moment is asked again."""
    for tries_left in reversed(range(_STORING_TRIES)):
        try:
            attempt.access_token = token
            attempt.approved_at = clock.now()
            attempt.came_back_elsewhere = elsewhere
            is_kept = claim(attempt, "exchanging", "connecting")
            if is_kept:
                db.session.commit()
            else:
                db.session.rollback()
            _reload(attempt)
            # It may be the word of a success that got lost, and not the token.
            return is_kept or (attempt.step == "connecting" and attempt.access_token == token)
        except OperationalError:
            db.session.rollback()
            if not tries_left:
                raise
            time.sleep(_STORING_PAUSE_S)
    return False


def _end_without_code(attempt: ConsentAttempt, error: str) -> None:
    if error == "access_denied":
        _move(attempt, "exchanging", "denied")
        raise ConsentDenied(attempt)
    attempt.trouble_facts = {"words": error[:100]}
    raise _fail(attempt, "bunq_error")


def _fail(attempt: ConsentAttempt, reason: str) -> ConsentFailed:
    _move(attempt, "exchanging", "failed", trouble=reason)
    return ConsentFailed(attempt)


def _exchange_trouble(failure: errors.BunqError) -> str:
    if not isinstance(failure, errors.CodeRefused):
        return retry_policy.kind_of(failure)
    if failure.error in ("invalid_client", "unauthorized_client"):
        return "client_refused"
    # Without words, or with a redirect, it was hardly the token endpoint that answered.
    return "code_refused" if failure.descriptions and not 300 <= failure.status < 400 else "not_understood"


def _move(attempt: ConsentAttempt, old: str, new: str, *conditions: Any, **values: Any) -> bool:
    moved = claim(attempt, old, new, *conditions, **values)
    db.session.commit()
    _reload(attempt)
    return moved


def _reload(attempt: ConsentAttempt) -> None:
    try:
        db.session.refresh(attempt)
    except InvalidRequestError:
        raise ConsentStateMismatch from None  # it went with its member, who was removed meanwhile


def lock(attempt: ConsentAttempt, step: str) -> bool:
    """Lock an attempt for this transaction, and tell whether it is still in this step: it may have been ended."""
    try:
        db.session.refresh(attempt, with_for_update=True)
    except InvalidRequestError:
        return False  # it went with its member, who was removed meanwhile
    return attempt.step == step


def claim(attempt: ConsentAttempt, old: str, new: str, *conditions: Any, **values: Any) -> bool:
    """Move an attempt from one step to another, if it is still there; True for exactly one caller.

    Does not commit, so that what belongs to the move can go into the same transaction.
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
    moved = isinstance(result, CursorResult) and result.rowcount == 1
    if moved and new == "failed":
        why = values.get("trouble") or attempt.trouble
        current_app.logger.warning("%s: a consent failed: %s %s", reference(attempt), why, attempt.trouble_facts)
    return moved


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
