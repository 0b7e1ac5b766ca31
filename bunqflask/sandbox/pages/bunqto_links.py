"""Payments to somebody whom the bank does not know: the money waits behind a link until it is claimed.

What bunq documents are the members of a payment and the names of the event types; the states of `bunqto_status`, the
life of a link and that the money comes back as a REVERSAL are invented.

https://doc.bunq.com/api-reference/payment
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import accounts, ledger, payments, people
from bunqflask.sandbox.bank.bank import Bank, job
from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control.api import is_foreign_origin
from bunqflask.sandbox.pages.layout import money, page

PATH = "/to"


def claim(bank: Bank, link: Item, iban: str, name: str) -> None:
    """Send the money on to whoever the link was given to.

    :raises Refusal: 400, not an IBAN, or the money waits no more.
    """
    store = bank.store
    _kind, found, _name = payments.read_pointer({"type": "IBAN", "value": iban, "name": name})
    _check_waiting(link)
    payer = _payer(bank, link)
    receiver = accounts.find(store, "IBAN", found)
    if receiver is not None:
        payments.check_active(receiver)
        _out, received = ledger.move(
            store,
            debit=ledger.outside(store, link.body["currency"]),
            credit=receiver.id,
            cents=link.body["cents"],
            description=_description(bank, payer, link),
            debit_sees={"account": receiver.id},
            credit_sees={"account": payer.id},
        )
        payments.tell(bank, receiver, received, "PAYMENT")
    _end(bank, payer, link, "ACCEPTED", "PAYMENT_CLAIMED")


def give_back(bank: Bank, link: Item, status: str) -> None:
    """Return the money: REJECTED by the other side, REVOKED by the payer, or EXPIRED.

    :raises Refusal: 400, the money waits no more.
    """
    _check_waiting(link)
    store, payer = bank.store, _payer(bank, link)
    _out, returned = ledger.move(
        store,
        debit=ledger.outside(store, link.body["currency"]),
        credit=payer.id,
        cents=link.body["cents"],
        description=_description(bank, payer, link),
        debit_sees={"account": payer.id},
        credit_sees=link.body["sees"],
        sub_type="REVERSAL",
    )
    payments.tell(bank, payer, returned, "REVERSAL")
    _end(bank, payer, link, status, f"PAYMENT_{status}")


def _check_waiting(link: Item) -> None:
    if link.body["status"] != "PENDING":
        raise Refusal(400, f"The payment is already {link.body['status'].lower()}.")


def _payer(bank: Bank, link: Item) -> Item:
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


def blueprint(bank: Bank) -> Blueprint:
    """Return the page of a link."""
    bp = Blueprint("bunqto", __name__)

    def load(link_uuid: object) -> Item:
        link = bank.store.named(payments.BUNQTO, str(link_uuid))
        if link is None:
            abort(page("not_found.html", 404, what="link"))
        return link

    def shown(link: Item, problem: str | None = None) -> ResponseReturnValue:
        payer = _payer(bank, link)
        return page(
            "bunqto.html",
            422 if problem else 200,
            payer=people.by_id(bank.store, payer.owner or 0).body["legal_name"],
            amount=money(link.body["cents"], link.body["currency"]),
            description=_description(bank, payer, link),
            status=link.body["status"],
            problem=problem,
        )

    @bp.get(f"{PATH}/<uuid:link_uuid>")
    def show(link_uuid: object) -> ResponseReturnValue:
        return shown(load(link_uuid))

    @bp.post(f"{PATH}/<uuid:link_uuid>")
    def answer(link_uuid: object) -> ResponseReturnValue:
        if is_foreign_origin():
            abort(403)
        try:
            with bank.store.transaction():
                link, form = load(link_uuid), request.form
                if form.get("answer") == "reject":
                    give_back(bank, link, "REJECTED")
                else:
                    claim(bank, link, form.get("iban", ""), form.get("name", "").strip()[:70])
        except Refusal as refusal:
            return shown(load(link_uuid), refusal.text)
        return redirect(f"{PATH}/{link.name}", 303)

    return bp
