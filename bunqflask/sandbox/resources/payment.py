"""`payment` and `payment-batch`.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, bunqto_payments, ledger, payments, people, wire
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource
from bunqflask.sandbox.resources.attachment import check_readable

resource = Resource()

BATCH_MAXIMUM = 350


def check_may_pay(call: Call, order: payments.Order) -> None:
    """Let an app move money between accounts of the same user only, and a PSD2 party not at all.

    :raises Refusal: 403; 404, a file of an account that the app may not see.
    """
    owner = call.app_owner
    if owner is None:
        return
    check_readable(call, order.attachments)
    target = order.party.account
    is_own = target is not None and accounts.is_held_by(call.store, target, call.user.id)
    if owner.body["type"] == people.PROVIDER or not is_own:
        raise wire.not_allowed()


@resource.post(A + "/payment", signed=True)
def create(call: Call) -> Answer:
    """Pay."""
    order = payments.read_order(call.store, call.account, call.json)
    check_may_pay(call, order)
    return id_answer(payments.pay(call.bank, call.account, order, geolocation=call.geolocation)[0])


@resource.get(A + "/payment")
def index(call: Call) -> Answer:
    """List payments, newest first."""
    call.require_role("AISP")
    account, window = call.account, call.window

    def fetch(below: int | None, above: int | None, limit: int) -> list[ledger.Entry]:
        return ledger.entries(call.store, account.id, below=below, above=above, limit=limit)

    def write() -> bytes:
        page, pagination = wire.paged(window, fetch, lambda entry: entry.id)
        listed = [entry for entry in page if not entry.extra.get("unlisted")]
        return Answer(payments.shapes(call.store, account, listed), pagination).to_bytes()

    return Answer(written=call.bank.remembered((account.id, window), write))


@resource.get(A + "/payment/<int:payment_id>")
def read(call: Call, payment_id: int) -> Answer:
    """Read one payment."""
    call.require_role("AISP")
    return Answer([payments.shape(call.store, call.account, payment_id)])


@resource.post(A + "/payment-batch", signed=True)
def create_batch(call: Call) -> Answer:
    """Pay several at once: all of them or none."""
    wanted = call.json.get("payments")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= BATCH_MAXIMUM:
        raise wire.invalid(f"The field payments must hold 1 to {BATCH_MAXIMUM} payments.")
    orders = [payments.read_order(call.store, call.account, each) for each in wanted]
    for order in orders:
        check_may_pay(call, order)
    return id_answer(payments.pay_batch(call.bank, call.account, orders, geolocation=call.geolocation).id)


@resource.get(A + "/payment-batch")
def list_batches(call: Call) -> Answer:
    """List batches."""
    call.require_role("AISP")
    store, account = call.store, call.account
    return call.page("payment_batch", lambda item: payments.batch_shape(store, account, item), account=account.id)


@resource.get(A + "/payment-batch/<int:batch_id>")
def read_batch(call: Call, batch_id: int) -> Answer:
    """Read one batch."""
    call.require_role("AISP")
    batch = call.load("payment_batch", batch_id, "Payment batch", account=call.account.id)
    return Answer([payments.batch_shape(call.store, call.account, batch)])


@resource.put(A + "/payment-batch/<int:batch_id>")
def update_batch(call: Call, batch_id: int) -> Answer:
    """Revoke the payments of a batch that are not claimed yet; the body is ignored."""
    batch = call.load("payment_batch", batch_id, "Payment batch", account=call.account.id)
    links = bunqto_payments.of_batch(call.bank, batch)
    for link in links:
        bunqto_payments.give_back(call.bank, link, "REVOKED")
    if links:
        payments.tell_batch(call.bank, call.account, batch, "PAYMENT_BATCH_REVOKED", action="UPDATE")
    return id_answer(batch.id)
