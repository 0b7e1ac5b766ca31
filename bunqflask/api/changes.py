"""What changed since a program asked last, for those that keep a copy of the payments."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import current_app, g, request
from msgspec import UNSET

from bunqflask.api import problems
from bunqflask.api.blueprint import endpoint
from bunqflask.api.payments import facts, note_item, record_look
from bunqflask.api.queries import ChangesQuery
from bunqflask.api.schemas import ChangedPayment, Changes
from bunqflask.models import TokenScope
from bunqflask.services.payments import changes, repository
from bunqflask.services.payments.changes import Change, CursorRefused
from bunqflask.services.principal import TokenBearer


@endpoint("GET", "/changes", query=ChangesQuery, answer=Changes, scope=TokenScope.PAYMENTS_READ, tag="Payments")
def payment_changes(query: ChangesQuery) -> tuple[Changes, int, dict[str, str]]:
    """Payments that were added, modified or removed since a cursor, and accounts that the token does not see any more.

    Without a cursor it begins with everything. A changed note counts as a change of its payment.
    """
    page = list_since(g.bearer, query)
    following = urlencode({"cursor": page.next, "limit": query.limit})
    address = f"{current_app.config['PUBLIC_URL']}{request.path}?{following}"
    return page, 200, {"Link": f'<{address}>; rel="next"'} if page.has_more else {}


def list_since(bearer: TokenBearer, query: ChangesQuery) -> Changes:
    """Return what changed since a cursor, as far as a token sees it.

    :raises ParameterRefused: the cursor is not one of this server's.
    """
    scope, with_notes = repository.scope_of(bearer), TokenScope.NOTES_READ.value in bearer.scopes
    try:
        found = changes.since(scope, query.cursor, limit=query.limit, with_notes=with_notes)
    except CursorRefused:
        problems.refuse("`cursor` is not one that this server made.")
    record_look(bearer, scope, {each.line.account_id for each in found.payments})
    items = [(each.is_new, _item(each, with_notes=with_notes)) for each in found.payments]
    return Changes(
        removed_accounts=[str(each) for each in found.removed_accounts],
        removed=[str(each) for each in found.removed],
        added=[item for is_new, item in items if is_new],
        modified=[item for is_new, item in items if not is_new],
        next=found.cursor,
        has_more=found.has_more,
    )


def _item(change: Change, *, with_notes: bool) -> ChangedPayment:
    notes = [note_item(each) for each in change.notes] if with_notes else UNSET
    return ChangedPayment(**facts(change.line), notes=notes)
