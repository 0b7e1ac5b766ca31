"""`card`, `card-debit`, `card-credit`, `card-name`, their batches, and the codes of virtual cards.

bunq once asked for encrypted bodies here; its own example sends plain JSON, and so does the sandbox.

https://doc.bunq.com/api-reference/card
"""

from __future__ import annotations

import re

from bunqflask.sandbox.bank import accounts, card_payments, cards, events, payments, wire
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource, U

resource = Resource()

C = U + "/card/<int:card_id>"

PIN_TYPES = ("PRIMARY", "SECONDARY", "TERTIARY")
CODE_TYPES = ("STATIC", "GENERATED")
NUMBER_STATUSES = ("ACTIVE", "DEACTIVATED", "CANCELLED")

# What a card that replaces another takes over.
KEPT_BY_THE_NEXT = (
    *("type", "product_type", "first_line", "second_line", "name_on_card", "preferred_name"),
    *("pins", "fallback", "limit", "limit_atm", "countries"),
)


def _is_visible(call: Call, card: Item) -> bool:
    """Tell whether an app may see a card: it must pay from an account that is shared with the app."""
    visible = call.visible_accounts(call.user)
    return visible is None or card.body["account"] in visible


def _shape(call: Call, card: Item) -> Json:
    return cards.shape(call.store, card, cards.listed_as(call.bank, card))


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
    return Answer([_shape(call, item) for item in page], pagination)


@resource.get(C)
def read(call: Call, card_id: int) -> Answer:
    """Read one card."""
    return Answer([_shape(call, _own(call, card_id))])


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


def _pins(call: Call, value: object) -> list[Json]:
    """Return which account each PIN of a card stands for. The PINs themselves are not kept.

    :raises Refusal: 400, wrong types; 404, no such account.
    """
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        raise wire.invalid("The field pin_code_assignment must be a list of assignments.")
    pins: list[Json] = []
    for each in value:
        kind, routing = each.get("type", "PRIMARY"), each.get("routing_type", "MANUAL")
        if kind not in PIN_TYPES or kind in [known["type"] for known in pins] or not isinstance(routing, str):
            raise wire.invalid(f"Each pin_code_assignment needs a type of its own: {', '.join(PIN_TYPES)}.")
        code = each.get("pin_code")
        if code is not None and not (isinstance(code, str) and re.fullmatch(r"[0-9]{4}", code)):
            raise wire.invalid("A pin_code has four digits.")
        account = _find_account(call, each.get("monetary_account_id"))
        pins.append(cards.pin(call.store, kind, routing, account.id))
    return sorted(pins, key=lambda pin: PIN_TYPES.index(pin["type"]))


def _account(call: Call) -> Item:
    """Return the account a new card is ordered on: by IBAN, or the user's first.

    :raises Refusal: 400, not the user's IBAN, or no account.
    """
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


def _line(call: Call, given: Json, name: str) -> str:
    value, longest = given.get(name), cards.SECOND_LINE_MAXIMUM
    if isinstance(value, str) and len(value) > cards.SECOND_LINE_DOCUMENTED:
        call.verdicts["members"] = f"{name} is longer than {cards.SECOND_LINE_DOCUMENTED} characters"
    if call.bank.is_on("second_line_enforced"):
        longest = cards.SECOND_LINE_DOCUMENTED
    if not isinstance(value, str) or len(value) > longest:
        raise wire.invalid(f"The field {name} must be a text of at most {longest} characters.")
    return value


def _names(call: Call, given: Json) -> Json:
    """Return what is to be printed on a card, as far as it is given.

    :raises Refusal: 400, too long, or not a name of the user.
    """
    lines = [name for name in ("first_line", "second_line") if given.get(name) is not None]
    found: Json = {name: _line(call, given, name) for name in lines}
    for field, name in (("name_on_card", "name_on_card"), ("preferred_name_on_card", "preferred_name")):
        if given.get(field) is not None:
            if given[field] not in cards.possible_names(call.user):
                raise wire.invalid(f"The field {field} must be one of the possible names.")
            found[name] = given[field]
    return found


def _order(call: Call, wrapper: str) -> Answer:
    names = _names(call, {"second_line": None, "name_on_card": None, **call.json})
    for field in ("second_line", "name_on_card"):
        if field not in names:
            raise wire.invalid(f"The field {field} is required.")
    product = call.text("product_type")
    if product not in cards.PRODUCTS:
        raise wire.invalid(f'The product_type "{product}" is not known.')
    kind = call.text("type")
    if kind not in ("MAESTRO", "MASTERCARD"):
        raise wire.invalid("The field type must be MASTERCARD or MAESTRO.")
    more = names | _fallback(call, call.json)
    virtual = cards.PRODUCTS[product] or call.json.get("order_status") == "VIRTUAL_DELIVERY"
    pins = _pins(call, call.json["pin_code_assignment"]) if call.json.get("pin_code_assignment") is not None else None
    account = (
        _account(call) if pins is None or call.json.get("alias") else call.find_account(pins[0]["monetary_account_id"])
    )
    card = cards.order(call.store, call.user, account, virtual=virtual, type=kind, product_type=product, **more)
    if pins is not None:
        cards.assign(card, pins)
        call.store.save(card, touch=False)
    _tell_ordered(call, card, wrapper)
    return Answer([cards.shape(call.store, card, wrapper)])


def _fallback(call: Call, given: Json) -> Json:
    """Return the account that pays where the first one lacks the money: none, unless it is named each time."""
    value = given.get("monetary_account_id_fallback")
    return {"fallback": None if value is None else _find_account(call, value).id}


def _tell_ordered(call: Call, card: Item, wrapper: str) -> None:
    # bunq's list of event types has none for a new card: it is in the list of events only.
    thing = cards.shape(call.store, card, wrapper)
    events.happened(call.bank, user_id=call.user.id, account_id=card.account, thing=thing, notify=[])


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
    return Answer([_shape(call, card)])


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
        if status not in ("ACTIVE", card.body["status"]) and card.body["order_status"] not in cards.DELIVERED:
            raise wire.invalid("A card that was never activated cannot be frozen, lost or cancelled.")
        changes["status"] = status
        if status == "ACTIVE":
            changes["order_status"] = "DELIVERED_TO_CUSTOMER"
    for field, name in (("card_limit", "limit"), ("card_limit_atm", "limit_atm")):
        if wanted.get(field) is not None:
            changes[name] = cards.read_limit(wanted[field], field, currency)
    if wanted.get("country_permission") is not None:
        changes["countries"] = _countries(call, wanted["country_permission"])
    changes |= _names(call, wanted) | _fallback(call, wanted)
    if wanted.get("primary_account_numbers") is not None:
        changes |= _numbers(call, card, wanted["primary_account_numbers"])
    card.body |= changes
    if wanted.get("pin_code_assignment") is not None:
        cards.assign(card, _pins(call, wanted["pin_code_assignment"]))
    call.store.save(card)
    events.happened(
        call.bank,
        user_id=call.user.id,
        account_id=card.account,
        thing=_shape(call, card),
        notify=[("CARD", "CARD_UPDATED")],
        action="UPDATE",
    )


def _numbers(call: Call, card: Item, value: object) -> Json:
    """Read the only number of a card as a client changes it.

    :raises Refusal: 400, not this card's number, or wrong types.
    """
    (given,) = value if isinstance(value, list) and len(value) == 1 else (None,)
    if not isinstance(given, dict) or given.get("id", card.body["pan_id"]) != card.body["pan_id"]:
        raise wire.invalid("The field primary_account_numbers must hold the number of the card.")
    pan = {name: given[name] for name in ("description", "status") if given.get(name) is not None}
    if not isinstance(pan.get("description", ""), str) or pan.get("status", "ACTIVE") not in NUMBER_STATUSES:
        raise wire.invalid(f"A number has a description and a status of {', '.join(NUMBER_STATUSES)}.")
    return {"pan": {**card.body["pan"], **pan}}


def _countries(call: Call, value: object) -> list[Json]:
    if not isinstance(value, list):
        raise wire.invalid("The field country_permission must be a list.")
    found = []
    for each in value:
        country = each.get("country") if isinstance(each, dict) else None
        if not isinstance(country, str) or not re.fullmatch(r"[A-Z]{2}", country):
            raise wire.invalid("Each country_permission needs a country of two letters.")
        found.append({"id": call.store.next_id(), "country": country, "expiry_time": _until(each.get("expiry_time"))})
    return found


def _until(value: object) -> str | None:
    if value is None:
        return None
    try:
        return bunq_time(parse_bunq_time(str(value)))
    except ValueError as error:
        raise wire.invalid("The field expiry_time must be a time.") from error


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
        changed.append({"id": card.id})
    return Answer([{"CardBatch": {"updated_card_ids": changed}}])


@resource.post(C + "/replace")
def replace(call: Call, card_id: int) -> Answer:
    """Order a new card in the place of an old one."""
    return id_answer(_replace(call, _own(call, card_id), call.json).id)


def _replace(call: Call, old: Item, wanted: Json) -> Item:
    account = call.store.get("monetary_account", old.body["account"])
    assert account is not None
    kept = {name: old.body[name] for name in KEPT_BY_THE_NEXT if name in old.body} | _names(call, wanted)
    pins = _pins(call, wanted["pin_code_assignment"]) if wanted.get("pin_code_assignment") is not None else None
    old.body |= {"sub_status": "REPLACED", "status": "DEACTIVATED"}
    call.store.save(old)
    card = cards.order(call.store, call.user, account, virtual=old.body["virtual"], **kept)
    if pins is not None:
        cards.assign(card, pins)
        call.store.save(card, touch=False)
    _tell_ordered(call, card, "CardDebit")
    return card


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


# Codes of virtual cards.


def _code_type(call: Call, default: str) -> str:
    kind = call.json.get("type", default)
    if kind not in CODE_TYPES:
        raise wire.invalid(f"The field type must be one of {', '.join(CODE_TYPES)}.")
    return str(kind)


@resource.post(C + "/generated-cvc2")
def create_code(call: Call, card_id: int) -> Answer:
    """Make a code for five minutes. It is always 000: no card here can pay anywhere."""
    card = _own(call, card_id)
    expires = call.store.clock.timestamp() + 300
    body = {"type": _code_type(call, "GENERATED"), "expires": expires}
    return id_answer(call.store.insert("cvc2", body, owner=call.user.id, parent=card.id).id)


@resource.get(C + "/generated-cvc2")
def list_codes(call: Call, card_id: int) -> Answer:
    """List the codes of a card."""
    return call.page("cvc2", lambda item: cards.code_shape(call.store, item), parent=_own(call, card_id).id)


@resource.get(C + "/generated-cvc2/<int:code_id>")
def read_code(call: Call, card_id: int, code_id: int) -> Answer:
    """Read one code."""
    code = call.load("cvc2", code_id, "Code", parent=_own(call, card_id).id)
    return Answer([cards.code_shape(call.store, code)])


@resource.put(C + "/generated-cvc2/<int:code_id>")
def update_code(call: Call, card_id: int, code_id: int) -> Answer:
    """Change the type of a code."""
    item = call.load("cvc2", code_id, "Code", parent=_own(call, card_id).id)
    item.body["type"] = _code_type(call, item.body["type"])
    call.store.save(item)
    return id_answer(item.id)


# What was paid with cards.


@resource.get(A + "/mastercard-action")
def actions(call: Call) -> Answer:
    """List card transactions of an account."""
    call.require_role("AISP")
    store, account = call.store, call.account
    return call.page("mastercard_action", lambda item: card_payments.action_shape(store, item), account=account.id)


def _action(call: Call, action_id: int) -> Item:
    call.require_role("AISP")
    return call.load("mastercard_action", action_id, "Mastercard action", account=call.account.id)


@resource.get(A + "/mastercard-action/<int:action_id>")
def read_action(call: Call, action_id: int) -> Answer:
    """Read one card transaction."""
    return Answer([card_payments.action_shape(call.store, _action(call, action_id))])


@resource.get(A + "/mastercard-action/<int:action_id>/payment")
def action_payments(call: Call, action_id: int) -> Answer:
    """List the payment of a card transaction, and the one that gave it back; a refused one has none."""
    body = _action(call, action_id).body
    made = [each for each in (body["reversal_id"], body["payment_id"]) if each is not None]
    return Answer([payments.shape(call.store, call.account, each) for each in made], wire.NO_PAGES)
