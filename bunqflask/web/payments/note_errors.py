"""The pages on which a file of a payment cannot be handed out."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from bunqflask.bunq.errors import BunqError
from bunqflask.i18n import gettext as _
from bunqflask.services.payments import notes
from bunqflask.web.errors.handlers import bunq_problem
from bunqflask.web.errors.pages import page
from bunqflask.web.errors.problem import Problem, Way


def register(bp: Blueprint) -> None:
    """Answer errors of the views of notes."""
    bp.register_error_handler(notes.FileGone, _file_gone)
    bp.register_error_handler(BunqError, _bunq_error)


def _bunq_error(error: BunqError) -> ResponseReturnValue:
    problem = bunq_problem(error)
    return page(replace(problem, ways=_to_the_file() or problem.ways))


def _file_gone(error: notes.FileGone) -> ResponseReturnValue:
    ended = _("The permission for this account has ended, and files are only at bunq.")
    problem = Problem(
        title=_("bunq no longer provides this file"),
        lead=_("The stored details of the payment are still readable."),
        happened=ended if error.connection_ended else _("It was deleted, or we don’t have access to it."),
        todo=[_("Look for it in the bunq app, or ask the holder of the account.")],
        who=_("The account holder"),
        status=410,
        ways=_to_the_file()[1:],
    )
    return page(problem)


def _to_the_file() -> list[Way]:
    """Once more to the file of a payment that was asked for, or back to that payment; nothing for other pages."""
    if request.endpoint != "notes.file" or request.view_args is None:
        return []
    payment_url = url_for("payments.show", payment_row_id=request.view_args["payment_row_id"])
    return [
        Way(label=_("Try again"), url=request.script_root + request.path, primary=True),
        Way(label=_("Back to the payment"), url=payment_url),
    ]
