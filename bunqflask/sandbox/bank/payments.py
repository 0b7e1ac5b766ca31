"""Payments: their counterparty, how they are made, and bunq's JSON of them.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import has_request_context, request

from bunqflask.sandbox.bank import accounts, events, files, ledger, people, wire
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import Refusal, amount

EXTERNAL_TEXT, INTERNAL_TEXT = 140, 9000

# The kind of item of a link behind which money waits, and how long it does; bunq does not say.
BUNQTO = "bunqto"
BUNQTO_LIFETIME_S = 14 * 86400

# What the receiver gets to see of a payment's extra members; the others are the payer's own affair.
SHARED = ("attachment", "merchant_reference")


@dataclass(frozen=True)
class Party:
    """The counterparty: an account of this bank, or the name and IBAN of a party at another bank."""

    account: Item | None
    sees: Json

    @property
    def is_external(self) -> bool:
        """Tell whether the money goes to another bank; that of a bunq.to link waits here."""
        return self.account is None and not self.sees.get("bunqto")


def read_pointer(value: object, field_name: str = "counterparty_alias") -> tuple[str, str, str | None]:
    """Return (type, value, name) of a pointer in a request.

    :raises Refusal: 400, not a pointer, wrong IBAN, or an IBAN without a name.
    """
    if not isinstance(value, dict):
        raise wire.invalid(f"The field {field_name} must be a pointer with type and value.")
    kind, text, name = value.get("type"), value.get("value"), value.get("name")
    if kind not in ("IBAN", "EMAIL", "PHONE_NUMBER", "URL") or not isinstance(text, str) or not text:
        raise wire.invalid(f"The field {field_name} must be a pointer with type and value.")
    if name is not None and not isinstance(name, str):
        raise wire.invalid(f"The name in {field_name} must be a text.")
    if kind == "IBAN":
        text = re.sub(r"\s", "", text).upper()
        if not accounts.is_iban(text):
            raise wire.invalid(f'The IBAN "{text}" is not valid.')
        if not name:
            raise wire.invalid(f"The field {field_name} needs a name with an IBAN.")
    return kind, text, name


def find_party(
    store: Store, value: object, field_name: str = "counterparty_alias", *, allow_bunqto: bool = False
) -> Party:
    """Return the party of a pointer; `allow_bunqto` also allows e-mail addresses and phone numbers unknown to bunq.

    :raises Refusal: 400, not a pointer, or no user has it (invented text).
    """
    kind, text, name = read_pointer(value, field_name)
    account = accounts.find(store, kind, text)
    if account is not None:
        return Party(account, {"account": account.id})
    if kind in ("EMAIL", "PHONE_NUMBER") and allow_bunqto:
        return Party(None, {"iban": None, "name": name or text, "bunqto": True})
    if kind != "IBAN":
        raise wire.invalid(f'No bunq user is known by "{text}".')
    return Party(None, {"iban": text, "name": name})


@dataclass(frozen=True, kw_only=True)
class Order:
    """A payment that was asked for and is in order. Cents; the account pays."""

    party: Party
    cents: int
    currency: str
    description: str
    attachments: tuple[int, ...] = ()
    merchant_reference: str | None = None


def read_order(store: Store, account: Item, body: object) -> Order:
    """Read the fields of a payment in a request.

    :raises Refusal: 400, something is missing or wrong.
    """
    if not isinstance(body, dict):
        raise wire.invalid("A payment must be an object.")
    cents, currency = wire.read_amount(body.get("amount"), "amount")
    allow_bunqto = body.get("allow_bunqto")
    if allow_bunqto is not None and not isinstance(allow_bunqto, bool):
        raise wire.invalid("The field allow_bunqto must be true or false.")
    party = find_party(store, body.get("counterparty_alias"), allow_bunqto=bool(allow_bunqto))
    description = body.get("description")
    longest = EXTERNAL_TEXT if party.is_external else INTERNAL_TEXT
    if not isinstance(description, str) or len(description) > longest:
        raise wire.invalid(f"The field description is required and has at most {longest} characters.")
    reference = body.get("merchant_reference")
    if reference is not None and not isinstance(reference, str):
        raise wire.invalid("The field merchant_reference must be a text.")
    return Order(
        party=party,
        cents=cents,
        currency=currency,
        description=description,
        attachments=files.read_ids(store, account, body.get("attachment")),
        merchant_reference=reference,
    )


def check_active(account: Item) -> None:
    """Refuse an account that is closed or blocked.

    :raises Refusal: 400 (invented text).
    """
    if account.body["status"] != "ACTIVE":
        raise wire.invalid(f"Monetary account {account.id} is not active.")


def pay(
    bank: Bank,
    account: Item,
    order: Order,
    *,
    sub_type: str = "PAYMENT",
    **references: Any,
) -> tuple[int, int | None]:
    """Make a payment; return (id for the payer, id for the receiver if it is an account of this bank).

    `references` are members of Payment that say what it belongs to, as batch_id or scheduled_id, or where it was made.

    :raises Refusal: 400, no money, another currency, or an account that is not active (invented texts).
    """
    store, party = bank.store, order.party
    _check_payable(account, order)
    link = _bunqto(bank, account, order) if party.sees.get("bunqto") else None
    references |= {
        "merchant_reference": order.merchant_reference or None,
        "attachment": list(order.attachments) or None,
        "bunqto": None if link is None else link.id,
    }
    extra: Json = {name: value for name, value in references.items() if value is not None}
    try:
        debit, credit = ledger.move(store, _transfer(store, account, order, sub_type, extra))
    except ledger.InsufficientFunds:
        raise Refusal(400, "Insufficient balance.") from None
    except ledger.CurrencyMismatch:
        raise wire.invalid("The accounts have different currencies.") from None
    if link is not None:
        link.body["payment_id"] = debit
        store.save(link, touch=False)
    tell(bank, account, debit, sub_type)
    if party.account is None:
        return debit, None
    tell(bank, party.account, credit, sub_type)
    return debit, credit


def _check_payable(account: Item, order: Order) -> None:
    """Refuse a payment between accounts that cannot make it.

    :raises Refusal: 400, not active, the same account, or another currency (invented texts).
    """
    check_active(account)
    if order.party.account is not None:
        check_active(order.party.account)
        if order.party.account.id == account.id:
            raise wire.invalid("A payment needs two different accounts.")
    if order.currency != account.body["currency"]:
        raise wire.invalid("The amount is not in the currency of the account.")


def _transfer(store: Store, account: Item, order: Order, sub_type: str, extra: Json) -> ledger.Transfer:
    party, external = order.party, order.party.is_external
    return ledger.Transfer(
        debit=account.id,
        credit=party.account.id if party.account else ledger.outside(store, account.body["currency"]),
        cents=order.cents,
        description=order.description,
        debit_sees=party.sees,
        credit_sees={"account": account.id},
        type="EBA_SCT" if external else "BUNQ",
        sub_type="SCT" if external and sub_type == "PAYMENT" else sub_type,
        debit_extra=extra or None,
        credit_extra={name: value for name, value in extra.items() if name in SHARED} or None,
    )


def _bunqto(bank: Bank, account: Item, order: Order) -> Item:
    """Make the link behind which the money of a payment is going to wait (bunqto.py)."""
    body = {
        "cents": order.cents,
        "currency": order.currency,
        "sees": order.party.sees,
        "status": "PENDING",
        "expires": bank.store.clock.timestamp() + BUNQTO_LIFETIME_S,
        "time_responded": None,
    }
    link = bank.store.insert(BUNQTO, body, owner=account.owner, account=account.id, name=str(uuid.uuid4()))
    bank.later("bunqto_expires", BUNQTO_LIFETIME_S, {"link_id": link.id})
    return link


def pay_batch(bank: Bank, account: Item, orders: list[Order], **references: Any) -> Item:
    """Make several payments, all or none, and keep them together; `references` as in `pay`.

    :raises Refusal: 400, as for one payment.
    """
    store = bank.store
    batch = store.insert("payment_batch", {"payments": []}, owner=account.owner, account=account.id)
    batch.body["payments"] = [pay(bank, account, order, batch_id=batch.id, **references)[0] for order in orders]
    store.save(batch, touch=False)
    tell_batch(bank, account, batch, "PAYMENT_BATCH_CREATED")
    return batch


def tell_batch(bank: Bank, account: Item, batch: Item, event_type: str, *, action: str = "CREATE") -> None:
    """Tell the owner of an account about a batch."""
    thing, notify = batch_shape(bank.store, account, batch), [("PAYMENT", event_type)]
    user_id = account.owner or 0
    events.happened(bank, user_id=user_id, account_id=account.id, thing=thing, notify=notify, action=action)


def batch_shape(store: Store, account: Item, batch: Item) -> Json:
    """Write a batch.

    Its payments are a plain list: bunq's Python SDK 1.28 fails on the object that the OpenAPI shows.
    """
    made = [shape(store, account, each)["Payment"] for each in batch.body["payments"]]
    return {
        "PaymentBatch": {"id": batch.id, "created": batch.created, "updated": batch.updated, "payments": made},
    }


def receive(bank: Bank, account: Item, cents: int, name: str, description: str) -> int:
    """Receive money from another bank; return the id of the payment.

    :raises Refusal: 400, the account is not active.
    """
    check_active(account)
    iban = accounts.iban_for(sum(name.encode()) * 7919 % 10**9, "RABO")
    _outside, received = ledger.move(
        bank.store,
        ledger.Transfer(
            debit=ledger.outside(bank.store, account.body["currency"]),
            credit=account.id,
            cents=cents,
            description=description,
            debit_sees={"account": account.id},
            credit_sees={"iban": iban, "name": name},
            type="EBA_SCT",
            sub_type="SCT",
        ),
    )
    tell(bank, account, received, "SCT")
    return received


def tell(bank: Bank, account: Item, payment_id: int, sub_type: str) -> None:
    """Tell the owner of an account about a payment: any change as MUTATION, plain payments as PAYMENT too."""
    entry = ledger.entry(bank.store, account.id, payment_id)
    assert entry is not None
    way = "CREATED" if entry.amount < 0 else "RECEIVED"
    notify = [("MUTATION", f"MUTATION_{way}")]
    if sub_type in ("PAYMENT", "SCT"):
        notify.append(("PAYMENT", f"PAYMENT_{way}"))
    tell_as(bank, account, payment_id, notify)


def tell_as(
    bank: Bank, account: Item, payment_id: int, notify: Sequence[tuple[str, str]], *, action: str = "CREATE"
) -> None:
    """Tell the owner of an account about a payment in these categories."""
    thing = shape(bank.store, account, payment_id)
    user_id = account.owner or 0
    events.happened(bank, user_id=user_id, account_id=account.id, thing=thing, notify=notify, action=action)


def counterparty(store: Store, sees: Json) -> Json:
    """Write the other side of an entry as LabelMonetaryAccount."""
    if "account" in sees:
        account = store.get("monetary_account", sees["account"])
        if account is not None:
            return accounts.label(store, account)
    name = sees.get("name", "")
    country = sees.get("country") or (sees["iban"][:2] if sees.get("iban") else "NL")
    label: Json = {
        "iban": sees.get("iban"),
        # Merchants have neither.
        "is_light": None if sees.get("iban") is None else False,
        "display_name": name,
        "avatar": None,
        "label_user": {
            "uuid": None,
            "display_name": name,
            "country": country,
            "avatar": None,
            "public_nick_name": name,
        },
        "country": country,
    }
    if sees.get("mcc"):
        label["merchant_category_code"] = sees["mcc"]
    return label


def shapes(store: Store, account: Item, found: list[ledger.Entry]) -> list[Json]:
    """Write entries of one account as bunq's payments."""
    own = accounts.label(store, account)
    labels: dict[str, Json] = {}
    written = []
    for entry in found:
        key = repr(entry.counterparty)
        if key not in labels:
            labels[key] = counterparty(store, entry.counterparty)
        written.append({"Payment": _shape(store, account, entry, own, labels[key])})
    return written


def _shape(store: Store, account: Item, entry: ledger.Entry, own: Json, other: Json) -> Json:
    extra, currency = entry.extra, account.body["currency"]
    return {
        "id": entry.id,
        "created": entry.created,
        "updated": extra.get("updated", entry.created),
        "monetary_account_id": account.id,
        "amount": amount(entry.amount, currency),
        "description": entry.description,
        "type": entry.type,
        "sub_type": entry.sub_type,
        "merchant_reference": extra.get("merchant_reference"),
        "alias": own,
        "counterparty_alias": other,
        "attachment": [{"id": each, "monetary_account_id": account.id} for each in extra.get("attachment", [])],
        "geolocation": extra.get("geolocation"),
        "batch_id": extra.get("batch_id"),
        "allow_chat": True,
        "scheduled_id": extra.get("scheduled_id"),
        "address_billing": None,
        "address_shipping": None,
        "request_reference_split_the_bill": [],
        "balance_after_mutation": amount(entry.balance_after, currency),
        "payment_auto_allocate_instance": None,
        **_link_shape(store, extra.get("bunqto")),
    }


def _link_shape(store: Store, link_id: int | None) -> Json:
    """Write the members of a payment that say how it stands with its bunq.to link, if it has one."""
    link = store.get(BUNQTO, link_id or 0)
    if link is None:
        return {}
    is_open = link.body["status"] == "PENDING" and has_request_context()
    return {
        "bunqto_status": link.body["status"],
        "bunqto_sub_status": "NONE",
        "bunqto_share_url": f"{request.host_url}to/{link.name}" if is_open else None,
        "bunqto_expiry": wire.time_text(link.body["expires"]),
        "bunqto_time_responded": link.body["time_responded"],
    }


def shape(store: Store, account: Item, payment_id: int) -> Json:
    """Write one payment.

    :raises Refusal: 404.
    """
    entry = ledger.entry(store, account.id, payment_id)
    if entry is None:
        raise wire.not_found("Payment", payment_id)
    return shapes(store, account, [entry])[0]


def own_label(store: Store, account: Item) -> Json:
    """Write the account's owner as LabelUser."""
    return people.label(people.by_id(store, account.owner or 0))
