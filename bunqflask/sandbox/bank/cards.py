"""Cards: ordering, freezing, and how bunq writes them.

https://doc.bunq.com/api-reference/card
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bunqflask.sandbox.bank import accounts, people, wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import amount

# Products that a card can be ordered as, and whether they exist on a phone only.
PRODUCTS = {
    "MASTERCARD_DEBIT": False,
    "MASTERCARD_TRAVEL": False,
    "MASTERCARD_BUSINESS": False,
    "MASTERCARD_GREEN": False,
    "MASTERCARD_METAL": False,
    "MASTERCARD_TRANSLINK": False,
    "MASTERCARD_CREDIT_PREPAID": False,
    "MASTERCARD_VIRTUAL": True,
    "MASTERCARD_JUNIOR": False,
    "MAESTRO_DEBIT": False,
    "MAESTRO": False,
    "MAESTRO_MOBILE_NFC": True,
    "CARD_CREDIT": False,
    "CARD_CREDIT_TRAVEL": False,
}
STATUSES = ("ACTIVE", "DEACTIVATED", "LOST", "STOLEN", "CANCELLED", "EXPIRED", "PIN_TRIES_EXCEEDED")
# From these a card does not come back.
FINAL = ("LOST", "STOLEN", "CANCELLED", "EXPIRED")
# A card that arrived; the states between the order and this one are passed over here.
DELIVERED = ("DELIVERED_TO_CUSTOMER", "VIRTUAL_DELIVERY")
# What is documented, and the most that a client met at bunq's own sandbox.
SECOND_LINE_DOCUMENTED, SECOND_LINE_MAXIMUM = 17, 21
LIFE = timedelta(days=5 * 365)


def possible_names(user: Item) -> list[str]:
    """Return the names that may be printed on a user's cards."""
    if user.body["type"] == people.COMPANY:
        return [user.body["legal_name"][:21], user.body["director"]]
    first, last = user.body["first_name"], user.body["last_name"]
    return [f"{first} {last}", f"{first[0]}. {last}", f"{last} {first[0]}."]


def order(store: Store, user: Item, account: Item, *, virtual: bool, created: str | None = None, **more: Any) -> Item:
    """Make a card that pays from an account. Members in `more` are the card's own; `created` is bunq's time."""
    with store.transaction():
        card_id = store.next_id()
        expiry = (store.clock.now() + LIFE).strftime("%Y-%m-28")
        body: Json = {
            "public_uuid": people.stable_uuid(f"card {card_id} {store.clock.timestamp()}"),
            "status": "ACTIVE" if virtual else "DEACTIVATED",
            "sub_status": "NONE",
            "order_status": "VIRTUAL_DELIVERY" if virtual else "CARD_REQUEST_PENDING",
            "expiry_date": expiry,
            "four_digit": f"{card_id * 7919 % 10000:04d}",
            "pan_id": store.next_id(),
            "account": account.id,
            "limit": 100_000,
            "limit_atm": 50_000,
            "countries": [{"id": store.next_id(), "country": "NL", "expiry_time": None}],
            "fallback": None,
            "virtual": virtual,
            "pan": {"description": "", "status": "ACTIVE"},
            "pins": [pin(store, "PRIMARY", "MANUAL", account.id)],
            **more,
        }
        return store.insert("card", body, item_id=card_id, owner=user.id, account=account.id, created=created)


def pin(store: Store, kind: str, routing: str, account_id: int) -> Json:
    """Make the assignment of an account to one of a card's PINs.

    Its id and times are not in bunq's OpenAPI, but clients that run at bunq rely on them.
    """
    now = people.now_text(store)
    more = {"type": kind, "routing_type": routing, "monetary_account_id": account_id, "status": "ACTIVE"}
    return {"id": store.next_id(), "created": now, "updated": now, **more}


def assign(card: Item, pins: list[Json]) -> None:
    """Let a card pay from the accounts of its PINs; without a choice it is the first one's."""
    card.body |= {"pins": pins, "account": pins[0]["monetary_account_id"]}
    card.account = card.body["account"]


def listed_as(bank: Bank, card: Item) -> str:
    """Return the name under which a card is read: SDKs expect `Card`, other clients one for each kind of card."""
    if bank.word("card_wrapper") == "Card":
        return "Card"
    return "CardCredit" if "CREDIT" in card.body["product_type"] else "CardDebit"


def shape(store: Store, card: Item, wrapper: str) -> Json:
    """Write a card. Never a full number, a security code or a PIN: this bank has none."""
    body = card.body
    account = store.get("monetary_account", body["account"])
    assert account is not None
    currency = account.body["currency"]
    label = accounts.label(store, account)
    code = next(iter(store.select("cvc2", parent=card.id, limit=1)), None)
    return {
        wrapper: {
            **_identity_shape(card),
            "primary_account_numbers": [_number_shape(card)],
            "card_limit": amount(body["limit"], currency),
            "card_limit_atm": amount(body["limit_atm"], currency),
            "country_permission": body["countries"],
            "label_monetary_account_ordered": label,
            "label_monetary_account_current": label,
            "pin_code_assignment": body["pins"],
            "monetary_account_id_fallback": body["fallback"],
            "country": "NL",
            "card_shipment_tracking_url": None,
            "is_card_eligible_for_free_replacement": False,
            "is_limited_edition": False,
            "card_generated_cvc2": code_shape(store, code)["CardGeneratedCvc2"] if code else None,
        }
    }


def _identity_shape(card: Item) -> Json:
    """Write which card it is, whose, and in which state."""
    body = card.body
    return {
        "id": card.id,
        "created": card.created,
        "updated": card.updated,
        "public_uuid": body["public_uuid"],
        "type": body["type"],
        "sub_type": "VIRTUAL" if body["virtual"] else "NONE",
        "user_id": card.owner,
        "user_owner_id": card.owner,
        "user_holder_id": card.owner,
        "product_type": body["product_type"],
        "first_line": body.get("first_line"),
        "second_line": body["second_line"],
        "name_on_card": body["name_on_card"],
        "preferred_name_on_card": body.get("preferred_name") or body["name_on_card"],
        "status": body["status"],
        "sub_status": body["sub_status"],
        "order_status": body["order_status"],
        "expiry_date": body["expiry_date"],
    }


def _number_shape(card: Item) -> Json:
    body = card.body
    return {
        "id": body["pan_id"],
        "uuid": people.stable_uuid(f"pan {card.id}"),
        **body["pan"],
        "monetary_account_id": body["account"],
        "four_digit": body["four_digit"],
        "type": "VIRTUAL" if body["virtual"] else "PHYSICAL",
    }


def code_shape(store: Store, code: Item) -> Json:
    """Write a security code of a virtual card: made up, always 000, and good for nothing."""
    expires = code.body["expires"]
    return {
        "CardGeneratedCvc2": {
            "id": code.id,
            "created": code.created,
            "updated": code.updated,
            "type": code.body["type"],
            "cvc2": "000",
            "status": "AVAILABLE" if expires > store.clock.timestamp() else "EXPIRED",
            "expiry_time": wire.time_text(expires),
        }
    }


def read_limit(call_value: object, field_name: str, currency: str) -> int:
    """Return a card's limit in cents.

    :raises Refusal: 400, not an amount, or another currency.
    """
    cents, given = wire.read_amount(call_value, field_name, zero_allowed=True)
    if given != currency:
        raise wire.invalid(f"The field {field_name} is not in the currency of the account.")
    return cents
