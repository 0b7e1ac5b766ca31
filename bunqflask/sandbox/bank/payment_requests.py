"""Payment requests: an inquiry on the side that asks, a response on the side that pays.

https://doc.bunq.com/api-reference/request
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from flask import has_request_context, request

from bunqflask.sandbox.bank import accounts, events, files, ledger, payments, people, wire
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal, amount

# The kind of item of a request on the side of the one who asks.
INQUIRY = "request_inquiry"

# The sugar daddy pays up to this many cents, before the next call: clients look at once.
SUGAR_LIMIT = 50000
SUGAR_EMAIL = "sugardaddy@bunq.com"

# bunq names no lifetime of requests; this one is invented, after that of payment links.
LIFETIME_S = 30 * 86400


# Which addresses the one who pays must give; bunq's OpenAPI names no values, these are the SDKs'.
ADDRESSES = {"NONE": (), "OPTIONAL": (), "BILLING": ("billing",), "SHIPPING": ("shipping",)}
ADDRESSES["BILLING_SHIPPING"] = ("billing", "shipping")


def read_request(store: Store, account: Item, body: Json) -> Json:
    """Check a request, and return the fields that are stored of it.

    :raises Refusal: 400, something is missing or wrong.
    """
    cents, currency = wire.read_amount(body.get("amount_inquired"), "amount_inquired")
    if currency != account.body["currency"]:
        raise wire.invalid("The amount is not in the currency of the account.")
    description = body.get("description")
    if not isinstance(description, str) or len(description) > payments.INTERNAL_TEXT:
        raise wire.invalid("The field description is required.")
    if not isinstance(body.get("allow_bunqme"), bool):
        raise wire.invalid("The field allow_bunqme is required and must be true or false.")
    for name, kind, what in (
        *((name, bool, "true or false") for name in ("want_tip", "allow_amount_lower", "allow_amount_higher")),
        ("minimum_age", int, "a number"),
        ("merchant_reference", str, "a text"),
    ):
        if body.get(name) is not None and type(body[name]) is not kind:
            raise wire.invalid(f"The field {name} must be {what}.")
    if body.get("require_address") not in (None, *ADDRESSES):
        raise wire.invalid(f"The field require_address must be one of {', '.join(ADDRESSES)}.")
    if body.get("redirect_url") is not None:
        wire.read_url(body["redirect_url"], "redirect_url")
    return {
        "cents": cents,
        "currency": currency,
        "description": description,
        "attachment": files.read_ids(store, account, body.get("attachment")),
        "merchant_reference": body.get("merchant_reference"),
        "minimum_age": body.get("minimum_age"),
        "require_address": body.get("require_address"),
        "redirect_url": body.get("redirect_url"),
        "allow_bunqme": body["allow_bunqme"],
        "allow_lower": bool(body.get("allow_amount_lower")),
        "allow_higher": bool(body.get("allow_amount_higher") or body.get("want_tip")),
    }


def ask(bank: Bank, account: Item, body: Json, **references: Any) -> Item:
    """Request money; return the inquiry.

    `references` are members of RequestInquiry that say what it belongs to, as batch_id, or where it was made.

    :raises Refusal: 400, something is missing or wrong.
    """
    store = bank.store
    payments.check_active(account)
    kept = read_request(store, account, body)
    kind, value, name = payments.read_pointer(body.get("counterparty_alias"))
    other = accounts.find(store, kind, value)
    if other is not None and other.id == account.id:
        raise wire.invalid("An account cannot ask itself.")
    sees: Json = {"account": other.id} if other else {"iban": value if kind == "IBAN" else None, "name": name or value}
    inquiry = store.insert(
        INQUIRY,
        {
            **kept,
            "sees": sees,
            "status": "PENDING",
            "responded": None,
            "time_responded": None,
            "response_id": None,
            "references": references,
        },
        owner=account.owner,
        account=account.id,
        name=str(uuid.uuid4()),
    )
    _tell(bank, inquiry, "REQUEST_INQUIRY_CREATED")
    if other is not None:
        response = store.insert("request_response", {"inquiry_id": inquiry.id}, owner=other.owner, account=other.id)
        inquiry.body["response_id"] = response.id
        store.save(inquiry, touch=False)
        _tell_response(bank, response, "REQUEST_RESPONSE_CREATED", action="CREATE")
        if people.by_id(store, other.owner or 0).body["email"] == SUGAR_EMAIL:
            bank.later("sugar_daddy", 0, {"response_id": response.id})
    bank.later("request_expires", LIFETIME_S, {"inquiry_id": inquiry.id})
    return inquiry


def from_outside(money: tuple[int, str], description: str, sees: Json, *, kind: str, sub_type: str) -> Json:
    """Return the body of a response that was accepted: to a shop's iDEAL, or a creditor's direct debit.

    `money` is (cents, currency); `sees` is what the ledger remembers of the other side.
    """
    cents, currency = money
    creditor = hashlib.sha256(sees["name"].encode()).hexdigest()
    is_debit = kind == "DIRECT_DEBIT"
    return {
        "cents": cents,
        "currency": currency,
        "description": description,
        "sees": sees,
        "type": kind,
        "sub_type": sub_type,
        "status": "ACCEPTED",
        "responded": cents,
        "credit_scheme_identifier": f"NL{int(creditor[:8], 16) % 97 + 2:02d}ZZZ{creditor[8:20].upper()}"
        if is_debit
        else None,
        "mandate_identifier": f"M-{int(creditor[20:28], 16):010d}" if is_debit else None,
        "attachment": [],
        "references": {},
        **dict.fromkeys(("minimum_age", "require_address", "redirect_url", "time_responded", "event_id")),
    }


def inquiry_of(store: Store, response: Item) -> Item:
    """Return the other side of a response; one that came from outside the bank has none, and says all itself."""
    if "inquiry_id" not in response.body:
        return response
    inquiry = store.get(INQUIRY, response.body["inquiry_id"])
    assert inquiry is not None
    return inquiry


def accept(bank: Bank, response: Item, answer: Json | None = None) -> int:
    """Pay the requested amount, or that of the answer; return the id of the payment.

    :raises Refusal: 400, already answered, another amount than may be given, an address is missing, or no money.
    """
    store = bank.store
    inquiry, answer = inquiry_of(store, response), answer or {}
    _check_pending(inquiry)
    body = inquiry.body
    cents, currency, given = body["cents"], body["currency"], answer.get("amount_responded")
    if given is not None:
        cents, currency = wire.read_amount(given, "amount_responded")
        if currency != body["currency"]:
            raise wire.invalid("The amount is not in the currency of the request.")
    if (cents < body["cents"] and not body["allow_lower"]) or (cents > body["cents"] and not body["allow_higher"]):
        raise wire.invalid("The request can only be accepted with the amount that was inquired.")
    for which in ADDRESSES[body["require_address"] or "NONE"]:
        wire.read_address(answer.get(f"address_{which}"), f"address_{which}")
    payer = store.get("monetary_account", response.account or 0)
    receiver = store.get("monetary_account", inquiry.account or 0)
    assert payer is not None
    assert receiver is not None
    order = payments.Order(
        party=payments.Party(receiver, {"account": receiver.id}),
        cents=cents,
        currency=currency,
        description=body["description"],
        attachments=tuple(body["attachment"]),
        merchant_reference=body["merchant_reference"],
    )
    paid, _received = payments.pay(bank, payer, order, sub_type="REQUEST")
    body["responded"] = cents
    for which in ("billing", "shipping"):
        if answer.get(f"address_{which}") is not None:
            body[f"address_{which}"] = wire.read_address(answer[f"address_{which}"], f"address_{which}")
    _finish(bank, inquiry, "ACCEPTED")
    return paid


def accept_by_hand(bank: Bank, response: Item) -> int:
    """Pay the requested amount as a person does on the phone, where the own address is filled in.

    :raises Refusal: 400, already answered, or no money.
    """
    address = people.main_address(people.by_id(bank.store, response.owner or 0))
    needed = ADDRESSES[inquiry_of(bank.store, response).body["require_address"] or "NONE"]
    return accept(bank, response, {f"address_{which}": address for which in needed})


def reject(bank: Bank, response: Item) -> None:
    """Refuse to pay.

    :raises Refusal: 400, already answered.
    """
    inquiry = inquiry_of(bank.store, response)
    _check_pending(inquiry)
    _finish(bank, inquiry, "REJECTED")


def settle(bank: Bank, inquiry: Item, payment_id: int) -> None:
    """Mark a request as accepted after a payment from another bank through its link.

    :raises Refusal: 400, already answered.
    """
    _check_pending(inquiry)
    paid = ledger.entry(bank.store, inquiry.account or 0, payment_id)
    inquiry.body["responded"] = None if paid is None else paid.amount
    _finish(bank, inquiry, "ACCEPTED")


def revoke(bank: Bank, inquiry: Item) -> None:
    """Revoke the request.

    :raises Refusal: 400, already answered.
    """
    _check_pending(inquiry)
    _finish(bank, inquiry, "REVOKED")


def _check_pending(inquiry: Item) -> None:
    if inquiry.body["status"] != "PENDING":
        raise Refusal(400, f"The request is already {inquiry.body['status'].lower()}.")


def _finish(bank: Bank, inquiry: Item, status: str) -> None:
    store = bank.store
    inquiry.body["status"] = status
    if status in ("ACCEPTED", "REJECTED"):
        inquiry.body["time_responded"] = bunq_time(store.clock.now())
    if status == "EXPIRED":
        inquiry.body["time_expiry"] = bunq_time(store.clock.now())
    store.save(inquiry)
    _tell(bank, inquiry, f"REQUEST_INQUIRY_{status}", action="UPDATE")
    response = store.get("request_response", inquiry.body["response_id"] or 0)
    if response is not None:
        store.save(response)
        _tell_response(bank, response, f"REQUEST_RESPONSE_{status}", action="UPDATE")


@job("sugar_daddy")
def _sugar_daddy(bank: Bank, _moment: float, body: Json) -> None:
    response = bank.store.get("request_response", body["response_id"])
    if response is None or inquiry_of(bank.store, response).body["status"] != "PENDING":
        return
    if inquiry_of(bank.store, response).body["cents"] <= SUGAR_LIMIT:
        accept_by_hand(bank, response)
    else:
        reject(bank, response)


@job("request_expires")
def _expire(bank: Bank, _moment: float, body: Json) -> None:
    inquiry = bank.store.get(INQUIRY, body["inquiry_id"])
    if inquiry is not None and inquiry.body["status"] == "PENDING":
        _finish(bank, inquiry, "EXPIRED")


def _tell(bank: Bank, inquiry: Item, event_type: str, action: str = "CREATE") -> None:
    events.happened(
        bank,
        user_id=inquiry.owner or 0,
        account_id=inquiry.account,
        thing=inquiry_shape(bank.store, inquiry),
        notify=[("REQUEST", event_type)],
        action=action,
        status="AWAITING_REPLY" if inquiry.body["status"] == "PENDING" else "FINALIZED",
    )


def _tell_response(bank: Bank, response: Item, event_type: str, action: str) -> None:
    pending = inquiry_of(bank.store, response).body["status"] == "PENDING"
    event = events.happened(
        bank,
        user_id=response.owner or 0,
        account_id=response.account,
        thing=response_shape(bank.store, response),
        notify=[("REQUEST", event_type)],
        action=action,
        status="AWAITING_REPLY" if pending else "FINALIZED",
    )
    response.body["event_id"] = event.id
    bank.store.save(response, touch=False)


def _expiry(inquiry: Item) -> str:
    """Return when a request expires, or did."""
    return str(
        inquiry.body.get("time_expiry") or bunq_time(parse_bunq_time(inquiry.created) + timedelta(seconds=LIFETIME_S))
    )


def _account(store: Store, account_id: int | None) -> Item:
    account = store.get("monetary_account", account_id or 0)
    assert account is not None
    return account


def inquiry_shape(store: Store, inquiry: Item) -> Json:
    """Write the side of the one who asks."""
    body = inquiry.body
    account = _account(store, inquiry.account)
    responded = body["responded"]
    # Somebody outside bunq pays through a link; without a call in progress the bank does not know its own address.
    shared = body["allow_bunqme"] and "account" not in body["sees"] and has_request_context()
    return {
        "RequestInquiry": {
            "id": inquiry.id,
            "created": inquiry.created,
            "updated": inquiry.updated,
            "time_responded": body["time_responded"],
            "time_expiry": body.get("time_expiry"),
            "monetary_account_id": inquiry.account,
            "amount_inquired": amount(body["cents"], body["currency"]),
            "amount_responded": None if responded is None else amount(responded, body["currency"]),
            "status": body["status"],
            "description": body["description"],
            "merchant_reference": body["merchant_reference"],
            "user_alias_created": payments.own_label(store, account),
            "user_alias_revoked": payments.own_label(store, account) if body["status"] == "REVOKED" else None,
            "counterparty_alias": payments.counterparty(store, body["sees"]),
            "attachment": [{"id": each} for each in body["attachment"]],
            "minimum_age": body["minimum_age"],
            "require_address": body["require_address"],
            "geolocation": body["references"].get("geolocation"),
            "type": "INTERNAL",
            "sub_type": "NONE",
            "bunqme_share_url": f"{request.host_url}t/{inquiry.name}" if shared else None,
            "redirect_url": body["redirect_url"],
            "batch_id": body["references"].get("batch_id"),
            "scheduled_id": None,
            "address_billing": body.get("address_billing"),
            "address_shipping": body.get("address_shipping"),
            "reference_split_the_bill": body["references"].get("reference_split_the_bill"),
        }
    }


def response_shape(store: Store, response: Item) -> Json:
    """Write the side of the one who is asked."""
    inquiry = inquiry_of(store, response)
    body = inquiry.body
    asked = _account(store, response.account)
    from_here = inquiry is not response
    asking = {"account": inquiry.account} if from_here else body["sees"]
    attached = [each for each in (store.get("attachment", id) for id in body["attachment"]) if each is not None]
    responded = body["responded"]
    return {
        "RequestResponse": {
            "id": response.id,
            "created": response.created,
            "updated": response.updated,
            "time_responded": body["time_responded"],
            "time_expiry": _expiry(inquiry),
            "time_refund_requested": None,
            "time_refunded": None,
            "monetary_account_id": response.account,
            "amount_inquired": amount(body["cents"], body["currency"]),
            "amount_responded": None if responded is None else amount(responded, body["currency"]),
            "status": body["status"],
            "description": body["description"],
            "alias": accounts.label(store, asked),
            "counterparty_alias": payments.counterparty(store, asking),
            "attachment": [{"id": each.id, **files.shape(each)} for each in attached],
            "minimum_age": body["minimum_age"],
            "require_address": body["require_address"],
            "geolocation": body["references"].get("geolocation"),
            "redirect_url": body["redirect_url"],
            **_origin_shape(body),
            "eligible_whitelist_id": None,
            "address_billing": body.get("address_billing"),
            "address_shipping": body.get("address_shipping"),
            "request_reference_split_the_bill": [],
            "event_id": response.body.get("event_id"),
        }
    }


def _origin_shape(body: Json) -> Json:
    """Write where a request came from: this bank, unless it says otherwise."""
    return {
        "type": body.get("type", "INTERNAL"),
        "sub_type": body.get("sub_type", "NONE"),
        "credit_scheme_identifier": body.get("credit_scheme_identifier"),
        "mandate_identifier": body.get("mandate_identifier"),
    }
