"""What follows from each kind of error of bunq: when to retry, whose fault it is, and what a person reads about it.

One table, `POLICIES`, answers all of it; pages, the command line and the worker look here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from flask import current_app
from sqlalchemy import select, update

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.database.transactions import emit
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Connection, Consent, ConsentAttempt, ErrorKind, EventKind
from bunqflask.models.retry import RetryState
from bunqflask.services.gateway import rate_limiter

# Nothing that is retried waits for longer, except for the two kinds below.
LONGEST_RETRY = timedelta(minutes=5)
NOT_LISTED_RETRY = timedelta(hours=6)
# Each time costs two or three of bunq's scarce calls for a session.
REFUSED_RETRY = timedelta(minutes=15)
_LONGER = {ErrorKind.NOT_LISTED: NOT_LISTED_RETRY, ErrorKind.REFUSED_ONCE: REFUSED_RETRY}
_SOON = timedelta(seconds=1)
# bunq accepts this server's address, its key or its installation no longer.
SERVER_REFUSALS = (ErrorKind.SERVER_REFUSED, ErrorKind.INSTALLATION_REFUSED)
# Where bunq does not say how long to wait.
_USUAL_WAIT_S = 3.0
_CHECK_WAIT_S = 5.0

Cause = Literal["bunq", "server", "permission", "account"]


@dataclass(frozen=True, kw_only=True)
class ErrorPolicy:
    """What follows from one kind of error.

    `lead` is what it means, `todo` what to do; `status` is the HTTP status of a page that shows it. Empty `todo` means
    that it is retried without anybody doing anything.
    """

    retry_after: timedelta
    cause: Cause
    needs_person: bool
    title: str
    lead: str
    todo: tuple[str, ...] = ()
    who: str = ""
    status: int = 502


def policy_for(kind: ErrorKind) -> ErrorPolicy:
    """Return what follows from a kind of error, in the language of the request."""
    return _policies()[kind]


def is_due(next_try_at: datetime | None, kind: ErrorKind | None) -> bool:
    """Tell whether the time of a next try after an error of this kind has come."""
    return clock.has_come(next_try_at, longest=_LONGER.get(kind, LONGEST_RETRY) if kind else LONGEST_RETRY)


def kind_of(error: errors.BunqError) -> ErrorKind:
    """Return the kind of an error that a call raised."""
    return next(kind for error_type, kind in _KINDS if isinstance(error, error_type))


def facts_of(error: errors.BunqError) -> dict[str, Any]:
    """Return bunq's status, message and response id, for the folded part of a page and for bunq's support."""
    facts: dict[str, Any] = {}
    status, descriptions = getattr(error, "status", None), getattr(error, "descriptions", None)
    if status is not None:
        facts["status"] = status
    if descriptions != []:
        facts["message"] = "; ".join(descriptions) if descriptions else str(error)
    if response_id := getattr(error, "response_id", None):
        facts["response_id"] = response_id
    return facts


def record(row: RetryState, error: errors.BunqError) -> None:
    """Record an error on a row with the time of the next try, within the caller's transaction."""
    kind = kind_of(error)
    if kind is ErrorKind.WAITING:
        # The rate limit is no error: an earlier one stays on the row until a try succeeds.
        record_kind(row, row.error_kind or kind, wait_s=getattr(error, "wait_s", 0.0) or _USUAL_WAIT_S)
        return
    current_app.logger.warning("%s %s: %s", type(row).__name__, getattr(row, "id", ""), error)
    record_kind(row, kind)
    row.error_facts = facts_of(error)


def record_kind(row: RetryState, kind: ErrorKind, *, wait_s: float | None = None) -> None:
    """Record a kind of error on a row with the time of the next try, within the caller's transaction.

    :param wait_s: how long bunq asked us to wait, in seconds; without it the kind's own interval counts.
    """
    wait = policy_for(kind).retry_after if wait_s is None else timedelta(seconds=wait_s)
    if kind in SERVER_REFUSALS and row.error_kind is not kind:
        emit(EventKind.SERVER_REFUSED)
    row.error_kind = kind
    row.next_try_at = clock.now() + max(wait, _SOON)
    row.error_since = row.error_since or clock.now()


def record_pending_check(row: RetryState, error: errors.BunqError) -> None:
    """bunq refused us, and whether the permission or this server is refused could not be asked yet: ask soon."""
    record_kind(row, ErrorKind.CHECKING, wait_s=getattr(error, "wait_s", 0.0) or _CHECK_WAIT_S)


def waiting_lead() -> str:
    """Say why bunq asks us to wait, as far as our own count of calls explains it."""
    if rate_limiter.is_shared():
        return _("bunq refuses calls that we have not used up: another program on this server’s address uses bunq.")
    return _("bunq has asked us to wait.")


def clear_server_errors() -> None:
    """After a successful setup: whatever waited because of this server as a whole waits no longer.

    Takes part in the caller's transaction.
    """
    kinds = [kind for kind, policy in _policies().items() if policy.cause == "server"]
    nothing = {"error_kind": None, "error_facts": None, "error_since": None, "next_try_at": None}
    environment = current_app.config["BUNQ_ENVIRONMENT"]
    of_here = select(Connection.id).filter_by(environment=environment)
    attempts = update(ConsentAttempt).filter_by(environment=environment)
    db.session.execute(attempts.where(ConsentAttempt.error_kind.in_(kinds)).values(nothing))
    consents = update(Consent).where(Consent.connection_id.in_(of_here))
    db.session.execute(consents.where(Consent.error_kind.in_(kinds)).values(nothing))


_KINDS: list[tuple[type[errors.BunqError], ErrorKind]] = [
    (errors.CallNotAllowedYet, ErrorKind.WAITING),
    (errors.RateLimited, ErrorKind.WAITING),
    (errors.BunqUnavailable, ErrorKind.UNAVAILABLE),
    (errors.TransportFailed, ErrorKind.NO_ANSWER),
    (errors.ResponseNotTrusted, ErrorKind.NOT_TRUSTED),
    (errors.ResponseNotUnderstood, ErrorKind.NOT_UNDERSTOOD),
    (errors.CredentialsRejected, ErrorKind.INSTALLATION_REFUSED),
    (errors.SecretRefused, ErrorKind.CHECKING),
    (errors.RequestRefused, ErrorKind.REFUSED),
]


def _policies() -> dict[ErrorKind, ErrorPolicy]:
    return {**_temporary(), **_server_wide(), **_refusals()}


def _temporary() -> dict[ErrorKind, ErrorPolicy]:
    """Errors that end without anybody doing anything."""
    minute, nobody = timedelta(minutes=1), _("No one needs to; this fixes itself")
    return {
        ErrorKind.WAITING: ErrorPolicy(
            retry_after=timedelta(seconds=_USUAL_WAIT_S),
            cause="bunq",
            needs_person=False,
            title=_("bunq has asked us to wait"),
            lead=_("Nothing is lost. Please try again in a moment."),
            who=nobody,
            status=503,
        ),
        ErrorKind.UNAVAILABLE: ErrorPolicy(
            retry_after=minute,
            cause="bunq",
            needs_person=False,
            title=_("bunq isn’t responding"),
            lead=_(
                "bunq is down or under maintenance. Everything stored here is still readable; we’ll retry "
                "automatically."
            ),
            who=nobody,
            status=503,
        ),
        ErrorKind.NO_ANSWER: ErrorPolicy(
            retry_after=minute,
            cause="bunq",
            needs_person=False,
            title=_("bunq isn’t responding"),
            lead=_("We couldn’t reach bunq. Everything stored here is still readable; we’ll retry automatically."),
            who=nobody,
            status=503,
        ),
        ErrorKind.NOT_UNDERSTOOD: ErrorPolicy(
            retry_after=LONGEST_RETRY,
            cause="bunq",
            needs_person=False,
            title=_("We couldn’t understand bunq’s answer"),
            lead=_("We stored none of it. We’ll retry automatically."),
            who=_("The person who runs this site"),
        ),
    }


def _server_wide() -> dict[ErrorKind, ErrorPolicy]:
    """Errors of this server as a whole, which a successful setup ends."""
    admin = _("The person who runs this site")
    safe = _(
        "Your accounts and payments are safe and still readable here. New payments will arrive once this is fixed."
    )
    return {
        ErrorKind.SERVER_REFUSED: ErrorPolicy(
            retry_after=LONGEST_RETRY,
            cause="server",
            needs_person=True,
            title=_("bunq doesn’t accept this server’s address or key"),
            lead=safe,
            todo=(
                _(
                    "In the bunq app, open Profile › Security & Settings › Developers › API keys and allow the "
                    "address of this server; or make a new key and run setup again. Nobody needs to approve again."
                ),
                _("The doctor names that address, as far as it can be seen. Owners and admins find it under Settings."),
            ),
            who=admin,
            status=503,
        ),
        ErrorKind.INSTALLATION_REFUSED: ErrorPolicy(
            retry_after=LONGEST_RETRY,
            cause="server",
            needs_person=True,
            title=_("bunq no longer recognises this server"),
            lead=safe,
            todo=(_("Run setup with --new-installation on the server. Nobody needs to approve again."),),
            who=admin,
            status=503,
        ),
        ErrorKind.NOT_TRUSTED: ErrorPolicy(
            retry_after=LONGEST_RETRY,
            cause="server",
            needs_person=True,
            title=_("We couldn’t trust bunq’s answer"),
            lead=_("It wasn’t validly signed by bunq, so we stored none of it. We’ll retry automatically."),
            todo=(_("If this keeps happening, run setup on the server; it will tell you what to do."),),
            who=admin,
        ),
        ErrorKind.NOT_SET_UP: ErrorPolicy(
            retry_after=LONGEST_RETRY,
            cause="server",
            needs_person=True,
            title=_("This server is not set up with bunq yet"),
            lead=_("Everything stored here is still readable."),
            todo=(_("Run setup on the server."),),
            who=admin,
            status=503,
        ),
    }


def _refusals() -> dict[ErrorKind, ErrorPolicy]:
    """bunq said no to what we asked."""
    nobody = _("No one needs to; this fixes itself")
    return {
        ErrorKind.CHECKING: ErrorPolicy(
            retry_after=_SOON,
            cause="permission",
            needs_person=False,
            title=_("bunq rejected our request – finding out why"),
            lead=_(
                "Either the permission was revoked or this server’s address isn’t allowed. We’re asking bunq "
                "again to find out which."
            ),
            who=_("No one yet; we’ll know within a minute or so"),
            status=503,
        ),
        ErrorKind.REFUSED_ONCE: ErrorPolicy(
            retry_after=REFUSED_RETRY,
            cause="permission",
            needs_person=False,
            title=_("bunq refused the permission once – we’ll ask again"),
            lead=_(
                "bunq accepts this server, so the permission may have been revoked in the bunq app. We keep it and ask "
                "again for some hours before it counts as lost. To end the wait, approve again."
            ),
            who=_("No one needs to, unless the permission was revoked"),
            status=503,
        ),
        ErrorKind.REFUSED: ErrorPolicy(
            retry_after=LONGEST_RETRY,
            cause="permission",
            needs_person=False,
            title=_("bunq rejected our request"),
            lead=_("Everything stored here is still readable. We’ll retry automatically."),
            who=_("The person who runs this site"),
        ),
        ErrorKind.NOT_LISTED: ErrorPolicy(
            retry_after=NOT_LISTED_RETRY,
            cause="account",
            needs_person=False,
            title=_("bunq doesn’t provide payments for this account"),
            lead=_("Some account types don’t allow it. Everything stored here is still readable; we’ll ask again."),
            who=nobody,
        ),
    }
