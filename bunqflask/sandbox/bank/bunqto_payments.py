"""Payments to a person without a bunq account: the money waits behind a bunq.to link until it is claimed.

bunq documents the members of a payment and the names of the event types; the states of `bunqto_status`, the life of a
link and that the money comes back as a REVERSAL are invented.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, ledger, payments
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Refusal


def claim(bank: Bank, link: Item, iban: str, name: str) -> None:
    """Pay the money to the IBAN of the person who has the link.

    :raises Refusal: 400, not an IBAN, or the money waits no more.
    """
    store = bank.store
    _kind, found, _name = payments.read_pointer({"type": "IBAN", "value": iban, "name": name})
    _check_waiting(link)
    payer = payer_of(bank, link)
    receiver = accounts.find(store, "IBAN", found)
    if receiver is not None:
        payments.check_active(receiver)
        _out, received = ledger.move(
            store,
            ledger.Transfer(
                debit=ledger.outside(store, link.body["currency"]),
                credit=receiver.id,
                cents=link.body["cents"],
                description=_description(bank, payer, link),
                debit_sees={"account": receiver.id},
                credit_sees={"account": payer.id},
            ),
        )
        payments.tell(bank, receiver, received, "PAYMENT")
    _end(bank, payer, link, "ACCEPTED", "PAYMENT_CLAIMED")


def give_back(bank: Bank, link: Item, status: str) -> None:
    """Return the money: REJECTED by the other side, REVOKED by the payer, or EXPIRED.

    :raises Refusal: 400, the money waits no more.
    """
    _check_waiting(link)
    store, payer = bank.store, payer_of(bank, link)
    _out, returned = ledger.move(
        store,
        ledger.Transfer(
            debit=ledger.outside(store, link.body["currency"]),
            credit=payer.id,
            cents=link.body["cents"],
            description=_description(bank, payer, link),
            debit_sees={"account": payer.id},
            credit_sees=link.body["sees"],
            sub_type="REVERSAL",
        ),
    )
    payments.tell(bank, payer, returned, "REVERSAL")
    _end(bank, payer, link, status, f"PAYMENT_{status}")


def _check_waiting(link: Item) -> None:
    if link.body["status"] != "PENDING":
        raise Refusal(400, f"The payment is already {link.body['status'].lower()}.")


def payer_of(bank: Bank, link: Item) -> Item:
    account = bank.store.get("monetary_account", link.account or 0)
    assert account is not None
    return account


def _description(bank: Bank, payer: Item, link: Item) -> str:
    entry = ledger.entry(bank.store, payer.id, link.body["payment_id"])
    return "" if entry is None else entry.description


def _end(bank: Bank, payer: Item, link: Item, status: str, event_type: str) -> None:
    link.body |= {"status": status, "time_responded": bunq_time(bank.store.clock.now())}
    bank.store.save(link)
    payments.tell_as(bank, payer, link.body["payment_id"], [("PAYMENT", event_type)], action="UPDATE")


@job("bunqto_expires")
def _expire(bank: Bank, _moment: float, body: Json) -> None:
    link = bank.store.get(payments.BUNQTO, body["link_id"])
    if link is not None and link.body["status"] == "PENDING":
        give_back(bank, link, "EXPIRED")


def of_batch(bank: Bank, batch: Item) -> list[Item]:
    """Return the links of a batch's payments that still wait."""
    return [
        each
        for each in bank.store.select(payments.BUNQTO, account=batch.account)
        if each.body["payment_id"] in batch.body["payments"] and each.body["status"] == "PENDING"
    ]
