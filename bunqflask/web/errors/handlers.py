"""From what went wrong to the page that a person reads. Each area adds the handlers of its own errors."""

from __future__ import annotations

from flask import Flask, current_app
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException

from bunqflask.bunq.errors import BunqError
from bunqflask.database import storage
from bunqflask.database.encryption import SecretUnreadable
from bunqflask.extensions import db
from bunqflask.i18n import gettext as _
from bunqflask.models import ErrorKind
from bunqflask.services.gateway import retry_policy
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.web.errors import disk
from bunqflask.web.errors.facts import shown_facts
from bunqflask.web.errors.pages import back, logged, new_reference, page
from bunqflask.web.errors.problem import Problem


class OriginRefused(Exception):
    """A form came from another site, or from another address of this one; `ours` is the right address."""

    def __init__(self, ours: str) -> None:
        super().__init__("a form from another origin")
        self.ours = ours


def init_app(app: Flask) -> None:
    """Answer every error with a page a person can use."""
    app.register_error_handler(BunqError, lambda error: page(bunq_problem(error)))
    app.register_error_handler(NotFoundHere, lambda _error: page(_not_found()))
    app.register_error_handler(NotPermitted, lambda error: page(_not_permitted(error)))
    app.register_error_handler(NotSetUp, lambda _error: page(_not_set_up()))
    app.register_error_handler(OriginRefused, _origin_refused)
    app.register_error_handler(CSRFError, lambda _error: page(_form_too_old()))
    app.register_error_handler(SecretUnreadable, _secret_unreadable)
    app.register_error_handler(OperationalError, _database_away)
    app.register_error_handler(ObjectDeletedError, _erased_meanwhile)
    app.register_error_handler(StaleDataError, _erased_meanwhile)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def bunq_problem(error: BunqError) -> Problem:
    """Say what a call to bunq ran into."""
    policy = retry_policy.policy_for(retry_policy.kind_of(error))
    return Problem(
        title=policy.title,
        lead=policy.lead,
        todo=list(policy.todo),
        who=policy.who,
        status=policy.status,
        reference=logged(f"bunq: {error}"),
        facts=shown_facts(retry_policy.facts_of(error)),
        ways=back(),
    )


def _origin_refused(error: OriginRefused) -> ResponseReturnValue:
    problem = Problem(
        title=_("You opened this site at a different address"),
        lead=_("Nothing was changed."),
        happened=_("Forms only work at %(address)s.") % {"address": error.ours},
        todo=[_("Open %(address)s and try again there.") % {"address": error.ours}],
        who=_("You – or, if that address is wrong, the person who runs this site (PUBLIC_URL)"),
        status=403,
    )
    return page(problem)


def _secret_unreadable(error: SecretUnreadable) -> ResponseReturnValue:
    problem = Problem(
        title=_("A stored secret cannot be opened"),
        lead=_("Nothing is lost as long as you still have the key."),
        happened=_("A key that protects what is stored is missing from ENCRYPTION_KEYS."),
        todo=[_("Put the old key back into ENCRYPTION_KEYS, behind the first one, and restart.")],
        who=_("The person who runs this site"),
        reference=logged(str(error)),
        status=500,
        ways=back(),
    )
    return page(problem)


def _database_away(error: OperationalError) -> ResponseReturnValue:
    db.session.rollback()
    reference = new_reference()
    current_app.logger.error("%s: %s", reference, storage.explain(error), exc_info=error)
    if disk.refuses(error):
        return page(disk.problem(error, reference, back()))
    problem = Problem(
        title=_("The database isn’t responding right now"),
        lead=_("Your data is safe. We couldn’t load or save this page."),
        todo=[_("Try again in a moment.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=503,
        ways=back(),
    )
    return page(problem)


def _erased_meanwhile(_error: Exception) -> ResponseReturnValue:
    """Somebody erased what this request was about while it was answered: by now it is not there."""
    db.session.rollback()
    return page(_not_found())


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    if error.code == 404:
        return page(_not_found())
    titles = {
        400: _("The request could not be read"),
        405: _("That doesn’t work at this address"),
        413: _("That’s too large"),
    }
    problem = Problem(
        title=titles.get(error.code, _("That didn’t work")),
        lead=_("Nothing was changed."),
        todo=[_("Go back and try again.")],
        who=_("You"),
        status=error.code,
        ways=back(),
    )
    response = page(problem)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    reference = new_reference()
    current_app.logger.error("%s: unexpected error", reference, exc_info=error)
    if disk.refuses(error):
        return page(disk.problem(error, reference, back()))
    problem = Problem(
        title=_("Something went wrong here"),
        lead=_("Your data is safe."),
        happened=_("This is a bug in bunqflask, not something you did."),
        todo=[_("Try again. If it happens again, tell the person who runs this site, with the reference.")],
        who=_("The person who runs this site"),
        reference=reference,
        status=500,
        ways=back(),
    )
    return page(problem)


def _not_found() -> Problem:
    return Problem(
        title=_("Not found, or not shared with you"),
        lead=_("There’s nothing here you have access to."),
        todo=[_("If a colleague sent you this address, ask them to share the connection with the team.")],
        who=_("The team member who owns it"),
        status=404,
        ways=back(),
    )


def _not_permitted(error: NotPermitted) -> Problem:
    return Problem(
        title=_("Your role doesn’t allow this"),
        lead=_("Nothing was changed."),
        happened=str(error),
        todo=[_("Ask an owner of this team, if you need it.")],
        who=_("An owner of this team"),
        status=403,
        ways=back(),
    )


def _not_set_up() -> Problem:
    policy = retry_policy.policy_for(ErrorKind.NOT_SET_UP)
    return Problem(
        title=policy.title,
        lead=policy.lead,
        todo=list(policy.todo),
        who=policy.who,
        status=policy.status,
        ways=back(),
    )


def _form_too_old() -> Problem:
    return Problem(
        title=_("This page is out of date"),
        lead=_("Nothing was changed."),
        happened=_("You’ve logged in or out since opening it, or your browser blocks cookies here."),
        todo=[_("Open the page again and repeat what you did.")],
        who=_("You"),
        status=400,
        ways=back(),
    )
