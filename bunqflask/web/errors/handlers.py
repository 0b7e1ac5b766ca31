"""From what went wrong to the page that a person reads; the sentences for each kind are in `reasons`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from flask import Flask, Response, current_app, g, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException

from bunqflask import clock
from bunqflask.bunq.errors import BunqError
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import Connection, ConsentAttempt
from bunqflask.services.connections.access import NotFoundHere
from bunqflask.services.consent import attempts
from bunqflask.services.gateway import retry_policy, sessions
from bunqflask.services.payments import notes
from bunqflask.web.errors import disk, messages
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.ui import formatting


class OriginRefused(Exception):
    """A form came from another site, or from another address of this one; `ours` is the right address."""

    def __init__(self, ours: str) -> None:
        super().__init__("a form from another origin")
        self.ours = ours


def init_app(app: Flask) -> None:
    """Answer every error with a page a person can use."""
    app.register_error_handler(BunqError, _bunq_error)
    app.register_error_handler(attempts.ConsentError, _consent_error)
    app.register_error_handler(NotFoundHere, lambda _error: _page(_not_found()))
    app.register_error_handler(notes.FileGone, _file_gone)
    app.register_error_handler(sessions.NotSetUp, lambda _error: _page(_not_set_up()))
    app.register_error_handler(OriginRefused, _origin_refused)
    app.register_error_handler(CSRFError, lambda _error: _page(_form_too_old()))
    app.register_error_handler(SecretUnreadable, _secret_unreadable)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(ObjectDeletedError, _erased_meanwhile)
    app.register_error_handler(StaleDataError, _erased_meanwhile)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def new_reference() -> str:
    """Return a reference that stands on the page and in the log: `BF-date-time-4 signs`."""
    return f"BF-{clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2).upper()}"


def connection_trouble(connection: Connection) -> Problem | None:
    """What to say on a connection's card; waiting for bunq's turn is no trouble."""
    since = connection.status_since
    if connection.status == "lost":
        return Problem(
            title=_("%(name)s needs to approve again") % {"name": formatting.name(connection.display_name)},
            lead=_("bunq refused our permission on %(when)s. What is stored stays readable.")
            % {"when": f"{formatting.day(since, 'short')} {formatting.clock(since)}"},
            status=200,
            facts=shown_facts(connection.trouble_facts),
        )
    if connection.status != "active" or connection.trouble in (None, "waiting"):
        return None
    title, lead, todo, _who, _status = messages.trouble(connection.trouble or "")
    return Problem(title=title, lead=lead, todo=todo, status=200, facts=shown_facts(connection.trouble_facts))


def attempt_problem(attempt: ConsentAttempt) -> Problem | None:
    """What to say on an attempt's page when something is in its way, or has ended it."""
    if attempt.trouble is None or attempt.step not in ("connecting", "exchanging", "failed"):
        return None
    if attempt.step == "failed":
        title, happened, who, status = messages.failure(attempt.trouble)
        return Problem(
            title=title,
            lead=_("The approval could not be used and is erased here. Please approve once more."),
            happened=happened,
            who=who,
            reference=attempts.reference(attempt),
            status=status,
            facts=shown_facts(attempt.trouble_facts),
        )
    if attempt.trouble == "waiting":
        return Problem(
            title=_("Approved. Fetching the accounts"), lead=_("bunq asks us to wait for a moment."), status=200
        )
    title, lead, todo, who, status = messages.trouble(attempt.trouble)
    if not todo:
        lead = _("We try again by ourselves.")
    return Problem(title=title, lead=lead, todo=todo, who=who, status=status, facts=shown_facts(attempt.trouble_facts))


def _consent_error(error: attempts.ConsentError) -> ResponseReturnValue:
    attempt = error.attempt
    if isinstance(error, attempts.ConsentDenied):
        problem = _not_approved()
    elif isinstance(error, attempts.ConsentFailed) and attempt is not None:
        problem = _approval_spent(attempt)
    elif attempt is not None and attempt.step == "expired":
        problem = _attempt_expired(attempt)
    elif attempt is not None and attempt.step == "cancelled":
        problem = _attempt_cancelled(attempt)
    else:
        problem = _used_or_elsewhere(410 if isinstance(error, attempts.LinkUsed) else 400)
    return _page(problem, template="errors/consent.html")


def _not_approved() -> Problem:
    return Problem(
        title=_("Not approved"),
        lead=_("Access was refused at bunq. Nothing was stored."),
        who=_("The account holder, by approving in the bunq app"),
        todo=_how_to_start_again(),
        status=403,
        ways=_start_again(),
    )


def _approval_spent(attempt: ConsentAttempt) -> Problem:
    title, happened, who, status = messages.failure(attempt.trouble or "")
    return Problem(
        title=title,
        lead=_("The approval could not be used and is erased here. Please approve once more."),
        happened=happened,
        todo=_how_to_start_again(),
        who=who,
        reference=attempts.reference(attempt),
        facts=shown_facts(attempt.trouble_facts),
        status=status,
        ways=_start_again(),
    )


def _attempt_expired(attempt: ConsentAttempt) -> Problem:
    return Problem(
        title=_("The code is no longer valid"),
        lead=_("It worked for 10 minutes, until %(time)s. Nothing was stored.")
        % {"time": formatting.clock(attempt.expires_at)},
        todo=_how_to_start_again(),
        who=formatting.name(attempt.member.name),
        status=410,
        ways=_start_again(),
    )


def _attempt_cancelled(attempt: ConsentAttempt) -> Problem:
    return Problem(
        title=_("Attempt cancelled"),
        lead=_("Code and link of this attempt no longer work. Nothing was stored."),
        todo=[
            _(
                "If you have approved already: you can withdraw that in the bunq app, "
                "under Profile › Security › App connections."
            ),
            *_how_to_start_again(),
        ],
        who=formatting.name(attempt.member.name),
        status=410,
        ways=_start_again(),
    )


def _used_or_elsewhere(status: int) -> Problem:
    looks = _("Look at your accounts: perhaps all went well already.")
    return Problem(
        title=_("This link was already used, or belongs to another browser"),
        lead=_("Nothing has changed."),
        happened=_(
            "Each approval has its own address, which works once, for ten minutes, and only in the browser "
            "in which it began."
        ),
        todo=[*([looks] if g.get("team_member") else []), *_how_to_start_again()],
        who=_("You, or the person who sent you the link"),
        status=status,
        ways=_start_again(_("Start again in this browser")),
    )


def _bunq_error(error: BunqError) -> ResponseReturnValue:
    kind = retry_policy.kind_of(error)
    if kind == "waiting":
        title, lead = _("bunq asks us to wait"), _("Nothing is lost. Please try again in a moment.")
        who, status = _("Nobody: it heals by itself"), 503
        todo: list[str] = []
    else:
        title, lead, todo, who, status = messages.trouble(kind)
    problem = Problem(
        title=title,
        lead=lead,
        todo=todo,
        who=who,
        status=status,
        reference=_logged(f"bunq: {error}"),
        facts=shown_facts(retry_policy.facts_of(error)),
        ways=_to_the_file() or _back(),
    )
    return _page(problem)


def _file_gone(error: notes.FileGone) -> ResponseReturnValue:
    ended = _("The permission to read this account has ended, and files are kept by bunq alone.")
    problem = Problem(
        title=_("bunq does not hand out this file any more"),
        lead=_("What is stored of the payment stays readable."),
        happened=ended if error.connection_ended else _("It was deleted there, or is not part of what we may see."),
        todo=[_("Look for it in the bunq app, or ask the holder of the account.")],
        who=_("The account holder"),
        status=410,
        ways=_to_the_file()[1:],
    )
    return _page(problem)


def _origin_refused(error: OriginRefused) -> ResponseReturnValue:
    problem = Problem(
        title=_("This form came from another address"),
        lead=_("Nothing was changed."),
        happened=_("This site takes forms only from its own pages at %(address)s.") % {"address": error.ours},
        todo=[_("Open %(address)s and try again there.") % {"address": error.ours}],
        who=_("You; if that is the address you use, the person who runs this site, by setting PUBLIC_URL"),
        status=403,
    )
    return _page(problem)


def _secret_unreadable(error: SecretUnreadable) -> ResponseReturnValue:
    problem = Problem(
        title=_("A stored secret cannot be opened"),
        lead=_("Nothing was changed and nothing is lost, as long as the key is kept."),
        happened=_("A key that protects what is stored is missing from ENCRYPTION_KEYS."),
        todo=[_("Put the old key back into ENCRYPTION_KEYS, behind the first one, and restart.")],
        who=_("The person who runs this site"),
        reference=_logged(str(error)),
        status=500,
        ways=_back(),
    )
    return _page(problem)


def _database_away(error: OperationalError) -> ResponseReturnValue:
    db.session.rollback()
    reference = new_reference()
    current_app.logger.error("%s: the database does not answer", reference, exc_info=error)
    if disk.refuses(error):
        return _page(disk.problem(reference, _back()))
    problem = Problem(
        title=_("This site cannot reach its own data right now"),
        lead=_("What was stored before is safe. This page could not be made or saved."),
        todo=[_("Try again in a moment.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=503,
        ways=_back(),
    )
    return _page(problem)


def _erased_meanwhile(_error: Exception) -> ResponseReturnValue:
    """Somebody erased what this request was about while it was answered: by now it is not there."""
    db.session.rollback()
    return _page(_not_found())


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    if error.code == 404:
        return _page(_not_found())
    words = {
        400: _("The request could not be read"),
        405: _("This address takes no such request"),
        413: _("That is too much at once"),
    }
    problem = Problem(
        title=words.get(error.code, _("This did not work")),
        lead=_("Nothing was changed."),
        todo=[_("Go back and try again.")],
        who=_("You"),
        status=error.code,
        ways=_back(),
    )
    response = _page(problem)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    reference = new_reference()
    current_app.logger.error("%s: unexpected error", reference, exc_info=error)
    if disk.refuses(error):
        return _page(disk.problem(reference, _back()))
    problem = Problem(
        title=_("Something went wrong here"),
        lead=_("What was stored before is safe."),
        happened=_("This is a mistake in bunqflask, not yours."),
        todo=[_("Try again. If it happens again, tell the person who runs this site, with the reference.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=500,
        ways=_back(),
    )
    return _page(problem)


def _not_found() -> Problem:
    return Problem(
        title=_("Not found, or not shared with you"),
        lead=_("There is nothing here that you can see."),
        todo=[_("If a colleague sent you this address, ask them to share the connection with the team.")],
        who=_("The team member it belongs to"),
        status=404,
        ways=_back(),
    )


def _not_set_up() -> Problem:
    title, lead, todo, who, status = messages.trouble("not_set_up")
    return Problem(title=title, lead=lead, todo=todo, who=who, status=status, ways=_back())


def _form_too_old() -> Problem:
    return Problem(
        title=_("This page was open for too long"),
        lead=_("Nothing was changed."),
        happened=_("You logged in or out since it was opened, or this browser keeps no cookies for this site."),
        todo=[_("Open the page again and repeat what you did.")],
        who=_("You"),
        status=400,
        ways=_back(),
    )


def _back() -> list[Way]:
    return (
        [Way(label=_("Back to accounts"), url=url_for("connections.home"), primary=True)]
        if g.get("team_member")
        else []
    )


def _to_the_file() -> list[Way]:
    """Once more to the file of a payment that was asked for, or back to that payment; nothing for other pages."""
    if request.endpoint != "notes.file" or request.view_args is None:
        return []
    payment_url = url_for("payments.show", payment_row_id=request.view_args["payment_row_id"])
    return [
        Way(label=_("Try again"), url=request.script_root + request.path, primary=True),
        Way(label=_("Back to the payment"), url=payment_url),
    ]


def _start_again(label: str = "") -> list[Way]:
    if g.get("team_member") is None:
        return []
    return [
        Way(label=label or _("Start again"), url=url_for("consent.start"), method="post", primary=True),
        Way(label=_("Back to accounts"), url=url_for("connections.home")),
    ]


def _how_to_start_again() -> list[str]:
    if g.get("team_member") is None:
        return [_("Ask the person who sent you the link for a new one.")]
    return [_("Start again, and approve in the bunq app.")]


def shown_facts(facts: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What bunq said, with labels, for the folded part of a page."""
    labels = {"status": _("bunq’s status"), "words": _("bunq’s words"), "response_id": _("bunq’s response id")}
    return [(label, str(facts[name])) for name, label in labels.items() if name in facts] if facts else []


def _logged(text: str) -> str:
    reference = new_reference()
    current_app.logger.warning("%s: %s", reference, text)
    return reference


def _page(problem: Problem, template: str = "errors/error.html") -> Response:
    g.setdefault("team_member", None)
    if "HX-Request" in request.headers and problem.status in (403, 404) and request.method == "GET":
        # A fragment that is gone: the page around it is asked for again, and says what happened.
        return Response(status=204, headers={"HX-Refresh": "true"})
    if not problem.reference:
        problem = replace(problem, reference=_logged(f"{problem.status} {problem.title} ({request.endpoint})"))
    return make_response(render_template(template, problem=problem), problem.status)
