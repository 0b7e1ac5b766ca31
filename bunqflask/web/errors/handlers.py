"""From what went wrong to the page that a person reads. Each area adds the handlers of its own errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, url_for
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
from bunqflask.services.gateway import retry_policy
from bunqflask.services.gateway.installations import NotSetUp
from bunqflask.services.instructions.abilities import AbilityOff
from bunqflask.services.policy import NotFoundHere, NotPermitted
from bunqflask.web.errors import disk, problems
from bunqflask.web.errors.facts import shown_facts
from bunqflask.web.errors.pages import back, logged, new_reference, page
from bunqflask.web.errors.problem import Problem, Way
from bunqflask.web.language import in_language_of_reader


class OriginRefused(Exception):
    """A form came from another site, or from another address of this one; `ours` is the right address."""

    def __init__(self, ours: str) -> None:
        super().__init__("a form from another origin")
        self.ours = ours


def init_app(app: Flask) -> None:
    """Answer every error with a page a person can use."""
    answers: dict[type[Exception], Callable[[Any], ResponseReturnValue]] = {
        BunqError: lambda error: page(bunq_problem(error)),
        NotFoundHere: lambda _error: page(_not_found()),
        NotPermitted: lambda error: page(_not_permitted(error)),
        AbilityOff: lambda error: page(_switched_off(error)),
        NotSetUp: lambda _error: page(problems.not_set_up(back())),
        OriginRefused: lambda error: page(problems.origin_refused(error.ours)),
        CSRFError: lambda _error: page(problems.form_too_old(back())),
        SecretUnreadable: _secret_unreadable,
        OperationalError: _database_away,
        ObjectDeletedError: _erased_meanwhile,
        StaleDataError: _erased_meanwhile,
        HTTPException: _http_error,
        Exception: _unexpected,
    }
    for error_type, answer in answers.items():
        app.register_error_handler(error_type, in_language_of_reader(answer))


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
    return page(problems.database_away(reference, back()))


def _erased_meanwhile(_error: Exception) -> ResponseReturnValue:
    """Somebody erased what this request was about while it was answered: by now it is not there."""
    db.session.rollback()
    return page(_not_found())


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error
    if error.code == 404:
        return page(_not_found())
    response = page(problems.refused_request(error.code, back()))
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
    return page(problems.unexpected(reference, back()))


def _not_found() -> Problem:
    return Problem(
        title=_("Not found, or not shared with you"),
        lead=_("There’s nothing here you have access to."),
        todo=[_("If a colleague sent you this address, ask them to share the connection with the team.")],
        who=_("The team member who owns it"),
        status=404,
        ways=back(),
    )


def _switched_off(error: AbilityOff) -> Problem:
    return Problem(
        title=_("This is switched off"),
        lead=_("Nothing was changed."),
        happened=str(error),
        todo=[_("Open the connection under Connections, and choose “What may be written at bunq”.")],
        who=_("An owner of this team"),
        status=403,
        ways=[Way(label=_("Connections"), url=url_for("conditions.index"), primary=True)],
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
