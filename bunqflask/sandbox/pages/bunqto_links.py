"""The page of a payment that waits behind a link: claim the money, or return it."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue

from bunqflask.sandbox.bank import payments, people
from bunqflask.sandbox.bank.bunqto_payments import _description, claim, give_back, payer_of
from bunqflask.sandbox.bank.current import current
from bunqflask.sandbox.bank.money import money
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.bank.wire import Refusal
from bunqflask.sandbox.control.api import is_foreign_origin
from bunqflask.sandbox.pages.layout import page

PATH = "/to"

bp = Blueprint("bunqto", __name__)


def load(link_uuid: object) -> Item:
    bank = current()
    link = bank.store.named(payments.BUNQTO, str(link_uuid))
    if link is None:
        abort(page("not_found.html", 404, what="link"))
    return link


def shown(link: Item, problem: str | None = None) -> ResponseReturnValue:
    bank = current()
    payer = payer_of(bank, link)
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
    bank = current()
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
