"""`draft-payment`.

https://doc.bunq.com/api-reference/draft-payment
"""

from __future__ import annotations

from bunqflask.sandbox.bank import drafts, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, Refusal, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource
from bunqflask.sandbox.resources.attachment import check_readable

resource = Resource()


def _accepts(body: Json) -> bool:
    return body.get("status") == "ACCEPTED"


@resource.post(A + "/draft-payment")
def create(call: Call) -> Answer:
    """Prepare payments for the account holder. Needs no signature."""
    call.require_role("PISP")
    draft = drafts.prepare(call.bank, call.account, call.json)
    _check_files(call, draft)
    return id_answer(draft.id)


def _check_files(call: Call, draft: Item) -> None:
    if call.is_oauth:
        check_readable(call, [file for entry in draft.body["entries"] for file in entry["attachment"]])


@resource.get(A + "/draft-payment")
def index(call: Call) -> Answer:
    """List drafts."""
    return call.page("draft_payment", lambda item: drafts.shape(call.store, item), account=call.account.id)


def _own(call: Call, draft_id: int) -> Item:
    return call.load("draft_payment", draft_id, "Draft payment", account=call.account.id)


@resource.get(A + "/draft-payment/<int:draft_id>")
def read(call: Call, draft_id: int) -> Answer:
    """Read one."""
    return Answer([drafts.shape(call.store, _own(call, draft_id))])


@resource.put(A + "/draft-payment/<int:draft_id>", signed=_accepts)
def update(call: Call, draft_id: int) -> Answer:
    """Accept, reject, cancel or change. A timestamp, where one is sent, must be the draft's latest.

    An app may cancel and change; deciding is the account holder's.
    """
    draft = _own(call, draft_id)
    seen, status = call.json.get("previous_updated_timestamp"), call.json.get("status")
    if seen is not None and seen != draft.updated:
        raise Refusal(400, "The draft payment was changed in the meantime.")  # invented text
    if status == "CANCELLED":
        drafts.cancel(call.bank, draft)
    elif status in ("ACCEPTED", "REJECTED"):
        if call.is_oauth:
            raise wire.not_allowed()
        if status == "ACCEPTED":
            drafts.accept(call.bank, call.account, draft)
        else:
            drafts.reject(call.bank, draft)
    elif status in (None, "PENDING"):
        call.require_role("PISP")
        drafts.change(call.bank, call.account, draft, call.json)
        _check_files(call, draft)
    else:
        raise wire.invalid("The field status must be ACCEPTED, REJECTED or CANCELLED.")
    return id_answer(draft.id)
