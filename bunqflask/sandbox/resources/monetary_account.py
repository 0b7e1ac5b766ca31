"""`monetary-account` and its typed forms.

https://doc.bunq.com/api-reference/monetary-account
"""

from __future__ import annotations

from bunqflask.sandbox.bank import accounts, ledger, payments, people, wire
from bunqflask.sandbox.bank.store import Item, Json
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import A, Call, Resource, U
from bunqflask.sandbox.resources.avatar import chosen as chosen_avatar

resource = Resource()

DAILY_LIMIT_MAXIMUM = 1_000_000
STATUSES = ("ACTIVE", "CANCELLED", "PENDING_REOPEN")

# Where an account must stand to get there; which ways bunq allows is not documented.
BEFORE = {"ACTIVE": ("ACTIVE", "PENDING_REOPEN"), "PENDING_REOPEN": ("CANCELLED", "PENDING_REOPEN")}

WITH_GOAL = (accounts.SAVINGS, accounts.EXTERNAL_SAVINGS)

# Word in the path -> name of the type in answers.
TYPES = {
    "bank": accounts.BANK,
    "joint": accounts.JOINT,
    "savings": accounts.SAVINGS,
    "external": accounts.EXTERNAL,
    "external-savings": accounts.EXTERNAL_SAVINGS,
    "card": accounts.CARD,
}


def _list(call: Call, wrapper: str | None) -> Answer:
    """List accounts, ascending by id as bunq's OAuth example does; where they fill more than a page, the newest.

    The user's first account stands first on the first page all the same, and on no other: clients take the first
    account that they read for the one that money goes to. How bunq orders more than a page is not known.
    """
    visible = call.visible_accounts(call.user)
    shown = [
        item
        for item in accounts.of_user(call.store, call.user.id)
        if (visible is None or item.id in visible) and wrapper in (None, item.body["wrapper"])
    ]

    page, pagination = _page(call.window, shown)
    if len(page) == len(shown):
        pagination = wire.NO_PAGES
    return Answer([accounts.wire(call.store, item) for item in page], pagination)


def _page(window: wire.Window, shown: list[Item]) -> tuple[list[Item], Json]:
    """Return a page of accounts, ascending, and its Pagination."""
    if len(shown) <= window.count:
        page, pagination = wire.paged(window, wire.among(shown[::-1]), lambda item: item.id)
        return page[::-1], pagination
    first, *others = shown
    if window.older_id is not None or window.newer_id is not None:
        page, pagination = wire.paged(window, wire.among(others[::-1]), lambda item: item.id)
        return page[::-1], pagination
    newest = others[len(others) - (window.count - 1) :]
    bound = newest[0].id if newest else others[-1].id + 1
    future, older = window.url("newer_id", others[-1].id), window.url("older_id", bound)
    return [first, *newest], {**wire.NO_PAGES, "future_url": future, "older_url": older}


@resource.get(U + "/monetary-account")
def index(call: Call) -> Answer:
    """List accounts of every type."""
    return _list(call, None)


@resource.get(A)
def read(call: Call) -> Answer:
    """Read one account of any type."""
    return Answer([accounts.wire(call.store, call.account)])


def _create(call: Call, wrapper: str) -> Answer:
    """Open an account. An app that opens one may see it."""
    currency = call.text("currency")
    if currency != "EUR" and wrapper != accounts.BANK:
        raise wire.invalid("The currency must be EUR.")
    if currency is None or not (len(currency) == 3 and currency.isupper()):
        raise wire.invalid("The field currency must be an ISO 4217 code.")
    changes = _read_changes(call, currency)
    members: Json = {}
    if wrapper in WITH_GOAL and call.json.get("savings_goal") is not None:
        members["savings_goal"] = wire.read_amount(call.json["savings_goal"], "savings_goal")[0]
    others = _co_owners(call) if wrapper in (accounts.JOINT, accounts.SAVINGS) else []
    if wrapper == accounts.JOINT and not others:
        raise wire.invalid("The field all_co_owner is required.")
    external = wrapper in (accounts.EXTERNAL, accounts.EXTERNAL_SAVINGS)
    if external:
        members["service"] = call.text("service", required=False, longest=100)
    new = accounts.NewAccount(
        description=changes.pop("description", "bunq account"),
        wrapper=wrapper,
        iban=None if external else "",
        currency=currency,
        status="PENDING_ACCEPTANCE" if wrapper == accounts.JOINT else "ACTIVE",
        members=members,
    )
    account = accounts.add(call.store, call.user, new)
    account.body |= changes
    call.store.save(account, touch=False)
    accounts.invite(call.store, account, others)
    grant = call.grant
    if grant is not None:
        grant.body["accounts"] = [*grant.body["accounts"], account.id]
        call.store.save(grant, touch=False)
    return id_answer(account.id)


def _co_owners(call: Call) -> list[Item]:
    """Return the users who are to hold an account too.

    :raises Refusal: 400, not a list of co-owners, or a co-owner is unknown.
    """
    wanted = call.json.get("all_co_owner")
    if wanted is None:
        return []
    if not isinstance(wanted, list) or not all(isinstance(each, dict) for each in wanted):
        raise wire.invalid("The field all_co_owner must be a list of co-owners.")
    found = {user.id: user for user in (_known_user(call, each.get("alias")) for each in wanted)}
    found.pop(call.user.id, None)
    return list(found.values())


def _known_user(call: Call, alias: object) -> Item:
    """Return the user that a pointer or a LabelUser means: bunq's OpenAPI has the second, in answers too.

    :raises Refusal: 400, neither, or no user has it (invented text).
    """
    if isinstance(alias, dict) and alias.get("uuid"):
        for user in call.store.select("user"):
            if user.body["public_uuid"] == alias["uuid"]:
                return user
        raise wire.invalid(f'No bunq user is known by "{alias["uuid"]}".')
    kind, value, _name = payments.read_pointer({"name": "-", **alias} if isinstance(alias, dict) else alias, "alias")
    account = accounts.find(call.store, kind, value)
    if account is None:
        raise wire.invalid(f'No bunq user is known by "{value}".')
    return people.by_id(call.store, account.owner or 0)


def _read_changes(call: Call, currency: str) -> Json:
    """Return the members that may be set when an account is made or changed.

    :raises Refusal: 400, one of them is wrong.
    """
    changes: Json = {}
    if "description" in call.json:
        changes["description"] = call.text("description", longest=140)
    if "daily_limit" in call.json:
        cents, limit_currency = wire.read_amount(call.json["daily_limit"], "daily_limit", zero_allowed=True)
        if cents > DAILY_LIMIT_MAXIMUM or limit_currency != currency:
            raise wire.invalid("The daily_limit is at most 10000 in the currency of the account.")
        changes["daily_limit"] = cents
    setting = call.json.get("setting")
    if setting is not None:
        if not isinstance(setting, dict):
            raise wire.invalid("The field setting must be an object.")
        changes["setting"] = setting
        changes |= {name: setting[name] for name in ("color", "icon") if name in setting}
    if call.json.get("avatar_uuid") is not None:
        changes["avatar"] = chosen_avatar(call, call.json["avatar_uuid"])
    return changes


def _update(call: Call, account: Item) -> Answer:
    """Rename, limit, colour, reopen or close. Only an empty account can be closed."""
    changes = _read_changes(call, account.body["currency"])
    if "savings_goal" in call.json and account.body["wrapper"] in WITH_GOAL:
        changes["savings_goal"] = wire.read_amount(call.json["savings_goal"], "savings_goal")[0]
    status = call.json.get("status")
    if status is not None:
        if status not in STATUSES:
            raise wire.invalid(f"The field status must be one of {', '.join(STATUSES)}.")
        if status == "CANCELLED":
            changes |= _closing(call, account)
        elif account.body["status"] not in BEFORE[status]:
            raise wire.invalid(f"An account that is {account.body['status']} cannot become {status}.")
        else:
            changes |= {"status": status, "sub_status": "NONE", "reason": None}
    account.body |= changes
    call.store.save(account)
    return id_answer(account.id)


def _closing(call: Call, account: Item) -> Json:
    if account.body["status"] == "CANCELLED":
        raise wire.invalid("The account is closed already.")
    if call.json.get("sub_status") != "REDEMPTION_VOLUNTARY" or call.json.get("reason") != "OTHER":
        raise wire.invalid("Closing needs sub_status REDEMPTION_VOLUNTARY and reason OTHER.")
    if ledger.balance(call.store, account.id)[0] != 0:
        raise wire.invalid("The balance must be zero before the account can be closed.")
    return {
        "status": "CANCELLED",
        "sub_status": "REDEMPTION_VOLUNTARY",
        "reason": "OTHER",
        "reason_description": call.text("reason_description", required=False),
    }


def _add_typed(word: str, wrapper: str) -> None:
    """Add the calls of one type."""

    @resource.get(f"{U}/monetary-account-{word}")
    def index_typed(call: Call) -> Answer:
        return _list(call, wrapper)

    def own(call: Call) -> Item:
        if call.account.body["wrapper"] != wrapper:
            raise wire.account_not_found(call.account.id)
        return call.account

    @resource.get(f"{U}/monetary-account-{word}/<int:account_id>")
    def read_typed(call: Call) -> Answer:
        return Answer([accounts.wire(call.store, own(call))])

    @resource.put(f"{U}/monetary-account-{word}/<int:account_id>")
    def update_typed(call: Call) -> Answer:
        return _update(call, own(call))

    # A card account is opened together with a card, never alone.
    if wrapper != accounts.CARD:
        resource.post(f"{U}/monetary-account-{word}")(lambda call: _create(call, wrapper))


for _word, _wrapper in TYPES.items():
    _add_typed(_word, _wrapper)
