"""The language of an answer: members read English, the holder of accounts what was chosen for them or is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from flask import current_app, g, request, session
from flask.typing import ResponseReturnValue

from bunqflask import i18n
from bunqflask.web import marks

_Error = TypeVar("_Error")
# The browser's session keeps it, so that an error has it too, also while the database is away.
_CHOSEN = "language"


def remember(language: str) -> None:
    """Keep the language of the holder's pages for this browser."""
    session[_CHOSEN] = language


def asked_for() -> str:
    """Return the language that the browser asks for, of those that are spoken here."""
    return request.accept_languages.best_match(i18n.LANGUAGES) or i18n.ENGLISH


def of_reader() -> str:
    """Return the language of the person who reads the answer to this request."""
    view = current_app.view_functions.get(request.endpoint or "")
    if g.get("team_member") is not None or request.blueprint != "consent" or not marks.is_public(view):
        return i18n.ENGLISH
    chosen = session.get(_CHOSEN)
    return chosen if chosen in i18n.LANGUAGES else asked_for()


def in_language_of_reader(
    handler: Callable[[_Error], ResponseReturnValue],
) -> Callable[[_Error], ResponseReturnValue]:
    """Let a handler of errors speak the language of who reads its page."""

    @wraps(handler)
    def speaking(error: _Error) -> ResponseReturnValue:
        with i18n.speaking(of_reader()):
            return handler(error)

    return speaking
