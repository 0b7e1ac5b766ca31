"""Scheduled payments: when they run next, and what happens when they do.

https://doc.bunq.com/api-reference/schedule-payment
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bunqflask.sandbox.bank import accounts, events, payments, wire
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal, amount

UNITS = ("ONCE", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")

# A monthly schedule was recorded to keep its local hour over the change to winter time.
ZONE = ZoneInfo("Europe/Amsterdam")


def read_schedule(bank: Bank, value: object) -> Json:
    """Check the schedule of a request, and return the fields that are stored of it.

    :raises Refusal: 400, something is missing or wrong.
    """
    if not isinstance(value, dict):
        raise wire.invalid("The field schedule is required.")
    unit, size = value.get("recurrence_unit"), value.get("recurrence_size", 1)
    if unit not in UNITS:
        raise wire.invalid(f"The field recurrence_unit must be one of {', '.join(UNITS)}.")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise wire.invalid("The field recurrence_size must be a number above 0.")
    start = _moment(value.get("time_start"), "time_start")
    if start is None:
        raise wire.invalid("The field time_start is required.")
    if start < bank.store.clock.now() - timedelta(minutes=1):
        raise wire.invalid("The field time_start must not lie in the past.")
    end = _moment(value.get("time_end"), "time_end")
    if end is not None and end < start:
        raise wire.invalid("The field time_end must not lie before time_start.")
    return {
        "time_start": bunq_time(start),
        "time_end": None if end is None else bunq_time(end),
        "unit": unit,
        "size": size,
        "runs": 0,
    }


def _moment(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise wire.invalid(f"The field {name} must be a time.")
    try:
        return parse_bunq_time(value)
    except ValueError:
        raise wire.invalid(f"The field {name} must be a time.") from None


def run_at(schedule: Json, runs: int) -> datetime | None:
    """Return when a schedule runs for the time after `runs` runs, None when it is over."""
    start = parse_bunq_time(schedule["time_start"])
    steps = runs * int(schedule["size"])
    unit = schedule["unit"]
    if unit == "ONCE":
        moment = start if runs == 0 else None
    elif unit == "HOURLY":
        moment = start + timedelta(hours=steps)
    else:
        local = start.astimezone(ZONE)
        moment = _step(local.replace(tzinfo=None), unit, steps).replace(tzinfo=ZONE).astimezone(UTC)
    end = schedule["time_end"]
    if moment is not None and end is not None and moment > parse_bunq_time(end):
        return None
    return moment


def _step(local: datetime, unit: str, steps: int) -> datetime:
    if unit in ("DAILY", "WEEKLY"):
        return local + timedelta(days=steps * (7 if unit == "WEEKLY" else 1))
    months = local.year * 12 + local.month - 1 + steps * (12 if unit == "YEARLY" else 1)
    year, month = divmod(months, 12)
    # The 31st becomes the last day of a shorter month.
    return local.replace(year=year, month=month + 1, day=min(local.day, calendar.monthrange(year, month + 1)[1]))


def create(
    bank: Bank, account: Item, wanted: list[object], schedule: Json, *, batch: bool, purpose: str | None = None
) -> Item:
    """Keep a schedule of one payment, or of a batch.

    :raises Refusal: 400, a payment is not in order.
    """
    payments.check_active(account)
    item = bank.store.insert(
        "schedule",
        {
            "schedule": schedule,
            "payments": _checked(bank.store, account, wanted),
            "status": "ACTIVE",
            "batch": batch,
            "purpose": purpose,
            "version": 0,
        },
        owner=account.owner,
        account=account.id,
    )
    _tell(bank, item, "CREATED")
    _plan(bank, item)
    return item


def _checked(store: Store, account: Item, wanted: list[object]) -> list[Json]:
    kept: list[Json] = []
    for each in wanted:
        payments.read_order(store, account, each)
        assert isinstance(each, dict)
        kept.append(each)
    return kept


def change(bank: Bank, account: Item, item: Item, wanted: list[object] | None, schedule: Json | None) -> None:
    """Change payments or times of a schedule; what it planned before does not happen.

    :raises Refusal: 400, it is over, or something is not in order.
    """
    check_active(item)
    if wanted is not None:
        item.body["payments"] = _checked(bank.store, account, wanted)
    if schedule is not None:
        item.body["schedule"] = schedule
    item.body["version"] += 1
    bank.store.save(item)
    _tell(bank, item, "UPDATED")
    _plan(bank, item)


def check_active(item: Item) -> None:
    """Refuse a schedule that is over.

    :raises Refusal: 400 (invented text).
    """
    if item.body["status"] != "ACTIVE":
        raise Refusal(400, f"The schedule is already {item.body['status'].lower()}.")


def cancel(bank: Bank, item: Item) -> None:
    """Stop a schedule.

    :raises Refusal: 400, it is over.
    """
    check_active(item)
    item.body["status"] = "CANCELLED"
    bank.store.save(item)
    _tell(bank, item, "CANCELLED")


def _plan(bank: Bank, item: Item) -> None:
    moment = run_at(item.body["schedule"], item.body["schedule"]["runs"])
    if moment is None:
        item.body["status"] = "FINISHED"
        bank.store.save(item)
        _tell(bank, item, "FINISHED")
        return
    body = {"schedule_id": item.id, "version": item.body["version"]}
    bank.store.schedule("scheduled_payment", moment.timestamp(), body)
    bank.store.after_commit(bank.wake)


@job("scheduled_payment")
def _run(bank: Bank, moment: float, body: Json) -> None:
    item = bank.store.get("schedule", body["schedule_id"])
    if item is None or item.body["status"] != "ACTIVE" or item.body["version"] != body["version"]:
        return
    account = bank.store.get("monetary_account", item.account or 0)
    assert account is not None
    instance = bank.store.insert(
        "schedule_instance",
        {"state": "RETRY", "error_message": None, "payment_id": None, "batch_id": None, "moment": moment},
        owner=item.owner,
        account=item.account,
        parent=item.id,
    )
    _attempt(bank, account, item, instance)
    item.body["schedule"]["runs"] += 1
    bank.store.save(item)
    _plan(bank, item)


def _attempt(bank: Bank, account: Item, item: Item, instance: Item) -> None:
    """Make the payments of one run: all of them or none."""
    bank.store.db.execute("SAVEPOINT run")
    try:
        orders = [payments.read_order(bank.store, account, each) for each in item.body["payments"]]
        if item.body["batch"]:
            made: Json = {"batch_id": payments.pay_batch(bank, account, orders, scheduled_id=item.id).id}
        else:
            made = {"payment_id": payments.pay(bank, account, orders[0], scheduled_id=item.id)[0]}
    except Refusal as refusal:
        bank.store.db.execute("ROLLBACK TO run")
        instance.body |= {"state": "FAILED_USER_ERROR", "error_message": [refusal.text]}
        outcome = "FAILED"
    else:
        instance.body |= {"state": "FINISHED_SUCCESSFULLY", "error_message": None, **made}
        outcome = "SUCCEEDED"
    bank.store.db.execute("RELEASE run")
    bank.store.save(instance)
    events.happened(
        bank,
        user_id=item.owner or 0,
        account_id=item.account,
        thing=instance_shape(bank.store, item, instance),
        notify=[("SCHEDULE_RESULT", f"SCHEDULE_INSTANCE_{_kind(item)}_{outcome}")],
    )


def retry(bank: Bank, account: Item, item: Item, instance: Item) -> None:
    """Try a failed run once more.

    :raises Refusal: 400, it did not fail.
    """
    if instance.body["state"] != "FAILED_USER_ERROR":
        raise wire.invalid("Only a failed instance can be tried again.")
    _attempt(bank, account, item, instance)


def _kind(item: Item) -> str:
    return "PAYMENT_BATCH" if item.body["batch"] else "PAYMENT"


def _tell(bank: Bank, item: Item, what: str) -> None:
    """Tell that a schedule was CREATED, UPDATED, CANCELLED or FINISHED; only CANCELLED is a recorded name."""
    events.happened(
        bank,
        user_id=item.owner or 0,
        account_id=item.account,
        thing=shape(bank.store, item),
        notify=[("SCHEDULE_STATUS", f"SCHEDULE_DEFINITION_{_kind(item)}_{what}")],
        action="CREATE" if what == "CREATED" else "UPDATE",
    )


def wrapper_of(item: Item) -> str:
    """Return the name of the object: of one payment, or of a batch."""
    return "ScheduledPaymentBatch" if item.body["batch"] else "ScheduledPayment"


def schedule_shape(item: Item) -> Json:
    """Write the times of a schedule."""
    return times_shape(item.body["schedule"], item.body["status"])


def times_shape(kept: Json, status: str) -> Json:
    """Write times; a schedule that is over has no next one."""
    upcoming = run_at(kept, kept["runs"]) if status == "ACTIVE" else None
    return {
        "time_start": kept["time_start"],
        "time_end": kept["time_end"],
        "recurrence_unit": kept["unit"],
        "recurrence_size": kept["size"],
        "time_next": None if upcoming is None else bunq_time(upcoming),
        "status": status,
    }


def _planned_payments(store: Store, item: Item) -> list[Json]:
    """Write the payment or payments of a schedule, whose amounts are negative."""
    account = store.get("monetary_account", item.account or 0)
    assert account is not None
    return [_planned(store, account, each) for each in item.body["payments"]]


def shape(store: Store, item: Item) -> Json:
    """Write a schedule with its payment or payments."""
    account = store.get("monetary_account", item.account or 0)
    assert account is not None
    own = payments.own_label(store, account)
    planned = _planned_payments(store, item)
    what = {"payments": planned} if item.body["batch"] else {"payment": planned[0]}
    return {
        wrapper_of(item): {
            "id": item.id,
            "created": item.created,
            "updated": item.updated,
            "monetary_account_id": item.account,
            "schedule": schedule_shape(item),
            "status": item.body["status"],
            "purpose": item.body.get("purpose"),
            "label_schedule_user_created": own,
            "label_schedule_user_canceled": own if item.body["status"] == "CANCELLED" else None,
            **what,
            "request_reference_split_the_bill": [],
        }
    }


def anchored(store: Store, item: Item) -> Json:
    """Write what is planned as other objects hold it: under the name of what it becomes."""
    planned = _planned_payments(store, item)
    return {"PaymentBatch": {"payments": planned}} if item.body["batch"] else {"Payment": planned[0]}


def listed_shape(store: Store, item: Item) -> Json:
    """Write a schedule as it stands among all kinds of them: its times, and what it will do."""
    return {
        "id": item.id,
        "created": item.created,
        "updated": item.updated,
        "monetary_account_id": item.account,
        **schedule_shape(item),
        "object": anchored(store, item),
    }


def _planned(store: Store, account: Item, wanted: Json) -> Json:
    order = payments.read_order(store, account, wanted)
    return {
        "amount": amount(-order.cents, order.currency),
        "alias": accounts.label(store, account),
        "counterparty_alias": payments.counterparty(store, order.party.sees),
        "description": order.description,
        "attachment": [{"id": each, "monetary_account_id": account.id} for each in order.attachments],
        "merchant_reference": order.merchant_reference,
        "type": "EBA_SCT" if order.party.is_external else "BUNQ",
        "sub_type": "SCT" if order.party.is_external else "PAYMENT",
    }


def instance_shape(store: Store, item: Item, instance: Item) -> Json:
    """Write one run of a schedule."""
    moment = wire.time_text(instance.body["moment"])
    return {
        "ScheduledInstance": {
            "id": instance.id,
            "created": instance.created,
            "updated": instance.updated,
            "state": instance.body["state"],
            "error_message": instance.body["error_message"]
            and [wire.error_body(each)["Error"][0] for each in instance.body["error_message"]],
            "time_start": moment,
            "time_end": moment,
            "scheduled_object": anchored(store, item),
            "result_object": _made(store, instance),
            "request_reference_split_the_bill": [],
        }
    }


def _made(store: Store, instance: Item) -> Json | None:
    account = store.get("monetary_account", instance.account or 0)
    assert account is not None
    if instance.body["payment_id"]:
        return payments.shape(store, account, instance.body["payment_id"])
    batch = store.get("payment_batch", instance.body["batch_id"] or 0)
    return None if batch is None else payments.batch_shape(store, account, batch)
