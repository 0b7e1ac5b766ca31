"""Payments with cards: paying, reversing, settling, and how bunq writes a card transaction.

https://doc.bunq.com/api-reference/mastercard-action
"""

from __future__ import annotations

from typing import Any

from bunqflask.sandbox.bank import accounts, events, ledger, payments, people, wire
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import amount

# Members of a card transaction that this bank never fills in.
ACTION_MEMBERS_WITHOUT_VALUE = (
    *("token_status", "reservation_expiry_time", "applied_limit", "secure_code_id", "wallet_provider_id"),
    *("merchant_id", "eligible_whitelist_id"),
)

# How long a shop takes to present what was paid; invented.
SETTLED_AFTER_S = 86400


def pay(
    bank: Bank,
    card: Item,
    merchant: Json,
    cents: int,
    *,
    city: str,
    country: str = "NL",
    withdrawal: bool = False,
) -> Item:
    """Pay with a card at a merchant, or take money from a machine; return the transaction, which may be a refusal.

    `merchant` is what the ledger remembers of the other side: name and mcc.
    """
    store = bank.store
    account = _payer(store, card, cents)
    action = allowed_body(
        card_id=card.id,
        merchant=merchant,
        cents=cents,
        city=city,
        country=country,
        description=f"{merchant['name']} {city}, {country}",
        withdrawal=withdrawal,
    )
    action["decision"] = _decide(store, card, account, cents, country, withdrawal=withdrawal)
    if action["decision"] == "ALLOWED":
        action |= {"payment_id": _debit(store, account, action), "clearing": "PENDING"}
    item = store.insert("mastercard_action", action, owner=card.owner, account=account.id)
    if action["payment_id"] is None:
        _tell(bank, item, "CARD_TRANSACTION_FAILED", "CARD_TRANSACTION_NOT_ALLOWED", event_action="CREATE")
        return item
    allowed = "CARD_WITHDRAWAL_ALLOWED" if withdrawal else "CARD_PAYMENT_ALLOWED"
    _tell(bank, item, "CARD_TRANSACTION_SUCCESSFUL", allowed, event_action="CREATE")
    payments.tell(bank, account, action["payment_id"], "MASTERCARD")
    bank.later("card_payment_settles", SETTLED_AFTER_S, {"action_id": item.id})
    return item


def allowed_body(**facts: Any) -> Json:
    """Return the body of a card transaction that was allowed.

    `local` is (value, currency) where the merchant took another currency than the account has.
    """
    nothing_yet = dict.fromkeys(("payment_id", "reversal_id", "clearing", "local"))
    return {"decision": "ALLOWED", **nothing_yet, **facts}


def _debit(store: Store, account: Item, action: Json) -> int:
    """Move the money of a card payment to the merchant; return the id of the payment."""
    paid, _outside = ledger.move(
        store,
        ledger.Transfer(
            debit=account.id,
            credit=ledger.outside(store, account.body["currency"]),
            cents=action["cents"],
            description=action["description"],
            debit_sees=action["merchant"],
            credit_sees={"account": account.id},
            type="MASTERCARD",
            sub_type="WITHDRAWAL" if action["withdrawal"] else "PAYMENT",
        ),
    )
    return paid


def reverse(bank: Bank, action: Item) -> int:
    """Let a merchant give the money back; return the id of the payment.

    :raises Refusal: 400, nothing was paid, or it came back before.
    """
    store, body = bank.store, action.body
    account = store.get("monetary_account", action.account or 0)
    assert account is not None
    if body["payment_id"] is None or body["reversal_id"] is not None:
        raise wire.invalid("There is nothing to give back.")
    _outside, returned = ledger.move(
        store,
        ledger.Transfer(
            debit=ledger.outside(store, account.body["currency"]),
            credit=account.id,
            cents=body["cents"],
            description=body["description"],
            debit_sees={"account": account.id},
            credit_sees=body["merchant"],
            type="MASTERCARD",
            sub_type="REVERSAL",
        ),
    )
    body["reversal_id"] = returned
    store.save(action)
    _tell(bank, action, "CARD_TRANSACTION_SUCCESSFUL", "CARD_REVERSAL_ALLOWED")
    payments.tell(bank, account, returned, "REVERSAL")
    return returned


@job("card_payment_settles")
def _settle(bank: Bank, _moment: float, body: Json) -> None:
    action = bank.store.get("mastercard_action", body["action_id"])
    if action is not None:
        action.body["clearing"] = "FIRST_PRESENTMENT_COMPLETE"
        bank.store.save(action)
        _tell(bank, action, "CARD_TRANSACTION_UPDATED", "CARD_PAYMENT_SETTLED")


def _tell(bank: Bank, action: Item, category: str, event_type: str, *, event_action: str = "UPDATE") -> None:
    events.happened(
        bank,
        user_id=action.owner or 0,
        account_id=action.account,
        thing=action_shape(bank.store, action),
        notify=[(category, event_type)],
        action=event_action,
    )


def _payer(store: Store, card: Item, cents: int) -> Item:
    """Return the account that pays: the card's, or its fallback where the first lacks the money."""
    account = store.get("monetary_account", card.body["account"])
    assert account is not None
    fallback = store.get("monetary_account", card.body["fallback"] or 0)
    if fallback is not None and not _holds(store, account, cents) and _holds(store, fallback, cents):
        return fallback
    return account


def _holds(store: Store, account: Item, cents: int) -> bool:
    is_open = account.body["status"] == "ACTIVE"
    return is_open and ledger.balance(store, account.id)[0] + ledger.overdraft(store, account.id) >= cents


def _is_permitted(store: Store, permission: Json, country: str) -> bool:
    until = permission["expiry_time"]
    return permission["country"] == country and (until is None or until > people.now_text(store))


def _decide(store: Store, card: Item, account: Item, cents: int, country: str, *, withdrawal: bool) -> str:
    """Return ALLOWED or why not; only COUNTRY_NOT_PERMITTED is a recorded word, the others are invented."""
    if card.body["status"] != "ACTIVE":
        return "CARD_NOT_ACTIVE"
    if not any(_is_permitted(store, each, country) for each in card.body["countries"]):
        return "COUNTRY_NOT_PERMITTED"
    if cents > card.body["limit_atm" if withdrawal else "limit"]:
        return "LIMIT_EXCEEDED"
    if not _holds(store, account, cents):
        return "INSUFFICIENT_FUNDS"
    return "ALLOWED"


def action_shape(store: Store, action: Item) -> Json:
    """Write a card transaction."""
    body = action.body
    account = store.get("monetary_account", action.account or 0)
    card = store.get("card", body["card_id"])
    assert account is not None
    assert card is not None
    money = amount(body["cents"], account.body["currency"])
    local = money if body["local"] is None else {"currency": body["local"][1], "value": body["local"][0]}
    return {
        "MasterCardAction": {
            "id": action.id,
            "created": action.created,
            "updated": action.updated,
            "monetary_account_id": action.account,
            "card_id": card.id,
            "amount_local": local,
            "amount_converted": None,
            "amount_billing": money,
            "amount_original_local": local,
            "amount_original_billing": money,
            "amount_fee": amount(0, account.body["currency"]),
            **_decision_shape(body),
            "description": body["description"],
            "authorisation_type": "NORMAL_AUTHORISATION",
            "pan_entry_mode_user": "ATM" if body["withdrawal"] else "ICC",
            "settlement_status": None,
            "clearing_status": body["clearing"],
            "maturity_date": None,
            "city": body["city"],
            "alias": accounts.label(store, account),
            "counterparty_alias": payments.counterparty(store, body["merchant"]),
            "label_card": {**_label_shape(card), "label_user": payments.own_label(store, account)},
            "merchant_category_code": body["merchant"].get("mcc"),
            "request_reference_split_the_bill": [],
            **dict.fromkeys(ACTION_MEMBERS_WITHOUT_VALUE),
        }
    }


def _decision_shape(body: Json) -> Json:
    allowed = body["decision"] == "ALLOWED"
    reason = "" if allowed else body["decision"].replace("_", " ").capitalize()
    return {
        "decision": body["decision"],
        "payment_status": "PAYMENT_SUCCESSFUL" if allowed else "PAYMENT_FAILED",
        "decision_description": reason,
        "decision_description_translated": reason,
        "authorisation_status": "AUTHORISED" if allowed else "BLOCKED",
    }


def _label_shape(card: Item) -> Json:
    return {
        "uuid": card.body["public_uuid"],
        "type": card.body["type"],
        "second_line": card.body["second_line"],
        "expiry_date": card.body["expiry_date"],
        "status": card.body["status"],
    }
