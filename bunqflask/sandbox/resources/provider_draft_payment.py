"""`payment-service-provider-draft-payment`: a payment that a PSD2 party prepares for an account of a user.

The payer decides among the drafts of the account, or by accepting the party's consent.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, drafts, payments, wire
from bunqflask.sandbox.bank.provider_drafts import KIND, draft_of
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, amount, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U
from bunqflask.sandbox.resources.issuer_transaction import check_party

resource = Resource()

P = U + "/payment-service-provider-draft-payment"


def _iban(call: Call, field_name: str, name: str | None) -> Json:
    pointer = {"type": "IBAN", "value": call.text(field_name, longest=50), "name": name}
    kind, value, _name = payments.read_pointer(pointer, field_name)
    return {"type": kind, "value": value, "name": name}


@resource.post(P, oauth=False)
def create(call: Call) -> Answer:
    """Prepare a payment from an account of this bank."""
    check_party(call)
    sender_name = call.text("sender_name", required=False, longest=140)
    sender = _iban(call, "sender_iban", sender_name or "-")
    receiver = _iban(call, "counterparty_iban", call.text("counterparty_name", longest=140))
    account = accounts.find(call.store, "IBAN", sender["value"])
    if account is None:
        raise wire.not_found("Monetary account", sender["value"])
    payments.check_active(account)
    entry = {
        "amount": call.json.get("amount"),
        "counterparty_alias": receiver,
        "description": call.text("description", longest=payments.EXTERNAL_TEXT),
    }
    draft = drafts.prepare(call.bank, account, {"entries": [entry], "number_of_required_accepts": 1})
    body = {"sender_iban": sender["value"], "receiver_iban": receiver["value"]}
    return id_answer(call.store.insert(KIND, body, owner=call.user.id, parent=draft.id).id)


def _shape(call: Call, item: Item) -> Json:
    draft = draft_of(call.store, item)
    account = call.store.get("monetary_account", draft.account or 0)
    assert account is not None
    return {
        # bunq's OpenAPI lists the last four only; a list without ids would be of no use.
        "PaymentServiceProviderDraftPayment": {
            "id": item.id,
            "created": item.created,
            "updated": draft.updated,
            "sender_iban": item.body["sender_iban"],
            "receiver_iban": item.body["receiver_iban"],
            "amount": amount(draft.body["entries"][0]["cents"], account.body["currency"]),
            "status": draft.body["status"],
        }
    }


@resource.get(P, oauth=False)
def index(call: Call) -> Answer:
    """List what the party prepared."""
    check_party(call)
    return call.page(KIND, lambda item: _shape(call, item), owner=call.user.id)


def _own(call: Call, item_id: int) -> Item:
    check_party(call)
    return call.load(KIND, item_id, "Draft payment", owner=call.user.id)


@resource.get(P + "/<int:draft_id>", oauth=False)
def read(call: Call, draft_id: int) -> Answer:
    """Read one."""
    return Answer([_shape(call, _own(call, draft_id))])


@resource.put(P + "/<int:draft_id>", oauth=False)
def update(call: Call, draft_id: int) -> Answer:
    """Withdraw it."""
    item = _own(call, draft_id)
    status = call.json.get("status")
    if status == "CANCELLED":
        drafts.cancel(call.bank, draft_of(call.store, item))
    elif status == "REJECTED":
        drafts.reject(call.bank, draft_of(call.store, item))
    else:
        raise wire.invalid("The field status must be REJECTED or CANCELLED.")
    return id_answer(item.id)
