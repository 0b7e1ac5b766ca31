"""`bunqme-tab`: a link that others pay.

https://doc.bunq.com/api-reference/bunqme
"""

from __future__ import annotations

import uuid

from flask import request

from bunqflask.sandbox.bank import accounts, events, payments, wire
from bunqflask.sandbox.bank.payment_links import LIFETIME_S, result_shapes, status_of
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, amount, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource

resource = Resource()


def _entry(call: Call) -> Json:
    """Return what a link asks for.

    :raises Refusal: 400, something is missing or wrong.
    """
    entry = call.json.get("bunqme_tab_entry")
    if not isinstance(entry, dict):
        raise wire.invalid("The field bunqme_tab_entry is required.")
    cents, currency = wire.read_amount(entry.get("amount_inquired"), "amount_inquired")
    if currency != call.account.body["currency"]:
        raise wire.invalid("The amount is not in the currency of the account.")
    description = entry.get("description")
    if not isinstance(description, str) or len(description) > 9000:
        raise wire.invalid("The field description is required and has at most 9000 characters.")
    redirect_url = entry.get("redirect_url")
    if redirect_url is not None:
        wire.read_url(redirect_url, "redirect_url")
    return {"cents": cents, "currency": currency, "description": description, "redirect_url": redirect_url}


@resource.post(A + "/bunqme-tab")
def create(call: Call) -> Answer:
    """Make a link. Needs no signature."""
    payments.check_active(call.account)
    expires = call.store.clock.timestamp() + LIFETIME_S
    tab = call.store.insert(
        "bunqme_tab",
        {**_entry(call), "status": "WAITING_FOR_PAYMENT", "expires": expires},
        owner=call.user.id,
        account=call.account.id,
        name=str(uuid.uuid4()),
    )
    _tell(call, tab, [("BUNQME_TAB", "BUNQME_TAB_CREATED")], action="CREATE")
    return id_answer(tab.id)


def _tell(call: Call, tab: Item, notify: list[tuple[str, str]], *, action: str) -> None:
    thing, user_id = shape(call, tab), call.user.id
    events.happened(call.bank, user_id=user_id, account_id=tab.account, thing=thing, notify=notify, action=action)


def shape(call: Call, tab: Item) -> Json:
    """Write a link. Its status stays after a payment; payments show in `result_inquiries`.

    The address leads to a page of this sandbox that can be paid, where bunq's sandbox has none.
    """
    store, body = call.store, tab.body
    account = store.get("monetary_account", tab.account or 0)
    assert account is not None
    label = accounts.label(store, account)
    entry = {
        "uuid": tab.name,
        "created": tab.created,
        "updated": tab.updated,
        "amount_inquired": amount(body["cents"], body["currency"]),
        "status": status_of(store, tab),
        "description": body["description"],
        "alias": label,
        "redirect_url": body["redirect_url"],
        "merchant_available": [
            {"merchant_type": "IDEAL", "available": True},
            {"merchant_type": "SOFORT", "available": True},
        ],
    }
    return {
        "BunqMeTab": {
            "id": tab.id,
            "created": tab.created,
            "updated": tab.updated,
            "time_expiry": wire.time_text(body["expires"]),
            "monetary_account_id": tab.account,
            "status": status_of(store, tab),
            "type": "BUNQ_ME",
            "alias_monetary_account": label,
            "bunqme_tab_share_url": f"{request.host_url}t/{tab.name}",
            "bunqme_tab_entry": entry,
            "bunqme_tab_entries": [entry],
            "result_inquiries": result_shapes(store, account, tab),
        }
    }


@resource.get(A + "/bunqme-tab")
def index(call: Call) -> Answer:
    """List links."""
    return call.page("bunqme_tab", lambda item: shape(call, item), account=call.account.id)


def _own(call: Call, tab_id: int) -> Item:
    return call.load("bunqme_tab", tab_id, "Bunqme tab", account=call.account.id)


@resource.get(A + "/bunqme-tab/<int:tab_id>")
def read(call: Call, tab_id: int) -> Answer:
    """Read one."""
    return Answer([shape(call, _own(call, tab_id))])


@resource.put(A + "/bunqme-tab/<int:tab_id>")
def update(call: Call, tab_id: int) -> Answer:
    """Cancel a link, or change what it asks for."""
    tab = _own(call, tab_id)
    status, changes = call.json.get("status"), _entry(call) if "bunqme_tab_entry" in call.json else {}
    if status not in (None, "CANCELLED", "WAITING_FOR_PAYMENT") or not (status or changes):
        raise wire.invalid("The field status must be CANCELLED.")
    if status_of(call.store, tab) != "WAITING_FOR_PAYMENT":
        raise wire.invalid("The link is not waiting for a payment.")
    tab.body |= {**changes, "status": status or "WAITING_FOR_PAYMENT"}
    call.store.save(tab)
    # bunq's list of event types has none for this: it is in the list of events only.
    _tell(call, tab, [], action="UPDATE")
    return id_answer(tab.id)


@resource.get(A + "/bunqme-tab-result-response/<int:result_id>")
def read_result(call: Call, result_id: int) -> Answer:
    """Read one payment of a link."""
    result = call.load("bunqme_result", result_id, "Bunqme tab result response", account=call.account.id)
    tab = call.store.get("bunqme_tab", result.parent or 0)
    assert tab is not None
    shown = [each for each in result_shapes(call.store, call.account, tab) if each["id"] == result.id]
    return Answer([{"BunqMeTabResultResponse": shown[0]}])
