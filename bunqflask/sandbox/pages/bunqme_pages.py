"""Payment links: what is left of their time, and the page where somebody outside the bank pays.

https://doc.bunq.com/api-reference/bunqme
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import accounts, events, ledger, payment_requests, payments, people
from bunqflask.sandbox.bank.bank import Bank
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.control.api import is_foreign_origin
from bunqflask.sandbox.pages.layout import money, page

LIFETIME_S = 30 * 86400


def status_of(store: Store, tab: Item) -> str:
    """Return WAITING_FOR_PAYMENT, CANCELLED or EXPIRED."""
    status: str = tab.body["status"]
    if status == "WAITING_FOR_PAYMENT" and tab.body["expires"] <= store.clock.timestamp():
        return "EXPIRED"
    return status


def result_shapes(store: Store, account: Item, tab: Item) -> list[Json]:
    """Write the payments that a link brought."""
    return [
        {
            "id": each.id,
            "created": each.created,
            "updated": each.updated,
            "payment": payments.shape(store, account, each.body["payment_id"]),
            "bunq_me_tab_id": tab.id,
        }
        for each in store.select("bunqme_result", parent=tab.id)[::-1]
    ]


def pay_in(bank: Bank, link: Item, name: str) -> int:
    """Let somebody outside the bank pay by iDEAL; return the id of the payment."""
    store = bank.store
    account = store.get("monetary_account", link.account or 0)
    assert account is not None
    iban = accounts.iban_for(532013000, "INGB")
    _out, paid = ledger.move(
        store,
        debit=ledger.outside(store, link.body["currency"]),
        credit=account.id,
        cents=link.body["cents"],
        description=link.body["description"],
        debit_sees={"account": account.id},
        credit_sees={"iban": iban, "name": name},
        type="IDEAL",
    )
    payments.tell(bank, account, paid, "IDEAL")
    return paid


def pay(bank: Bank, tab: Item, name: str) -> None:
    """Let somebody pay a link, which can be paid more than once."""
    store = bank.store
    account = store.get("monetary_account", tab.account or 0)
    assert account is not None
    made = {"payment_id": pay_in(bank, tab, name)}
    result = store.insert("bunqme_result", made, owner=tab.owner, account=tab.account, parent=tab.id)
    shown = [each for each in result_shapes(store, account, tab) if each["id"] == result.id]
    events.happened(
        bank,
        user_id=tab.owner or 0,
        account_id=tab.account,
        thing={"BunqMeTabResultInquiry": shown[0]},
        # The same thing goes by two names: this one in webhooks, the other in bunq's list of events.
        listed={"BunqMeTabResultResponse": shown[0]},
        notify=[("BUNQME_TAB", "BUNQME_TAB_RESULT_INQUIRY_CREATED")],
    )


def blueprint(bank: Bank) -> Blueprint:
    """Return the page of a link: one that was made as such, or one of a request to somebody outside the bank."""
    bp = Blueprint("links", __name__)

    def load(link_uuid: object) -> Item:
        link = bank.store.named("bunqme_tab", str(link_uuid)) or bank.store.named(
            payment_requests.INQUIRY, str(link_uuid)
        )
        if link is None:
            abort(page("not_found.html", 404, what="link"))
        return link

    def status(link: Item) -> str:
        if link.kind != payment_requests.INQUIRY:
            return status_of(bank.store, link)
        return "WAITING_FOR_PAYMENT" if link.body["status"] == "PENDING" else str(link.body["status"])

    @bp.get("/t/<uuid:tab_uuid>")
    def show(tab_uuid: object) -> ResponseReturnValue:
        link = load(tab_uuid)
        owner = people.by_id(bank.store, link.owner or 0)
        return page(
            "link.html",
            200,
            *([link.body["redirect_url"]] if link.body["redirect_url"] else []),
            description=link.body["description"],
            owner=owner.body["legal_name"],
            amount=money(link.body["cents"], link.body["currency"]),
            status=status(link),
            times=len(bank.store.select("bunqme_result", parent=link.id)),
        )

    @bp.post("/t/<uuid:tab_uuid>")
    def settle(tab_uuid: object) -> ResponseReturnValue:
        if is_foreign_origin():
            abort(403)
        with bank.store.transaction():
            link = load(tab_uuid)
            name = request.form.get("name", "").strip()[:70] or "A. Payer"
            if status(link) == "WAITING_FOR_PAYMENT" and link.kind == payment_requests.INQUIRY:
                payment_requests.settle(bank, link, pay_in(bank, link, name))
            elif status(link) == "WAITING_FOR_PAYMENT":
                pay(bank, link, name)
        return redirect(link.body["redirect_url"] or f"/t/{link.name}", 303)

    return bp
