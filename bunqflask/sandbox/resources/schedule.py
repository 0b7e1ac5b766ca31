"""`schedule-payment`, `schedule-payment-batch`, `schedule` and `schedule-instance`.

https://doc.bunq.com/api-reference/schedule-payment
"""

from __future__ import annotations

from collections.abc import Callable

from bunqflask.sandbox.bank import payments, schedules, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource, U
from bunqflask.sandbox.resources.payment import BATCH_MAXIMUM, check_may_pay

resource = Resource()


def _wanted(call: Call, *, batch: bool) -> list[object]:
    """Return the payments of the request; an app may only schedule what it may pay.

    :raises Refusal: 400 or 403.
    """
    value = call.json.get("payments" if batch else "payment")
    if batch and (not isinstance(value, list) or not 1 <= len(value) <= BATCH_MAXIMUM):
        raise wire.invalid(f"The field payments must hold 1 to {BATCH_MAXIMUM} payments.")
    wanted: list[object] = list(value) if batch and isinstance(value, list) else [value]
    for each in wanted:
        check_may_pay(call, payments.read_order(call.store, call.account, each))
    return wanted


def _own(call: Call, schedule_id: int, *, batch: bool | None = None) -> Item:
    item = call.load("schedule", schedule_id, "Schedule", account=call.account.id)
    if batch is not None and item.body["batch"] != batch:
        raise wire.not_found("Schedule", schedule_id)
    return item


def _add(word: str, *, batch: bool) -> None:
    """Add the calls of schedules of single payments, or of batches."""
    path = f"{A}/schedule-{word}"
    one = path + "/<int:schedule_id>"

    @resource.post(path, signed=True)
    def create(call: Call) -> Answer:
        wanted = _wanted(call, batch=batch)
        schedule = schedules.read_schedule(call.bank, call.json.get("schedule"))
        purpose = call.text("purpose", required=False, longest=140)
        return id_answer(schedules.create(call.bank, call.account, wanted, schedule, batch=batch, purpose=purpose).id)

    @resource.get(one)
    def read(call: Call, schedule_id: int) -> Answer:
        return Answer([schedules.shape(call.store, _own(call, schedule_id, batch=batch))])

    @resource.put(one, signed=True)
    def update(call: Call, schedule_id: int) -> Answer:
        item = _own(call, schedule_id, batch=batch)
        changed = "payments" if batch else "payment"
        wanted = _wanted(call, batch=batch) if changed in call.json else None
        given = call.json.get("schedule")
        schedule = None if given is None else schedules.read_schedule(call.bank, given)
        if "purpose" in call.json:
            item.body["purpose"] = call.text("purpose", required=False, longest=140)
        schedules.change(call.bank, call.account, item, wanted, schedule)
        # bunq answers the whole object to the one of a single payment.
        return id_answer(item.id) if batch else Answer([schedules.shape(call.store, item)])

    @resource.delete(one)
    def delete(call: Call, schedule_id: int) -> Answer:
        schedules.cancel(call.bank, _own(call, schedule_id, batch=batch))
        return Answer([])


_add("payment", batch=False)
_add("payment-batch", batch=True)


def _shown(call: Call, write: Callable[[Item], Json], *, batches: bool = True, **bounds: int) -> Answer:
    """List the schedules that this session may see, with or without those of batches."""
    visible = call.visible_accounts(call.user)
    found = [
        each
        for each in call.store.select("schedule", **bounds)
        if (batches or not each.body["batch"]) and (visible is None or each.account in visible)
    ]

    page, pagination = wire.paged(call.window, wire.among(found), lambda item: item.id)
    return Answer([write(item) for item in page], pagination)


def _any_shape(call: Call, item: Item, wrapper: str = "Schedule") -> Json:
    # The names of the wrappers are those that bunq's SDKs read.
    return {wrapper: schedules.listed_shape(call.store, item)}


@resource.get(A + "/schedule-payment")
def list_payments(call: Call) -> Answer:
    """List schedules of single payments."""
    return _shown(call, lambda item: schedules.shape(call.store, item), batches=False, account=call.account.id)


@resource.get(A + "/schedule")
def list_of_account(call: Call) -> Answer:
    """List all schedules of an account."""
    return _shown(call, lambda item: _any_shape(call, item), account=call.account.id)


@resource.get(U + "/schedule")
def list_of_user(call: Call) -> Answer:
    """List all schedules of a user."""
    return _shown(call, lambda item: _any_shape(call, item, "ScheduleUser"), owner=call.user.id)


@resource.get(A + "/schedule/<int:schedule_id>")
def read_any(call: Call, schedule_id: int) -> Answer:
    """Read a schedule of any kind."""
    return Answer([_any_shape(call, _own(call, schedule_id))])


INSTANCES = A + "/schedule/<int:schedule_id>/schedule-instance"


@resource.get(INSTANCES)
def instances(call: Call, schedule_id: int) -> Answer:
    """List the runs of a schedule."""
    item = _own(call, schedule_id)
    return call.page("schedule_instance", lambda run: schedules.instance_shape(call.store, item, run), parent=item.id)


@resource.get(INSTANCES + "/<int:instance_id>")
def read_instance(call: Call, schedule_id: int, instance_id: int) -> Answer:
    """Read one run."""
    item = _own(call, schedule_id)
    run = call.load("schedule_instance", instance_id, "Schedule instance", parent=item.id)
    return Answer([schedules.instance_shape(call.store, item, run)])


@resource.put(INSTANCES + "/<int:instance_id>")
def update_instance(call: Call, schedule_id: int, instance_id: int) -> Answer:
    """Try a failed run again."""
    item = _own(call, schedule_id)
    run = call.load("schedule_instance", instance_id, "Schedule instance", parent=item.id)
    if call.json.get("state") != "RETRY":
        raise wire.invalid("The field state must be RETRY.")
    schedules.retry(call.bank, call.account, item, run)
    return id_answer(run.id)
