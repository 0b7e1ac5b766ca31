"""The page of a problem, and the ways on from it that every area offers."""

from __future__ import annotations

import secrets
from dataclasses import replace

from flask import Response, current_app, g, make_response, render_template, request, url_for

from bunqflask import clock
from bunqflask.api import problems
from bunqflask.i18n import gettext as _
from bunqflask.web.errors.problem import Problem, Way


def new_reference() -> str:
    """Return a reference that stands on the page and in the log: `BF-date-time-4 signs`."""
    return f"BF-{clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2).upper()}"


def logged(text: str) -> str:
    """Log a text under a new reference, and return the reference."""
    reference = new_reference()
    current_app.logger.warning("%s: %s", reference, text)
    return reference


def page(problem: Problem, template: str = "errors/error.html") -> Response:
    """Render the page of a problem, or its details for a program; every problem has a reference, in the log too."""
    g.setdefault("team_member", None)
    if problems.here():
        said = [problem.lead, problem.happened, *problem.todo]
        return problems.of_page(problem.status, problem.title, said, problem.reference)
    if "HX-Request" in request.headers and problem.status in (403, 404) and request.method == "GET":
        # A fragment that is gone: the page around it is asked for again, and says what happened.
        return Response(status=204, headers={"HX-Refresh": "true"})
    if not problem.reference:
        problem = replace(problem, reference=logged(f"{problem.status} {problem.title} ({request.endpoint})"))
    return make_response(render_template(template, problem=problem), problem.status)


def back() -> list[Way]:
    """Return the way back to the first page, for somebody who is logged in."""
    return (
        [Way(label=_("Back to accounts"), url=url_for("connections.home"), primary=True)]
        if g.get("team_member")
        else []
    )
