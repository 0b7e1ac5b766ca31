"""`event`: what happened to a user, newest first.

https://doc.bunq.com/api-reference/event
"""

from __future__ import annotations

from bunqflask.sandbox.bank import wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()


def shape(item: Item) -> Json:
    """Write an event; its ids of user and account are texts in bunq's specification."""
    return {
        "Event": {
            "id": item.id,
            "created": item.created,
            "updated": item.updated,
            "action": item.body["action"],
            "user_id": str(item.owner),
            "monetary_account_id": None if item.account is None else str(item.account),
            "object": item.body["object"],
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

    shown = [each for each in call.store.select("event", owner=call.user.id) if is_meant(each)]

    page, pagination = wire.paged(call.window, wire.among(shown), lambda item: item.id)
    return Answer([shape(item) for item in page], pagination)


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
    return Answer([shape(readable(call, event_id))])
