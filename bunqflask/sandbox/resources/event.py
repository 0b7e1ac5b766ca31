"""`event`: what happened to a user, newest first.

https://doc.bunq.com/api-reference/event
"""

from __future__ import annotations

from collections.abc import Callable

from bunqflask.sandbox.bank import past, wire
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

READ_AT_ONCE = 200


def shape(store: Store, item: Item) -> Json:
    """Write an event; its ids of user and account are texts in bunq's specification."""
    return {
        "Event": {
            "id": item.id,
            "created": item.created,
            "updated": item.updated,
            "action": item.body["action"],
            "user_id": str(item.owner),
            "monetary_account_id": None if item.account is None else str(item.account),
            "object": past.object_of(store, item),
            "status": item.body["status"],
        }
    }


@resource.get(U + "/event")
def index(call: Call) -> Answer:
    """List events, of some accounts or of a status where the parameters say so."""
    call.require_role("AISP")
    status = call.query.get("status")
    if status not in (None, "AWAITING_REPLY", "FINALIZED"):
        raise wire.invalid("The parameter status must be AWAITING_REPLY or FINALIZED.")
    wanted = _ids(call, "monetary_account_id")
    no_user_events = call.query.get("display_user_event", "true").lower() in ("false", "0")
    visible = call.visible_accounts(call.user)

    def is_meant(item: Item) -> bool:
        if (wanted and item.account not in wanted) or (no_user_events and item.account is None):
            return False
        if visible is not None and item.account is not None and item.account not in visible:
            return False
        return status is None or item.body["status"] == status

    page, pagination = wire.paged(call.window, those(call, is_meant), lambda item: item.id)
    return Answer([shape(call.store, item) for item in page], pagination)


def those(call: Call, is_meant: Callable[[Item], bool]) -> wire.Fetch:
    """Return how to fetch pages of the user's events that are meant, reading no more of them than it takes."""

    def fetch(below: int | None, above: int | None, limit: int) -> list[Item]:
        found: list[Item] = []
        while len(found) < limit:
            read = call.store.select("event", owner=call.user.id, below=below, above=above, limit=READ_AT_ONCE)
            meant = [each for each in read if is_meant(each)]
            if above is None:
                found += meant
                below = read[-1].id if read else None
            else:
                found = [*meant, *found]
                above = read[0].id if read else None
            if len(read) < READ_AT_ONCE:
                break
        return found[:limit] if above is None else found[-limit:]

    return fetch


def _ids(call: Call, name: str) -> set[int]:
    """Return the ids of a parameter, which stand between commas.

    :raises Refusal: 400, something else.
    """
    parts = [each.strip() for each in call.query.get(name, "").split(",") if each.strip()]
    ids = [wire.read_number(each) for each in parts]
    if None in ids:
        raise wire.invalid(f"The parameter {name} must be ids with commas between them.")
    return {each for each in ids if each is not None}


def readable(call: Call, event_id: int) -> Item:
    """Return an event of the user that this session may see.

    :raises Refusal: 404.
    """
    item = call.load("event", event_id, "Event", owner=call.user.id)
    visible = call.visible_accounts(call.user)
    if visible is not None and item.account is not None and item.account not in visible:
        raise wire.not_found("Event", event_id)
    return item


@resource.get(U + "/event/<int:event_id>")
def read(call: Call, event_id: int) -> Answer:
    """Read one event."""
    call.require_role("AISP")
    return Answer([shape(call.store, readable(call, event_id))])
