"""Draft payments: prepared by an app, decided by the account holder.

https://doc.bunq.com/api-reference/draft-payment
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, events, payments, schedules, wire
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal, amount

ENTRIES_MAXIMUM = 350

# bunq names no end of drafts; these 30 days are invented, and so is that such a draft counts as cancelled.
LIFETIME_S = 30 * 86400


def prepare(bank: Bank, account: Item, body: Json) -> Item:
    """Keep a draft.

    :raises Refusal: 400, something is missing or wrong.
    """
    store = bank.store
    payments.check_active(account)
    if body.get("number_of_required_accepts") != 1:
        raise wire.invalid("The field number_of_required_accepts is required and must be 1.")
    if body.get("status", "PENDING") not in ("PENDING", "ACTIVE"):
        raise wire.invalid("The field status must be PENDING.")
    entries = _read_entries(store, account, body.get("entries"))
    given = body.get("schedule")
    draft = store.insert(
        "draft_payment",
        {
            "status": "PENDING",
            "entries": entries,
            "responses": None,
            "payment_id": None,
            "batch_id": None,
            "schedule": None if given is None else schedules.read_schedule(bank, given),
            "schedule_id": None,
        },
        owner=account.owner,
        account=account.id,
    )
    bank.later("draft_expires", LIFETIME_S, {"draft_id": draft.id})
    _tell(bank, draft, [("DRAFT_PAYMENT", "DRAFT_PAYMENT_CREATED")], action="CREATE")
    return draft


def _read_entries(store: Store, account: Item, wanted: object) -> list[Json]:
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= ENTRIES_MAXIMUM:
        raise wire.invalid(f"The field entries must hold 1 to {ENTRIES_MAXIMUM} payments.")
    entries = []
    for each in wanted:
        order = payments.read_order(store, account, each)
        if order.currency != account.body["currency"]:
            raise wire.invalid("The amount is not in the currency of the account.")
        entries.append(
            {
                "id": store.next_id(),
                "cents": order.cents,
                "pointer": each["counterparty_alias"],
                "sees": order.party.sees,
                "description": order.description,
                "attachment": list(order.attachments),
                "merchant_reference": order.merchant_reference,
            }
        )
    return entries


def change(bank: Bank, account: Item, draft: Item, body: Json) -> None:
    """Change what a draft is to pay, or when.

    :raises Refusal: 400, decided before, nothing to change, or something is wrong.
    """
    check_pending(draft)
    if "entries" not in body and "schedule" not in body:
        raise wire.invalid("The field status must be ACCEPTED, REJECTED or CANCELLED.")
    if "entries" in body:
        draft.body["entries"] = _read_entries(bank.store, account, body["entries"])
    if "schedule" in body:
        draft.body["schedule"] = schedules.read_schedule(bank, body["schedule"])
    bank.store.save(draft)
    _tell(bank, draft, [], action="UPDATE")


def check_pending(draft: Item) -> None:
    """Refuse a draft that was decided before.

    :raises Refusal: 400 (invented text).
    """
    if draft.body["status"] != "PENDING":
        raise Refusal(400, f"The draft payment is already {draft.body['status'].lower()}.")


def accept(bank: Bank, account: Item, draft: Item) -> None:
    """Pay all entries, one as a payment, several as a batch; or plan them, where the draft has a schedule.

    :raises Refusal: 400, decided before, or no money.
    """
    check_pending(draft)
    if draft.body.get("schedule"):
        wanted: list[object] = [_wanted(each, account) for each in draft.body["entries"]]
        item = schedules.create(bank, account, wanted, draft.body["schedule"], batch=len(wanted) > 1)
        draft.body["schedule_id"] = item.id
        _decide(bank, draft, "ACCEPTED")
        return
    orders = [_order(bank.store, each, account) for each in draft.body["entries"]]
    if len(orders) == 1:
        draft.body["payment_id"] = payments.pay(bank, account, orders[0])[0]
    else:
        draft.body["batch_id"] = payments.pay_batch(bank, account, orders).id
    _decide(bank, draft, "ACCEPTED")


def _wanted(entry: Json, account: Item) -> Json:
    """Write an entry as the request of a payment."""
    return {
        "amount": amount(entry["cents"], account.body["currency"]),
        "counterparty_alias": entry["pointer"],
        "description": entry["description"],
        "attachment": [{"id": each} for each in entry["attachment"]],
        "merchant_reference": entry["merchant_reference"],
    }


def _order(store: Store, entry: Json, account: Item) -> payments.Order:
    return payments.Order(
        party=payments.find_party(store, entry["pointer"]),
        cents=entry["cents"],
        currency=account.body["currency"],
        description=entry["description"],
        attachments=tuple(entry["attachment"]),
        merchant_reference=entry["merchant_reference"],
    )


def reject(bank: Bank, draft: Item) -> None:
    """Refuse the draft.

    :raises Refusal: 400, decided before.
    """
    check_pending(draft)
    _decide(bank, draft, "REJECTED")


def cancel(bank: Bank, draft: Item) -> None:
    """Take the draft back.

    :raises Refusal: 400, decided before.
    """
    check_pending(draft)
    _decide(bank, draft, "CANCELLED")


def _decide(bank: Bank, draft: Item, status: str) -> None:
    draft.body["status"] = status
    if status != "CANCELLED":
        draft.body["responses"] = [status]
    bank.store.save(draft)
    _tell(bank, draft, [("DRAFT_PAYMENT", f"DRAFT_PAYMENT_{status}")], action="UPDATE")


@job("draft_expires")
def _expire(bank: Bank, _moment: float, body: Json) -> None:
    draft = bank.store.get("draft_payment", body["draft_id"])
    if draft is not None and draft.body["status"] == "PENDING":
        _decide(bank, draft, "CANCELLED")


def _tell(bank: Bank, draft: Item, notify: list[tuple[str, str]], action: str) -> None:
    events.happened(
        bank,
        user_id=draft.owner or 0,
        account_id=draft.account,
        thing=shape(bank.store, draft),
        notify=notify,
        action=action,
        status="AWAITING_REPLY" if draft.body["status"] == "PENDING" else "FINALIZED",
    )


def shape(store: Store, draft: Item) -> Json:
    """Write a draft. Amounts of entries are positive."""
    body = draft.body
    account = store.get("monetary_account", draft.account or 0)
    assert account is not None
    own = payments.own_label(store, account)
    responses = body["responses"]
    return {
        "DraftPayment": {
            "id": draft.id,
            "created": draft.created,
            "updated": draft.updated,
            "monetary_account_id": draft.account,
            "status": body["status"],
            "type": "BUNQ",
            "user_alias_created": own,
            "responses": responses and [{"status": each, "user_alias_created": own} for each in responses],
            "entries": [_entry_shape(store, account, each) for each in body["entries"]],
            "object": _made(store, account, body),
            "schedule": _planned(store, body),
            "request_reference_split_the_bill": [],
        }
    }


def _entry_shape(store: Store, account: Item, entry: Json) -> Json:
    return {
        "id": entry["id"],
        "amount": amount(entry["cents"], account.body["currency"]),
        "alias": accounts.label(store, account),
        "counterparty_alias": payments.counterparty(store, entry["sees"]),
        "description": entry["description"],
        "type": "BUNQ",
        "attachment": [{"id": each, "monetary_account_id": account.id} for each in entry["attachment"]],
        "merchant_reference": entry["merchant_reference"],
    }


def _planned(store: Store, body: Json) -> Json | None:
    """Write when a draft's payments are to be made, if it says so."""
    kept = body.get("schedule")
    if kept is None:
        return None
    item = store.get("schedule", body.get("schedule_id") or 0)
    return schedules.times_shape(kept, "ACTIVE") if item is None else schedules.schedule_shape(item)


def _made(store: Store, account: Item, body: Json) -> Json | None:
    planned = store.get("schedule", body.get("schedule_id") or 0)
    if planned is not None:
        return schedules.shape(store, planned)
    if body["payment_id"]:
        return payments.shape(store, account, body["payment_id"])
    batch = store.get("payment_batch", body["batch_id"] or 0)
    return None if batch is None else payments.batch_shape(store, account, batch)
