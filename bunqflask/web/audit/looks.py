"""Recording, after a page is made, whose payments it shows."""

from __future__ import annotations

from collections.abc import Collection

from flask import Response, after_this_request, g

from bunqflask.services.audit import looks
from bunqflask.services.payments.repository import Scope
from bunqflask.web.ui import formatting

# A page waits no longer than this for another writer: the next look of the day is recorded then.
_PATIENCE_S = 2.0


def note_look(scope: Scope, account_ids: Collection[int] | None) -> None:
    """Let it be recorded that the page shows payments of some accounts, or of all in scope."""
    shown = scope.accounts if account_ids is None else account_ids
    others = {each for each in shown if not scope.accounts[each].is_held}
    if others:
        after_this_request(lambda response: _record(response, others))


def _record(response: Response, account_ids: set[int]) -> Response:
    if response.status_code == 200:
        looks.record_if_possible(g.team_member, account_ids, formatting.zone(), patience_s=_PATIENCE_S)
    return response
