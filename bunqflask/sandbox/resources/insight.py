"""`insights`, `insights-search` and categories.

bunq's specification mentions a range without naming its parameters; `time_start`, `time_end` and `category` are the
plausible names.

https://doc.bunq.com/api-reference/insights
"""

from __future__ import annotations

import re
from datetime import timedelta

from bunqflask.sandbox.bank import accounts, categories, past, wire
from bunqflask.sandbox.bank.clock import bunq_time, parse_bunq_time
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import NO_PAGES, Answer, amount, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource, U
from bunqflask.sandbox.resources import event

resource = Resource()

# The day on which a user's month begins; it can be changed in the app only.
DAY_OF_MONTH = 1


def _range(call: Call) -> tuple[str, str]:
    """Return the range asked for as bunq times, the running month without one.

    :raises Refusal: 400, not times, or in the wrong order.
    """
    now = call.store.clock.now()
    month = now.replace(day=DAY_OF_MONTH, hour=0, minute=0, second=0, microsecond=0)
    try:
        start, end = (
            bunq_time(parse_bunq_time(call.query[name]) if name in call.query else default)
            for name, default in (("time_start", month), ("time_end", now + timedelta(seconds=1)))
        )
    except ValueError as error:
        raise wire.invalid("The parameters time_start and time_end must be times.") from error
    if start > end:
        raise wire.invalid("The parameter time_start must come before time_end.")
    return start, end


def _accounts(call: Call) -> list[Item]:
    visible = call.visible_accounts(call.user)
    return [each for each in accounts.of_user(call.store, call.user.id) if visible is None or each.id in visible]


@resource.get(U + "/insights")
def index(call: Call) -> Answer:
    """Add up the payments of a range by category, the most expensive first."""
    call.require_role("AISP")
    start, end = _range(call)
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for account in _accounts(call):
        currency = account.body["currency"]
        for name, (cents, number) in categories.sums(call.store, call.user, account, start, end).items():
            before = sums.get((name, currency), (0, 0))
            sums[name, currency] = (before[0] + cents, before[1] + number)
    language = call.header.get("X-Bunq-Language", "en_US")
    shown: list[Json] = []
    for (name, currency), (cents, number) in sorted(sums.items(), key=lambda item: item[1]):
        category = categories.SYSTEM[name]
        shown.append(
            {
                "InsightCategory": {
                    "category": name,
                    "category_translated": category.translated(language),
                    "category_color": category.color,
                    "category_icon": name,
                    "amount_total": amount(cents, currency),
                    "number_of_transactions": number,
                }
            }
        )
    return Answer(shown, NO_PAGES)


@resource.get(U + "/insights-search")
def search(call: Call) -> Answer:
    """List the events of payments of a range, of one category where it is named."""
    call.require_role("AISP")
    start, end = _range(call)
    wanted = call.query.get("category")
    visible = _accounts(call)
    ids, ibans = {each.id for each in visible}, {each.body["iban"] for each in visible if each.body["iban"]}

    def is_meant(item: Item) -> bool:
        if item.account not in ids or not start <= item.created < end:
            return False
        payment = past.object_of(call.store, item).get("Payment")
        if payment is None:
            return False
        return wanted is None or categories.of_shape(ibans, payment).name == wanted

    page, pagination = wire.paged(call.window, event.those(call, is_meant), lambda item: item.id)
    return Answer([event.shape(call.store, each) for each in page], pagination)


@resource.get(U + "/insight-preference-date")
def preference_date(call: Call) -> Answer:
    """Read on which day a month begins."""
    return Answer([{"InsightPreferenceDate": {"day_of_month": DAY_OF_MONTH}}], NO_PAGES)


# Categories.

STATUSES = ("ACTIVE", "INACTIVE")


@resource.get(U + "/additional-transaction-information-category")
def list_categories(call: Call) -> Answer:
    """List the bank's categories and the user's own."""
    language = call.header.get("X-Bunq-Language", "en_US")
    shown: list[Json] = [
        {
            "category": each.name,
            "type": "SYSTEM",
            "status": "ACTIVE",
            "description": each.english,
            "description_translated": each.translated(language),
            "color": each.color,
            "icon": each.name,
        }
        for each in categories.SYSTEM.values()
    ]
    for item in call.store.select("category", owner=call.user.id)[::-1]:
        description = item.body["description"]
        shown.append({"category": item.name, **item.body, "description_translated": description})
    wrapper = "AdditionalTransactionInformationCategory"
    return Answer([{wrapper: {**each, "order": number}} for number, each in enumerate(shown, 1)], NO_PAGES)


@resource.post(U + "/additional-transaction-information-category-user-defined")
def define(call: Call) -> Answer:
    """Add a category of the user's own, or change the one of that name."""
    status = call.json.get("status")
    if status not in STATUSES:
        raise wire.invalid(f"The field status must be one of {', '.join(STATUSES)}.")
    name = call.text("category", required=False, longest=100)
    description = call.text("description", required=False, longest=140)
    if name in categories.SYSTEM or name == "":
        raise wire.invalid("The field category must not be the name of a category of the bank.")
    color = call.text("color", required=False, longest=9)
    if color is not None and not re.fullmatch(r"#[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?", color):
        raise wire.invalid("The field color must be a colour as #RRGGBB.")
    own = [each for each in call.store.select("category", owner=call.user.id) if each.name == name]
    given = {"description": description, "color": color, "icon": call.text("icon", required=False, longest=100)}
    if own:
        item = own[0]
        item.body |= {"status": status, **{field: value for field, value in given.items() if value is not None}}
        call.store.save(item)
        return id_answer(item.id)
    body = {"type": "USER_DEFINED", "status": status, **given}
    item = call.store.insert("category", body, owner=call.user.id, name=name)
    if name is None:
        item.name = f"USER_DEFINED_{item.id}"
        call.store.save(item, touch=False)
    return id_answer(item.id)
