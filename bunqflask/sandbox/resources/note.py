"""`note-text` and `note-attachment` on everything that takes them.

https://doc.bunq.com/api-reference/note-text
"""

from __future__ import annotations

from typing import Any

from bunqflask.sandbox.bank import ledger, people, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource
from bunqflask.sandbox.resources import attachment

resource = Resource()

# What takes notes -> the kind of item it is here; None for a payment, and "" for what this bank never has.
NOTED = {
    "payment": None,
    "payment-batch": "payment_batch",
    "draft-payment": "draft_payment",
    "request-inquiry": "request_inquiry",
    "request-inquiry-batch": "request_inquiry_batch",
    "request-response": "request_response",
    "mastercard-action": "mastercard_action",
    "schedule-payment": "schedule",
    "schedule-payment-batch": "schedule",
    "adyen-card-transaction": "",
    "switch-service-payment": "",
    "bunqme-fundraiser-result": "",
    "ideal-merchant-transaction": "",
    "open-banking-merchant-transaction": "",
    "payment-delayed": "",
    "schedule-request-inquiry": "",
    "schedule-request-inquiry-batch": "",
    "sofort-merchant-transaction": "",
}


def _check_noted(call: Call, word: str, parent_id: int) -> int:
    kind = NOTED[word]
    if kind is None:
        found = ledger.entry(call.store, call.account.id, parent_id) is not None
    else:
        item = call.store.get(kind, parent_id) if kind else None
        found = item is not None and item.account == call.account.id
    if not found:
        raise wire.not_found(word.replace("-", " ").capitalize(), parent_id)
    return parent_id


def _shape(call: Call, item: Item) -> Json:
    members: Json = {
        "id": item.id,
        "created": item.created,
        "updated": item.updated,
        "label_user_creator": people.label(people.by_id(call.store, item.owner or 0)),
    }
    if item.kind == "note_text":
        return {"NoteText": {**members, "content": item.body["content"]}}
    attached = [{"id": item.body["attachment_id"], "monetary_account_id": item.account}]
    return {"NoteAttachment": {**members, "description": item.body["description"], "attachment": attached}}


def _read(call: Call, kind: str) -> Json:
    if kind == "note_text":
        return {"content": call.text("content")}
    attachment_id = call.json.get("attachment_id")
    if isinstance(attachment_id, bool) or not isinstance(attachment_id, int):
        raise wire.invalid("The field attachment_id is required and must be a number.")
    attachment.readable(call, attachment_id)
    return {"attachment_id": attachment_id, "description": call.text("description", required=False)}


def _add(path: str, kind: str, check: Any) -> None:
    """Add the calls of one kind of note under a path that ends in the noted thing's id."""
    path += "/" + kind.replace("_", "-")

    @resource.get(path)
    def index(call: Call, **ids: int) -> Answer:
        return call.page(kind, lambda item: _shape(call, item), parent=check(call, ids))

    @resource.post(path)
    def create(call: Call, **ids: int) -> Answer:
        parent = check(call, ids)
        return id_answer(
            call.store.insert(kind, _read(call, kind), owner=call.user.id, account=call.account.id, parent=parent).id
        )

    def load(call: Call, ids: dict[str, int]) -> Item:
        note_id = ids.pop("note_id")
        return call.load(kind, note_id, "Note", parent=check(call, ids))

    @resource.get(path + "/<int:note_id>")
    def read(call: Call, **ids: int) -> Answer:
        return Answer([_shape(call, load(call, ids))])

    @resource.put(path + "/<int:note_id>")
    def update(call: Call, **ids: int) -> Answer:
        item = load(call, ids)
        if kind == "note_attachment" and "attachment_id" not in call.json:
            item.body["description"] = call.text("description")
        else:
            item.body |= _read(call, kind)
        call.store.save(item)
        return id_answer(item.id)

    @resource.delete(path + "/<int:note_id>")
    def delete(call: Call, **ids: int) -> Answer:
        call.store.delete(load(call, ids))
        return Answer([])


def _direct(word: str) -> Any:
    return lambda call, ids: _check_noted(call, word, ids["parent_id"])


def _below(kind: str, what: str) -> Any:
    def check(call: Call, ids: dict[str, int]) -> int:
        return call.load(kind, ids["inner_id"], what, account=call.account.id, parent=ids["outer_id"]).id

    return check


for _kind in ("note_text", "note_attachment"):
    for _word in NOTED:
        _add(f"{A}/{_word}/<int:parent_id>", _kind, _direct(_word))
    _add(
        A + "/schedule/<int:outer_id>/schedule-instance/<int:inner_id>",
        _kind,
        _below("schedule_instance", "Schedule instance"),
    )
    _add(
        A + "/whitelist/<int:outer_id>/whitelist-result/<int:inner_id>",
        _kind,
        _below("whitelist_result", "Whitelist result"),
    )
