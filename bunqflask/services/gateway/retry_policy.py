"""What came of a failed try: noted on a connection or an attempt, with the time of the next try."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import update

from bunqflask import clock
from bunqflask.bunq import errors
from bunqflask.extensions import db
from bunqflask.models import Connection, ConsentAttempt

LONGEST_REST = timedelta(minutes=5)
_SOON = timedelta(seconds=1)
_RETRY = {
    "unavailable": timedelta(minutes=1),
    "no_answer": timedelta(minutes=1),
    "not_trusted": LONGEST_REST,
    "not_understood": LONGEST_REST,
    "installation_refused": LONGEST_REST,
    "server_refused": LONGEST_REST,
    "not_set_up": LONGEST_REST,
    "refused": LONGEST_REST,
}
# Troubles of this server as a whole, which setup mends.
_OF_THE_SERVER = ("server_refused", "installation_refused", "not_trusted", "not_set_up")
_KINDS: list[tuple[type[errors.BunqError], str]] = [
    (errors.CallNotAllowedYet, "waiting"),
    (errors.RateLimited, "waiting"),
    (errors.BunqUnavailable, "unavailable"),
    (errors.TransportFailed, "no_answer"),
    (errors.ResponseNotTrusted, "not_trusted"),
    (errors.ResponseNotUnderstood, "not_understood"),
    (errors.CredentialsRejected, "installation_refused"),
    (errors.SecretRefused, "checking"),
    (errors.RequestRefused, "refused"),
]


def kind_of(error: errors.BunqError) -> str:
    """Name an error in one word that pages have sentences for."""
    return next(kind for error_type, kind in _KINDS if isinstance(error, error_type))


def facts_of(error: errors.BunqError) -> dict[str, Any]:
    """What bunq said, for the folded part of a page and for bunq's support; never a secret."""
    facts: dict[str, Any] = {}
    status, words = getattr(error, "status", None), getattr(error, "descriptions", None)
    if status is not None:
        facts["status"] = status
    if words != []:
        facts["words"] = "; ".join(words) if words else str(error)
    if response_id := getattr(error, "response_id", None):
        facts["response_id"] = response_id
    return facts


def note(row: Connection | ConsentAttempt, error: errors.BunqError) -> None:
    """Note what went wrong and when to try again, and commit."""
    kind = kind_of(error)
    if kind == "waiting":
        # Not a trouble: bunq's limits are kept, and the work goes on by itself.
        wait_s = getattr(error, "wait_s", 0.0) or 3.0
        row.next_try_at = clock.now() + max(timedelta(seconds=wait_s), _SOON)
        row.trouble = row.trouble or "waiting"
    else:
        current_app.logger.warning("%s %s: %s", type(row).__name__, row.id, error)
        row.trouble, row.trouble_facts = kind, facts_of(error)
        row.next_try_at = clock.now() + _RETRY.get(kind, _SOON)
    _since(row)
    db.session.commit()


def note_kind(row: Connection | ConsentAttempt, kind: str) -> None:
    """Note a trouble that is not bunq's answer, and commit."""
    row.trouble = kind
    row.next_try_at = clock.now() + _RETRY.get(kind, _SOON)
    _since(row)
    db.session.commit()


def note_check_pending(row: Connection | ConsentAttempt, error: errors.BunqError) -> None:
    """bunq's refusal stands, but who is refused could not be found out yet: try that soon."""
    wait_s = getattr(error, "wait_s", 0.0) or 5.0
    row.trouble = "checking"
    row.next_try_at = clock.now() + max(timedelta(seconds=wait_s), _SOON)
    db.session.commit()


def clear(row: Connection | ConsentAttempt) -> None:
    """The last try went well. Does not commit."""
    row.trouble = row.trouble_facts = row.next_try_at = None
    if isinstance(row, Connection):
        row.trouble_since = row.refused_at = None


def forget_the_servers() -> None:
    """Setup went well: what troubled this server as a whole is over, and what waits for that waits no longer."""
    for table in (Connection, ConsentAttempt):
        nothing = {"trouble": None, "trouble_facts": None, "next_try_at": None}
        if table is Connection:
            nothing["trouble_since"] = None
        here = table.environment == current_app.config["BUNQ_ENVIRONMENT"]
        db.session.execute(update(table).where(here, table.trouble.in_(_OF_THE_SERVER)).values(nothing))
    db.session.commit()


def _since(row: Connection | ConsentAttempt) -> None:
    if isinstance(row, Connection) and row.trouble_since is None:
        row.trouble_since = clock.now()
