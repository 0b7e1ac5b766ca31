"""The page of a payment link, where a person with another bank pays.

https://doc.bunq.com/api-reference/bunqme
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import payment_requests, people
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.payment_links import pay, pay_in, status_of
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.control.api import is_foreign_origin
from bunqflask.sandbox.pages.layout import page

bp = Blueprint("links", __name__)


def load(link_uuid: object) -> Item:
    bank = current()
    link = bank.store.named("bunqme_tab", str(link_uuid)) or bank.store.named(payment_requests.INQUIRY, str(link_uuid))
    if link is None:
        abort(page("not_found.html", 404, what="link"))
    return link


def status(link: Item) -> str:
    bank = current()
    if link.kind != payment_requests.INQUIRY:
        return status_of(bank.store, link)
    return "WAITING_FOR_PAYMENT" if link.body["status"] == "PENDING" else str(link.body["status"])


@bp.get("/t/<uuid:tab_uuid>")
def show(tab_uuid: object) -> ResponseReturnValue:
    bank = current()
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
    bank = current()
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
