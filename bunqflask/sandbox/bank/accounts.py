"""Monetary accounts: opening one, and how bunq writes it.

https://doc.bunq.com/api-reference/monetary-account
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from bunqflask.sandbox.bank import ledger, people
from bunqflask.sandbox.bank.store import Item, Json, Store
from bunqflask.sandbox.bank.wire import amount, invalid

BANK = "MonetaryAccountBank"
SAVINGS = "MonetaryAccountSavings"
JOINT = "MonetaryAccountJoint"
EXTERNAL = "MonetaryAccountExternal"
EXTERNAL_SAVINGS = "MonetaryAccountExternalSavings"
CARD = "MonetaryAccountCard"

# The kind of item that says who else holds an account.
CO_OWNER = "co_owner"


def iban_for(number: int, bank: str = "BUNQ") -> str:
    """Return the Dutch IBAN of an account number of up to ten digits."""
    basic = f"{bank}{number:010d}"
    digits = "".join(str(int(sign, 36)) for sign in basic + "NL00")
    return f"NL{98 - int(digits) % 97:02d}{basic}"


def is_iban(text: str) -> bool:
    """Tell whether a text is an IBAN with the right check digits."""
    if not (15 <= len(text) <= 34 and text.isascii() and text.isalnum() and text[:2].isalpha() and text[2:4].isdigit()):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """A monetary account to be opened at zero.

    An `iban` of "" makes one up; None is an account without IBAN. `overdraft` is in cents, None is without limit.
    `created` and `updated` are bunq's timestamps; without them the account is opened now. `members` are further
    members of the stored body.
    """

    description: str
    wrapper: str = BANK
    account_id: int | None = None
    iban: str | None = ""
    currency: str = "EUR"
    status: str = "ACTIVE"
    sub_status: str = "NONE"
    color: str = "#FF7819"
    icon: str | None = None
    overdraft: int | None = 0
    created: str | None = None
    updated: str | None = None
    members: Mapping[str, object] = field(default_factory=dict)


def add(store: Store, user: Item, new: NewAccount) -> Item:
    """Open a monetary account. The first account of a user also carries the user's phone and e-mail."""
    with store.transaction():
        first = not store.select("monetary_account", owner=user.id, limit=1)
        account_id = store.next_id() if new.account_id is None else new.account_id
        iban = iban_for(2_090_000_000 + account_id % 1_000_000_000) if new.iban == "" else new.iban
        body: Json = {
            "wrapper": new.wrapper,
            "description": new.description,
            "iban": iban,
            "first": first,
            "currency": new.currency,
            "status": new.status,
            "sub_status": new.sub_status,
            "public_uuid": people.stable_uuid(f"account {account_id}") if new.created else str(uuid.uuid4()),
            "daily_limit": 500000,
            "color": new.color,
            "icon": new.icon,
            "access_id": store.next_id(),
            **new.members,
        }
        item = store.insert(
            "monetary_account",
            body,
            item_id=account_id,
            owner=user.id,
            name=iban,
            created=new.created,
            updated=new.updated,
        )
        ledger.open_account(store, account_id, new.currency, overdraft=new.overdraft)
        aliases = [] if iban is None else [f"IBAN:{iban}"]
        aliases += [alias_name(each["type"], each["value"]) for each in people.pointers(user)] if first else []
        for alias in aliases:
            store.insert("alias", {}, owner=user.id, account=account_id, name=alias)
    return item


def of_user(store: Store, user_id: int) -> list[Item]:
    """Return all monetary accounts of a user, also those held with somebody else, ascending by id."""
    shared = [each for each in store.select(CO_OWNER, owner=user_id) if each.body["status"] == "ACCEPTED"]
    found = [store.get("monetary_account", each.account or 0) for each in shared]
    own = store.select("monetary_account", owner=user_id)
    return sorted([*own, *(each for each in found if each is not None)], key=lambda item: item.id)


def holders(store: Store, account: Item) -> list[int]:
    """Return the ids of the users who hold an account: who opened it, and who accepted to hold it too."""
    invited = store.select(CO_OWNER, account=account.id)[::-1]
    return [account.owner or 0, *(each.owner or 0 for each in invited if each.body["status"] == "ACCEPTED")]


def is_held_by(store: Store, account: Item, user_id: int) -> bool:
    """Tell whether a user holds an account."""
    return account.owner == user_id or user_id in holders(store, account)


def invite(store: Store, account: Item, users: list[Item]) -> None:
    """Ask users to hold an account too; a joint account waits until all of them agree."""
    for user in users:
        store.insert(CO_OWNER, {"status": "PENDING"}, owner=user.id, account=account.id)


def answer_invitation(store: Store, invitation: Item, *, accepted: bool) -> None:
    """Agree to hold an account too, or not. That a refusal ends a joint account is invented.

    :raises Refusal: 400, answered before.
    """
    account = store.get("monetary_account", invitation.account or 0)
    assert account is not None
    if invitation.body["status"] != "PENDING":
        raise invalid(f"The invitation is already {invitation.body['status'].lower()}.")
    invitation.body["status"] = "ACCEPTED" if accepted else "REJECTED"
    store.save(invitation)
    statuses = {each.body["status"] for each in store.select(CO_OWNER, account=account.id)}
    if account.body["status"] == "PENDING_ACCEPTANCE":
        if statuses == {"ACCEPTED"}:
            account.body["status"] = "ACTIVE"
        elif "REJECTED" in statuses:
            account.body |= {"status": "CANCELLED", "sub_status": "REDEMPTION_INVOLUNTARY"}
        store.save(account)


def _co_owners(store: Store, account: Item) -> list[Json]:
    """Write who holds an account: who opened it, and who was asked to."""
    seeded: list[Json] | None = account.body.get("all_co_owner")
    invited = store.select(CO_OWNER, account=account.id)[::-1]
    if seeded is not None or not invited:
        return seeded or []
    everybody = [(account.owner or 0, "ACCEPTED"), *((each.owner or 0, each.body["status"]) for each in invited)]
    return [{"alias": people.label(people.by_id(store, id)), "status": status} for id, status in everybody]


def alias_name(pointer_type: str, value: str) -> str:
    """Return what an alias is found by: people write addresses in any case, and numbers with blanks and dashes."""
    plain = re.sub(r"[\s().-]", "", value) if pointer_type == "PHONE_NUMBER" else value
    return f"{pointer_type}:{plain.lower() if pointer_type == 'EMAIL' else plain}"


def find(store: Store, pointer_type: str, value: str) -> Item | None:
    """Return the account that an IBAN, e-mail address or phone number leads to, or None."""
    alias = store.named("alias", alias_name(pointer_type, value))
    if alias is None or alias.account is None:
        return None
    return store.get("monetary_account", alias.account)


def display_name(user: Item) -> str:
    """Return the name on a user's accounts: shortened for persons, in full for companies."""
    if user.body["type"] == people.PERSON and "helper" not in user.body:
        return f"{user.body['first_name'][0]}. {user.body['last_name']}"
    return str(user.body["display_name"])


def label(store: Store, account: Item) -> Json:
    """Write an account as LabelMonetaryAccount."""
    user = people.by_id(store, account.owner or 0)
    return {
        "iban": account.body["iban"],
        "is_light": False,
        "display_name": display_name(user),
        "avatar": picture(account),
        "label_user": people.label(user),
        "country": "NL",
    }


def picture(account: Item) -> Json:
    """Return the account's picture: the chosen one, or one made up from its icon."""
    chosen: Json | None = account.body.get("avatar")
    return chosen or people.avatar(account.body["public_uuid"])


def wire(store: Store, account: Item) -> Json:
    """Write an account as bunq does, under the name of its type."""
    body = account.body
    user = people.by_id(store, account.owner or 0)
    balance, currency = ledger.balance(store, account.id)
    shape: Json = {
        "id": account.id,
        "created": account.created,
        "updated": account.updated,
        "alias": _aliases(user, body),
        "avatar": picture(account),
        "balance": amount(balance, currency),
        "country": "NL",
        "currency": currency,
        "display_name": display_name(user),
        "daily_limit": amount(body["daily_limit"], currency),
        "description": body["description"],
        "public_uuid": body["public_uuid"],
        "status": body["status"],
        "sub_status": body["sub_status"],
        "timezone": "europe/amsterdam",
        "user_id": account.owner,
        "monetary_account_profile": None,
        "setting": _setting(body),
        "connected_cards": [],
        "budget": [],
        "all_access": [{"MonetaryAccountAccess": _access(account)}],
        "overdraft_limit": amount(ledger.overdraft(store, account.id), currency),
        "all_auto_save_id": [],
    }
    if body.get("reason") is not None:
        shape |= {"reason": body["reason"], "reason_description": body.get("reason_description")}
    return {body["wrapper"]: shape | _members_of_type(store, account)}


def _aliases(user: Item, body: Json) -> list[Json]:
    found = people.pointers(user) if body["first"] else []
    if body["iban"] is not None:
        found = [*found, {"type": "IBAN", "value": body["iban"], "name": user.body["legal_name"]}]
    return found


def _setting(body: Json) -> Json:
    return {
        "color": body["color"],
        "icon": body["icon"],
        "default_avatar_status": "AVATAR_ICON" if body["icon"] else "AVATAR_DEFAULT",
        "restriction_chat": "ALLOW_INCOMING",
        "sdd_expiration_action": "AUTO_ACCEPT",
        **body.get("setting", {}),
    }


def _access(account: Item) -> Json:
    return {
        "id": account.body["access_id"],
        "created": account.created,
        "updated": account.created,
        "access_type": "FULL_PERMANENT",
    }


def _members_of_type(store: Store, account: Item) -> Json:
    """Write the members that only some types of account have."""
    body, members = account.body, Json()
    if body["wrapper"] in (SAVINGS, EXTERNAL_SAVINGS):
        members |= _goal(body, *ledger.balance(store, account.id))
    if body["wrapper"] in (JOINT, SAVINGS):
        members["all_co_owner"] = _co_owners(store, account)
    if body["wrapper"] in (EXTERNAL, EXTERNAL_SAVINGS):
        members["service"] = body.get("service") or "OPEN_BANKING"
        members["open_banking_account"] = body.get("open_banking_account")
    return members


def _goal(body: Json, balance: int, currency: str) -> Json:
    goal = body.get("savings_goal")
    return {
        "savings_goal": None if goal is None else amount(goal, currency),
        "savings_goal_progress": None if not goal else max(0, balance * 100 // goal),
        "number_of_payment_remaining": None,
    }
