"""`request-inquiry`, its batch, and `request-response`.

https://doc.bunq.com/api-reference/request
"""

from __future__ import annotations

from typing import Any

from bunqflask.sandbox.bank import past, payment_requests, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource
from bunqflask.sandbox.resources.attachment import check_readable
from bunqflask.sandbox.resources.event import readable as readable_event

resource = Resource()


def _accepts(body: Json) -> bool:
    return body.get("status") == "ACCEPTED"


@resource.post(A + "/request-inquiry")
def create(call: Call) -> Answer:
    """Ask for money."""
    return id_answer(_ask(call, call.json, **_references(call, call.json)).id)


def _ask(call: Call, body: Json, **references: Any) -> Item:
    inquiry = payment_requests.ask(call.bank, call.account, body, **references)
    if call.is_oauth:
        check_readable(call, inquiry.body["attachment"])
    return inquiry


def _references(call: Call, body: Json) -> Json:
    """Return where the request is made, and the thing whose cost it splits: the one of the event it names.

    :raises Refusal: 400 or 404, no such event.
    """
    found = {"geolocation": call.geolocation}
    event_id = body.get("event_id")
    if event_id is not None:
        if isinstance(event_id, bool) or not isinstance(event_id, int):
            raise wire.invalid("The field event_id must be a number.")
        found["reference_split_the_bill"] = past.object_of(call.store, readable_event(call, event_id))
    return found


@resource.get(A + "/request-inquiry")
def index(call: Call) -> Answer:
    """List the payment requests of an account."""
    return call.page(
        "request_inquiry", lambda item: payment_requests.inquiry_shape(call.store, item), account=call.account.id
    )


def _inquiry(call: Call, inquiry_id: int) -> Item:
    return call.load("request_inquiry", inquiry_id, "Request inquiry", account=call.account.id)


@resource.get(A + "/request-inquiry/<int:inquiry_id>")
def read(call: Call, inquiry_id: int) -> Answer:
    """Read one."""
    return Answer([payment_requests.inquiry_shape(call.store, _inquiry(call, inquiry_id))])


@resource.put(A + "/request-inquiry/<int:inquiry_id>")
def update(call: Call, inquiry_id: int) -> Answer:
    """Take it back. The answer is the whole object, not its id."""
    inquiry = _inquiry(call, inquiry_id)
    if call.json.get("status") != "REVOKED":
        raise wire.invalid("The field status must be REVOKED.")
    payment_requests.revoke(call.bank, inquiry)
    return Answer([payment_requests.inquiry_shape(call.store, inquiry)])


@resource.post(A + "/request-inquiry-batch")
def create_batch(call: Call) -> Answer:
    """Ask several at once."""
    wanted = call.json.get("request_inquiries")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(each, dict) for each in wanted):
        raise wire.invalid("The field request_inquiries must hold at least one request.")
    total, currency = wire.read_amount(call.json.get("total_amount_inquired"), "total_amount_inquired")
    if currency != call.account.body["currency"]:
        raise wire.invalid("The amount is not in the currency of the account.")
    references = _references(call, call.json)
    body: Json = {"inquiries": [], "total": total, "split": references.get("reference_split_the_bill")}
    batch = call.store.insert("request_inquiry_batch", body, owner=call.user.id, account=call.account.id)
    made = [_ask(call, each, **{**references, **_references(call, each)}, batch_id=batch.id) for each in wanted]
    batch.body["inquiries"] = [each.id for each in made]
    call.store.save(batch, touch=False)
    return id_answer(batch.id)


def _batch_shape(call: Call, batch: Item) -> Json:
    found = (call.store.get("request_inquiry", each) for each in batch.body["inquiries"])
    return {
        "RequestInquiryBatch": {
            "id": batch.id,
            "created": batch.created,
            "updated": batch.updated,
            "request_inquiries": [
                payment_requests.inquiry_shape(call.store, each)["RequestInquiry"] for each in found if each is not None
            ],
            "total_amount_inquired": wire.amount(batch.body["total"], call.account.body["currency"]),
            "reference_split_the_bill": batch.body["split"],
        }
    }


@resource.get(A + "/request-inquiry-batch")
def list_batches(call: Call) -> Answer:
    """List batches."""
    return call.page("request_inquiry_batch", lambda item: _batch_shape(call, item), account=call.account.id)


@resource.get(A + "/request-inquiry-batch/<int:batch_id>")
def read_batch(call: Call, batch_id: int) -> Answer:
    """Read one batch."""
    batch = call.load("request_inquiry_batch", batch_id, "Request inquiry batch", account=call.account.id)
    return Answer([_batch_shape(call, batch)])


@resource.put(A + "/request-inquiry-batch/<int:batch_id>")
def update_batch(call: Call, batch_id: int) -> Answer:
    """Take back what is still open in a batch."""
    batch = call.load("request_inquiry_batch", batch_id, "Request inquiry batch", account=call.account.id)
    if call.json.get("status") != "REVOKED":
        raise wire.invalid("The field status must be REVOKED.")
    for each in batch.body["inquiries"]:
        inquiry = call.store.get("request_inquiry", each)
        if inquiry is not None and inquiry.body["status"] == "PENDING":
            payment_requests.revoke(call.bank, inquiry)
    call.store.save(batch)
    return id_answer(batch.id)


@resource.get(A + "/request-response")
def list_responses(call: Call) -> Answer:
    """List what the user was asked for."""
    return call.page(
        "request_response", lambda item: payment_requests.response_shape(call.store, item), account=call.account.id
    )


def _response(call: Call, response_id: int) -> Item:
    return call.load("request_response", response_id, "Request response", account=call.account.id)


@resource.get(A + "/request-response/<int:response_id>")
def read_response(call: Call, response_id: int) -> Answer:
    """Read one."""
    return Answer([payment_requests.response_shape(call.store, _response(call, response_id))])


@resource.put(A + "/request-response/<int:response_id>", signed=_accepts, oauth=False)
def update_response(call: Call, response_id: int) -> Answer:
    """Accept, which must be signed, or reject. The answer is the whole object. Not for apps."""
    response = _response(call, response_id)
    status = call.json.get("status")
    if status == "ACCEPTED":
        payment_requests.accept(call.bank, response, call.json)
    elif status == "REJECTED":
        payment_requests.reject(call.bank, response)
    else:
        raise wire.invalid("The field status must be ACCEPTED or REJECTED.")
    return Answer([payment_requests.response_shape(call.store, _response(call, response_id))])
