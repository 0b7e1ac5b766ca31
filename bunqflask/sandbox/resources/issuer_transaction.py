"""`payment-service-provider-issuer-transaction`: a payment that the payer confirms in a issuer_transactions.

https://doc.bunq.com/psd2/connect-as-a-pisp
"""

from __future__ import annotations

from bunqflask.sandbox.bank import issuer_transactions, payments, people, wire
from bunqflask.sandbox.bank.clock import parse_bunq_time
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U

resource = Resource()

P = U + "/payment-service-provider-issuer-transaction"


def check_party(call: Call) -> None:
    """Refuse everybody but PSD2 parties that may initiate payments.

    :raises Refusal: 403.
    """
    if call.user.body["type"] != people.PROVIDER or "PISP" not in call.user.body["roles"]:
        raise wire.not_allowed()


def _order(call: Call) -> payments.Order:
    cents, currency = wire.read_amount(call.json.get("amount"), "amount")
    kind, _iban, _name = payments.read_pointer(call.json.get("counterparty_alias"))
    if kind != "IBAN":
        raise wire.invalid("The field counterparty_alias must be an IBAN.")
    description = call.text("description", longest=payments.EXTERNAL_TEXT)
    party = payments.find_party(call.store, call.json["counterparty_alias"])
    return payments.Order(party=party, cents=cents, currency=currency, description=description or "")


def _expiry(call: Call) -> float:
    now = call.store.clock.timestamp()
    text = call.text("time_expiry", required=False, longest=40)
    if text is None:
        return now + issuer_transactions.LIFETIME_S
    try:
        expires = parse_bunq_time(text).timestamp()
    except ValueError as error:
        raise wire.invalid("The field time_expiry must be a time.") from error
    if expires <= now:
        raise wire.invalid("The field time_expiry must lie in the future.")
    return expires


@resource.post(P, oauth=False)
def create(call: Call) -> Answer:
    """Ask for a payment. The party then sends the payer to the portal with the public_uuid."""
    check_party(call)
    # bunq's own example sends PENDING; the field can only be used for cancelling.
    if call.json.get("status", "PENDING") != "PENDING":
        raise wire.invalid("The field status must be PENDING.")
    order, expires = _order(call), _expiry(call)
    wire.read_url(call.json.get("url_redirect"), "url_redirect")
    pointer, url = call.json["counterparty_alias"], call.json["url_redirect"]
    return id_answer(issuer_transactions.add(call.bank, call.user, order, pointer, url, expires).id)


def _shape(call: Call, item: Item) -> Json:
    return {"PaymentServiceProviderIssuerTransaction": issuer_transactions.shape(call.store, item)}


@resource.get(P, oauth=False)
def index(call: Call) -> Answer:
    """List the party's transactions."""
    check_party(call)
    return call.page(issuer_transactions.KIND, lambda item: _shape(call, item), owner=call.user.id)


def _own(call: Call, transaction_id: int) -> Item:
    check_party(call)
    return call.load(issuer_transactions.KIND, transaction_id, "Transaction", owner=call.user.id)


@resource.get(P + "/<int:transaction_id>", oauth=False)
def read(call: Call, transaction_id: int) -> Answer:
    """Read one: the only proof of what the payer decided."""
    return Answer([_shape(call, _own(call, transaction_id))])


@resource.put(P + "/<int:transaction_id>", oauth=False)
def update(call: Call, transaction_id: int) -> Answer:
    """Take a transaction back."""
    item = _own(call, transaction_id)
    if call.json.get("status") != "CANCELLED":
        raise wire.invalid("The field status must be CANCELLED.")
    issuer_transactions.decide(call.bank, item, "CANCELLED")
    return id_answer(item.id)


@resource.get(P + "-public/<uuid:public_uuid>")
def read_public(call: Call, public_uuid: object) -> Answer:
    """Read a transaction by its public uuid, in any session.

    bunq's own example calls this path, which its OpenAPI lacks; the wrapper's name is a guess from the path.
    """
    item = call.store.named(issuer_transactions.KIND, str(public_uuid))
    if item is None:
        raise wire.not_found("Transaction", str(public_uuid))
    return Answer([{"PaymentServiceProviderIssuerTransactionPublic": issuer_transactions.shape(call.store, item)}])
