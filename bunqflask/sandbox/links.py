"""Payment links: what is left of their time, and the page where somebody outside the bank pays.

https://doc.bunq.com/api-reference/bunqme
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from . import accounts, events, ledger, payments, people
from .bank import Bank
from .control import is_foreign_origin
from .pages import money, page
from .store import Item, Json, Store

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


def pay(bank: Bank, tab: Item, name: str) -> None:
    """Let somebody outside the bank pay by iDEAL; a link can be paid more than once."""
    store = bank.store
    account = store.get("monetary_account", tab.account or 0)
    assert account is not None
    iban = accounts.iban_for(532013000, "INGB")
    _out, paid = ledger.move(
        store,
        debit=ledger.outside(store, tab.body["currency"]),
        credit=account.id,
        cents=tab.body["cents"],
        description=tab.body["description"],
        debit_sees={"account": account.id},
        credit_sees={"iban": iban, "name": name},
        type="IDEAL",
    )
    result = store.insert("bunqme_result", {"payment_id": paid}, owner=tab.owner, account=tab.account, parent=tab.id)
    payments.tell(bank, account, paid, "IDEAL")
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
    """Return the page of a link."""
    bp = Blueprint("links", __name__)

    def load(tab_uuid: object) -> Item:
        tab = bank.store.named("bunqme_tab", str(tab_uuid))
        if tab is None:
            abort(page("not_found.html", 404, what="link"))
        return tab

    @bp.get("/t/<uuid:tab_uuid>")
    def show(tab_uuid: object) -> ResponseReturnValue:
        tab = load(tab_uuid)
        owner = people.by_id(bank.store, tab.owner or 0)
        return page(
            "link.html",
            200,
            *([tab.body["redirect_url"]] if tab.body["redirect_url"] else []),
            tab=tab,
            owner=owner.body["legal_name"],
            amount=money(tab.body["cents"], tab.body["currency"]),
            status=status_of(bank.store, tab),
            times=len(bank.store.select("bunqme_result", parent=tab.id)),
        )

    @bp.post("/t/<uuid:tab_uuid>")
    def settle(tab_uuid: object) -> ResponseReturnValue:
        if is_foreign_origin():
            abort(403)
        with bank.store.transaction():
            tab = load(tab_uuid)
            if status_of(bank.store, tab) == "WAITING_FOR_PAYMENT":
                pay(bank, tab, request.form.get("name", "").strip()[:70] or "A. Payer")
        return redirect(tab.body["redirect_url"] or f"/t/{tab.name}", 303)

    return bp
