"""`card`, `card-debit`, `card-credit`, `card-name`, their batches, and the codes of virtual cards.

bunq once asked for encrypted bodies here; its own example sends plain JSON, and so does the sandbox.

https://doc.bunq.com/api-reference/card
"""

from __future__ import annotations

import re

from .. import accounts, cards, events, payments, wire
from ..api import A, Call, Resource, U
from ..store import Item, Json
from ..wire import Answer, id_answer

resource = Resource()

C = U + "/card/<int:card_id>"


def _is_visible(call: Call, card: Item) -> bool:
    """Tell whether an app may see a card: it must pay from an account that is shared with the app."""
    visible = call.visible_accounts(call.user)
    return visible is None or card.body["account"] in visible


def _own(call: Call, card_id: int) -> Item:
    card = call.load("card", card_id, "Card", owner=call.user.id)
    if not _is_visible(call, card):
        raise wire.not_found("Card", card_id)
    return card


@resource.get(U + "/card")
def index(call: Call) -> Answer:
    """List cards."""
    shown = [each for each in call.store.select("card", owner=call.user.id) if _is_visible(call, each)]
    page, pagination = wire.paged(call.window, wire.among(shown), lambda item: item.id)
    return Answer([cards.shape(call.store, item) for item in page], pagination)


@resource.get(C)
def read(call: Call, card_id: int) -> Answer:
    """Read one card."""
    return Answer([cards.shape(call.store, _own(call, card_id))])


@resource.get(U + "/card-name")
def names(call: Call) -> Answer:
    """List the names that may be printed on a card."""
    return Answer([{"CardUserNameArray": {"possible_card_name_array": cards.possible_names(call.user)}}])


def _find_account(call: Call, value: object) -> Item:
    """Return the account of this id.

    :raises Refusal: 400, not an id; 404, no such account.
    """
    if not isinstance(value, int):
        raise wire.invalid("A monetary_account_id must be a number.")
    return call.find_account(value)


def _account(call: Call) -> Item:
    """Return the account a new card pays from: by pin code assignment, by IBAN, or the user's first."""
    assignment = call.json.get("pin_code_assignment")
    if isinstance(assignment, list) and assignment and isinstance(assignment[0], dict):
        return _find_account(call, assignment[0].get("monetary_account_id"))
    alias = call.json.get("alias")
    if isinstance(alias, dict):
        found = accounts.find(call.store, str(alias.get("type")), str(alias.get("value")))
        if found is None:
            raise wire.invalid("The field alias must be an IBAN of the user.")
        return call.find_account(found.id)
    visible = call.visible_accounts(call.user)
    own = [each for each in accounts.of_user(call.store, call.user.id) if visible is None or each.id in visible]
    if not own:
        raise wire.invalid("The user has no account for a card.")
    return own[0]


def _order(call: Call, wrapper: str) -> Answer:
    second_line = call.text("second_line", longest=cards.SECOND_LINE_MAXIMUM)
    name = call.text("name_on_card")
    if name not in cards.possible_names(call.user):
        raise wire.invalid("The field name_on_card must be one of the possible names.")
    product = call.text("product_type")
    if product not in cards.PRODUCTS:
        raise wire.invalid(f'The product_type "{product}" is not known.')
    kind = call.text("type")
    if kind not in ("MAESTRO", "MASTERCARD"):
        raise wire.invalid("The field type must be MASTERCARD or MAESTRO.")
    account = _account(call)
    virtual = cards.PRODUCTS[product] or call.json.get("order_status") == "VIRTUAL_DELIVERY"
    card = cards.order(
        call.store,
        call.user,
        account,
        virtual=virtual,
        type=kind,
        product_type=product,
        second_line=second_line,
        name_on_card=name,
    )
    return Answer([cards.shape(call.store, card, wrapper)])


@resource.post(U + "/card-debit")
def order_debit(call: Call) -> Answer:
    """Order a debit card. The answer is the whole card, as SDKs expect."""
    return _order(call, "CardDebit")


@resource.post(U + "/card-credit")
def order_credit(call: Call) -> Answer:
    """Order a credit card. The answer is the whole card."""
    return _order(call, "CardCredit")


@resource.put(C)
def update(call: Call, card_id: int) -> Answer:
    """Freeze, thaw, report lost, set limits and countries. The answer is the whole card."""
    card = _own(call, card_id)
    _change(call, card, call.json)
    return Answer([cards.shape(call.store, card)])


def _change(call: Call, card: Item, wanted: Json) -> None:
    account = call.store.get("monetary_account", card.body["account"])
    assert account is not None
    currency = account.body["currency"]
    changes: Json = {}
    status = wanted.get("status")
    if status is not None:
        if status not in cards.STATUSES:
            raise wire.invalid(f"The field status must be one of {', '.join(cards.STATUSES)}.")
        if card.body["status"] in cards.FINAL and status != card.body["status"]:
            raise wire.invalid(f"A card that is {card.body['status'].lower()} stays so.")
        changes["status"] = status
        if status == "ACTIVE":
            changes["order_status"] = "DELIVERED_TO_CUSTOMER"
    for field, name in (("card_limit", "limit"), ("card_limit_atm", "limit_atm")):
        if wanted.get(field) is not None:
            changes[name] = cards.read_limit(wanted[field], field, currency)
    if wanted.get("country_permission") is not None:
        changes["countries"] = _countries(call, wanted["country_permission"])
    if wanted.get("second_line") is not None:
        changes["second_line"] = str(wanted["second_line"])[: cards.SECOND_LINE_MAXIMUM]
    assignment = wanted.get("pin_code_assignment")
    if isinstance(assignment, list) and assignment and isinstance(assignment[0], dict):
        changes["account"] = _find_account(call, assignment[0].get("monetary_account_id")).id
        card.account = changes["account"]
    if wanted.get("monetary_account_id_fallback") is not None:
        changes["fallback"] = _find_account(call, wanted["monetary_account_id_fallback"]).id
    card.body |= changes
    call.store.save(card)
    events.happened(
        call.bank,
        user_id=call.user.id,
        account_id=card.account,
        thing=cards.shape(call.store, card),
        notify=[("CARD", "CARD_UPDATED")],
        action="UPDATE",
    )


def _countries(call: Call, value: object) -> list[Json]:
    if not isinstance(value, list):
        raise wire.invalid("The field country_permission must be a list.")
    found = []
    for each in value:
        country = each.get("country") if isinstance(each, dict) else None
        if not isinstance(country, str) or not re.fullmatch(r"[A-Z]{2}", country):
            raise wire.invalid("Each country_permission needs a country of two letters.")
        found.append({"id": call.store.next_id(), "country": country, "expiry_time": each.get("expiry_time")})
    return found


@resource.post(U + "/card-batch")
def update_batch(call: Call) -> Answer:
    """Change several cards at once."""
    wanted = call.json.get("cards")
    if not isinstance(wanted, list) or not wanted:
        raise wire.invalid("The field cards must hold at least one card.")
    changed = []
    for each in wanted:
        if not isinstance(each, dict) or not isinstance(each.get("id"), int):
            raise wire.invalid("Each card needs its id.")
        card = _own(call, each["id"])
        _change(call, card, each)
        changed.append(cards.shape(call.store, card)["Card"])
    return Answer([{"CardBatch": {"updated_card_ids": [{"id": each["id"]} for each in changed]}}])


@resource.post(C + "/replace")
def replace(call: Call, card_id: int) -> Answer:
    """Order a new card in the place of an old one."""
    return id_answer(_replace(call, _own(call, card_id), call.json).id)


def _replace(call: Call, old: Item, wanted: Json) -> Item:
    account = call.store.get("monetary_account", old.body["account"])
    assert account is not None
    kept = {name: old.body[name] for name in ("type", "product_type", "second_line", "name_on_card")}
    if isinstance(wanted.get("second_line"), str):
        kept["second_line"] = wanted["second_line"][: cards.SECOND_LINE_MAXIMUM]
    if wanted.get("name_on_card") in cards.possible_names(call.user):
        kept["name_on_card"] = wanted["name_on_card"]
    old.body |= {"sub_status": "REPLACED", "status": "DEACTIVATED"}
    call.store.save(old)
    return cards.order(call.store, call.user, account, virtual=old.body["virtual"], **kept)


@resource.post(U + "/card-batch-replace")
def replace_batch(call: Call) -> Answer:
    """Replace several cards at once."""
    wanted = call.json.get("cards")
    if not isinstance(wanted, list) or not wanted:
        raise wire.invalid("The field cards must hold at least one card.")
    made = []
    for each in wanted:
        if not isinstance(each, dict) or not isinstance(each.get("id"), int):
            raise wire.invalid("Each card needs its id.")
        made.append({"id": _replace(call, _own(call, each["id"]), each).id})
    return Answer([{"CardBatchReplace": {"updated_card_ids": made}}])


# Codes of virtual cards: made up, and good for nothing.


def _code_shape(item: Item) -> Json:
    return {
        "CardGeneratedCvc2": {
            "id": item.id,
            "created": item.created,
            "updated": item.updated,
            "type": item.body["type"],
            "cvc2": "000",
            "status": "AVAILABLE",
            "expiry_time": wire.time_text(item.body["expires"]),
        }
    }


@resource.post(C + "/generated-cvc2")
def create_code(call: Call, card_id: int) -> Answer:
    """Make a code for five minutes. It is always 000: no card here can pay anywhere."""
    card = _own(call, card_id)
    expires = call.store.clock.timestamp() + 300
    body = {"type": call.json.get("type", "GENERATED"), "expires": expires}
    return id_answer(call.store.insert("cvc2", body, owner=call.user.id, parent=card.id).id)


@resource.get(C + "/generated-cvc2")
def list_codes(call: Call, card_id: int) -> Answer:
    """List the codes of a card."""
    return call.page("cvc2", _code_shape, parent=_own(call, card_id).id)


@resource.get(C + "/generated-cvc2/<int:code_id>")
def read_code(call: Call, card_id: int, code_id: int) -> Answer:
    """Read one code."""
    return Answer([_code_shape(call.load("cvc2", code_id, "Code", parent=_own(call, card_id).id))])


@resource.put(C + "/generated-cvc2/<int:code_id>")
def update_code(call: Call, card_id: int, code_id: int) -> Answer:
    """Change the type of a code."""
    item = call.load("cvc2", code_id, "Code", parent=_own(call, card_id).id)
    item.body["type"] = call.json.get("type", item.body["type"])
    call.store.save(item)
    return id_answer(item.id)


# What was paid with cards.


@resource.get(A + "/mastercard-action")
def actions(call: Call) -> Answer:
    """List card transactions of an account."""
    call.require_role("AISP")
    return call.page("mastercard_action", lambda item: cards.action_shape(call.store, item), account=call.account.id)


def _action(call: Call, action_id: int) -> Item:
    call.require_role("AISP")
    return call.load("mastercard_action", action_id, "Mastercard action", account=call.account.id)


@resource.get(A + "/mastercard-action/<int:action_id>")
def read_action(call: Call, action_id: int) -> Answer:
    """Read one card transaction."""
    return Answer([cards.action_shape(call.store, _action(call, action_id))])


@resource.get(A + "/mastercard-action/<int:action_id>/payment")
def action_payments(call: Call, action_id: int) -> Answer:
    """List the payment of a card transaction; a refused one has none."""
    payment_id = _action(call, action_id).body["payment_id"]
    found = [] if payment_id is None else [payments.shape(call.store, call.account, payment_id)]
    return Answer(found, {"future_url": None, "newer_url": None, "older_url": None})
