"""The pages on which a consent ends without a connection: for the holder, in their language, and for members."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, g, make_response, render_template, session, url_for
from flask.typing import ResponseReturnValue

from bunqflask import i18n
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
from bunqflask.services.consent.holder import LinkOfAnotherBrowser
from bunqflask.web.consent import holder_pages
from bunqflask.web.consent.presenters import failed_problem
from bunqflask.web.errors.pages import page
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.ui import formatting


def init_app(app: Flask) -> None:
    """Answer errors of a consent."""
    app.register_error_handler(ConsentError, _consent_error)


def _consent_error(error: ConsentError) -> ResponseReturnValue:
    attempt = _attempt_of(error)
    # Members read English, like all of their pages.
    language = holder_pages.language_of(attempt) if g.get("team_member") is None else i18n.ENGLISH
    with i18n.speaking(language):
        if isinstance(error, ConsentDenied):
            # Somebody pressed No: nothing broke, so there is nothing to look up either.
            problem = _not_approved(attempt)
            return make_response(render_template("errors/consent.html", problem=problem), problem.status)
        return page(_problem(error, attempt), template="errors/consent.html")


def _problem(error: ConsentError, attempt: ConsentAttempt | None) -> Problem:
    if attempt is None:
        return _used_or_elsewhere(410 if isinstance(error, LinkUsed) else 400, attempt)
    if isinstance(error, ConsentFailed):
        return _failed(attempt)
    if isinstance(error, LinkOfAnotherBrowser):
        return _opened_elsewhere(attempt)
    if attempt.step == AttemptStep.EXPIRED:
        return _attempt_expired(attempt)
    if attempt.step == AttemptStep.CANCELLED:
        return _attempt_cancelled(attempt)
    return _used_or_elsewhere(410 if isinstance(error, LinkUsed) else 400, attempt)


def _attempt_of(error: ConsentError) -> ConsentAttempt | None:
    try:
        return attempts.by_id(error.attempt_id) if error.attempt_id else None
    except ConsentStateMismatch:
        return None


def _not_approved(attempt: ConsentAttempt | None) -> Problem:
    return Problem(
        title=_("Not approved"),
        lead=_("The request was declined in the bunq app. Nothing was stored."),
        todo=_how_to_start_again(attempt) if g.get("team_member") is None else [],
        status=403,
        ways=_start_again(),
    )


def _failed(attempt: ConsentAttempt) -> Problem:
    problem = failed_problem(attempt)
    if g.get("team_member") is not None:
        return replace(problem, todo=_how_to_start_again(attempt), ways=_start_again())
    goes_on = attempt.step == AttemptStep.WAITING and attempt.link_token is not None
    return Problem(
        title=_("Something went wrong after you approved"),
        lead=_("We couldn’t use the approval, so we deleted it. Please approve again."),
        todo=[_("Go on again with the same link, in this browser.")] if goes_on else _how_to_start_again(attempt),
        reference=problem.reference,
        status=problem.status,
        ways=_same_link(attempt) if goes_on and session.get("browser") else [],
    )


def _opened_elsewhere(attempt: ConsentAttempt) -> Problem:
    when = formatting.moment(attempt.opened_at) if attempt.opened_at else ""
    return Problem(
        title=_("This link is already opened on another device"),
        lead=_("It was opened at %(time)s. Nothing has changed.") % {"time": when},
        happened=_("A link works in one browser: the first one that goes on to bunq with it."),
        todo=[_("If that was you, go on in that browser."), *_how_to_start_again(attempt)],
        status=410,
        ways=_start_again(),
    )


def _attempt_expired(attempt: ConsentAttempt) -> Problem:
    return Problem(
        title=_("The link is no longer valid") if attempt.is_invitation else _("The code is no longer valid"),
        lead=_("It was valid until %(time)s. Nothing was stored.") % {"time": formatting.moment(attempt.expires_at)},
        todo=_how_to_start_again(attempt),
        who=formatting.name(attempt.member.name),
        status=410,
        ways=_start_again(),
    )


def _attempt_cancelled(attempt: ConsentAttempt) -> Problem:
    return Problem(
        title=_("Withdrawn") if attempt.is_invitation else _("Cancelled"),
        lead=_("The code and link no longer work. Nothing was stored."),
        todo=[
            _("If you already approved, you can revoke it in the bunq app: Profile › Security › App connections."),
            *_how_to_start_again(attempt),
        ],
        who=formatting.name(attempt.member.name),
        status=410,
        ways=_start_again(),
    )


def _used_or_elsewhere(status: int, attempt: ConsentAttempt | None) -> Problem:
    looks = _("Check your accounts; it may already have worked.")
    goes_back = _("If you approved just now, go back to the browser you started in, and start again there.")
    approved_here = attempt is not None and holder_pages.is_approved_here(attempt)
    return Problem(
        title=_("This link has already been used, or was started in another browser"),
        lead=_("Nothing has changed."),
        happened=_("Each approval link works once, for a limited time, and only in the browser where it was started."),
        todo=[
            *([goes_back] if status == 400 else []),
            *([looks] if g.get("team_member") else []),
            *_how_to_start_again(attempt),
        ],
        who=_("You, or the person who sent you the link"),
        status=status,
        ways=_what_was_approved() if approved_here else _start_again(_("Start again in this browser")),
    )


def _start_again(label: str = "") -> list[Way]:
    if g.get("team_member") is None:
        return []
    return [
        Way(label=label or _("Start again"), url=url_for("consent.start"), method="post", primary=True),
        Way(label=_("Back to accounts"), url=url_for("connections.home")),
    ]


def _same_link(attempt: ConsentAttempt) -> list[Way]:
    url = url_for("consent.link", token=attempt.link_token)
    return [Way(label=_("Open the link again"), url=url, primary=True)]


def _what_was_approved() -> list[Way]:
    return [Way(label=_("Show what you approved"), url=url_for("consent.result"), primary=True)]


def _how_to_start_again(attempt: ConsentAttempt | None) -> list[str]:
    if g.get("team_member") is not None:
        return [_("Start again, and approve in the bunq app.")]
    if attempt is None:
        return [_("If somebody sent you the link, ask them for a new one.")]
    return [_("Ask %(name)s for a new link.") % {"name": formatting.name(attempt.member.name)}]
