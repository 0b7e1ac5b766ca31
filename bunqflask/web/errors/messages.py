"""What a person reads about an attempt that ended in failure: one table from `AttemptFailure` to its message.

Errors that are retried have theirs in `services.gateway.retry_policy`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bunqflask.i18n import gettext as _
from bunqflask.models import AttemptFailure


@dataclass(frozen=True)
class FailureMessage:
    """What happened, who can do something about it, and the HTTP status of a page that says so."""

    title: str
    happened: str
    who: str
    status: int


def failure_message(failure: AttemptFailure | None) -> FailureMessage:
    """Return the message of a failure."""
    holder, admin, you = (
        _("The account holder, by approving once more"),
        _("The person who runs this site, with the reference below"),
        _("You, by starting again"),
    )
    spent = _("Something went wrong after you approved")
    table: dict[AttemptFailure, tuple[str, str, str, int]] = {
        AttemptFailure.NO_CODE: (
            _("bunq sent you back without an approval"),
            _("bunq sent you back without an approval."),
            you,
            400,
        ),
        AttemptFailure.BUNQ_ERROR: (
            _("bunq could not complete the approval"),
            _("bunq sent you back with an error instead of an approval."),
            you,
            502,
        ),
        AttemptFailure.CODE_REFUSED: (
            spent,
            _("bunq did not accept its own approval: it has been used already, or is too old."),
            holder,
            400,
        ),
        AttemptFailure.CLIENT_REFUSED: (
            spent,
            _("bunq doesn’t recognise this site’s credentials. Setup has to be run again."),
            admin,
            502,
        ),
        AttemptFailure.WAITING: (spent, _("bunq was too busy, and an approval can be used only once."), holder, 503),
        AttemptFailure.UNAVAILABLE: (
            spent,
            _("bunq was unavailable at that moment, and an approval can be used only once."),
            holder,
            503,
        ),
        AttemptFailure.NO_ANSWER: (
            spent,
            _("bunq did not answer in time, and an approval can be used only once."),
            holder,
            504,
        ),
        AttemptFailure.NOT_TRUSTED: (
            spent,
            _("bunq’s answer could not be trusted, and an approval can be used only once."),
            admin,
            502,
        ),
        AttemptFailure.NOT_UNDERSTOOD: (spent, _("bunq’s answer wasn’t a valid permission."), admin, 502),
        AttemptFailure.INTERRUPTED: (
            spent,
            _("This server was interrupted just when it used the approval."),
            holder,
            500,
        ),
        AttemptFailure.GIVEN_UP: (
            spent,
            _("We couldn’t fetch the accounts for a day, so we deleted the permission."),
            holder,
            503,
        ),
        AttemptFailure.SECRET_REFUSED: (
            spent,
            _("bunq rejected the permission that it had just given. It may have been revoked in the bunq app."),
            holder,
            502,
        ),
    }
    return FailureMessage(*table[failure or AttemptFailure.INTERRUPTED])
