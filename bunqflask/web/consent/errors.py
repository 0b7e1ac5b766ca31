"""The pages on which a consent ends without a connection."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, g, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from bunqflask.i18n import gettext as _
from bunqflask.models import AttemptStep, ConsentAttempt
from bunqflask.services.consent import attempts
from bunqflask.services.consent.attempts import (
    ConsentDenied,
    ConsentError,
    ConsentFailed,
    ConsentStateMismatch,
    LinkUsed,
)
from bunqflask.web.consent.presenters import failed_problem
from bunqflask.web.errors.pages import page
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.ui import formatting


def init_app(app: Flask) -> None:
    """Answer errors of a consent."""
    app.register_error_handler(ConsentError, _consent_error)


def _consent_error(error: ConsentError) -> ResponseReturnValue:
    attempt = _attempt_of(error)
    if isinstance(error, ConsentDenied):
        # Somebody pressed No: nothing broke, so there is nothing to look up either.
        problem = _not_approved()
        return make_response(render_template("errors/consent.html", problem=problem), problem.status)
    if isinstance(error, ConsentFailed) and attempt is not None:
        problem = replace(failed_problem(attempt), todo=_how_to_start_again(), ways=_start_again())
    elif attempt is not None and attempt.step == AttemptStep.EXPIRED:
        problem = _attempt_expired(attempt)
    elif attempt is not None and attempt.step == AttemptStep.CANCELLED:
        problem = _attempt_cancelled(attempt)
    else:
        problem = _used_or_elsewhere(410 if isinstance(error, LinkUsed) else 400)
    return page(problem, template="errors/consent.html")


def _attempt_of(error: ConsentError) -> ConsentAttempt | None:
    try:
        return attempts.by_id(error.attempt_id) if error.attempt_id else None
    except ConsentStateMismatch:
        return None


def _not_approved() -> Problem:
    return Problem(
        title=_("Not approved"),
        lead=_("The request was declined in the bunq app. Nothing was stored."),
        status=403,
        ways=_start_again(),
    )


def _attempt_expired(attempt: ConsentAttempt) -> Problem:
    return Problem(
        title=_("The code is no longer valid"),
        lead=_("It was valid for 10 minutes, until %(time)s. Nothing was stored.")
        % {"time": formatting.clock(attempt.expires_at)},
        todo=_how_to_start_again(),
        who=formatting.name(attempt.member.name),
        status=410,
        ways=_start_again(),
    )


def _attempt_cancelled(attempt: ConsentAttempt) -> Problem:
    return Problem(
        title=_("Cancelled"),
        lead=_("The code and link no longer work. Nothing was stored."),
        todo=[
            _("If you already approved, you can revoke it in the bunq app: Profile › Security › App connections."),
            *_how_to_start_again(),
        ],
        who=formatting.name(attempt.member.name),
        status=410,
        ways=_start_again(),
    )


def _used_or_elsewhere(status: int) -> Problem:
    looks = _("Check your accounts; it may already have worked.")
    goes_back = _("If you approved just now, go back to the browser you started in, and start again there.")
    return Problem(
        title=_("This link has already been used, or was started in another browser"),
        lead=_("Nothing has changed."),
        happened=_("Each approval link works once, for ten minutes, and only in the browser where it was started."),
        todo=[
            *([goes_back] if status == 400 else []),
            *([looks] if g.get("team_member") else []),
            *_how_to_start_again(),
        ],
        who=_("You, or the person who sent you the link"),
        status=status,
        ways=_start_again(_("Start again in this browser")),
    )


def _start_again(label: str = "") -> list[Way]:
    if g.get("team_member") is None:
        return []
    return [
        Way(label=label or _("Start again"), url=url_for("consent.start"), method="post", primary=True),
        Way(label=_("Back to accounts"), url=url_for("connections.home")),
    ]


def _how_to_start_again() -> list[str]:
    if g.get("team_member") is None:
        return [_("If somebody sent you the link, ask them for a new one.")]
    return [_("Start again, and approve in the bunq app.")]
