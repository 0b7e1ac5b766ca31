"""Changing a user: PUT on `user-person`, `user-company` and `user-payment-service-provider`.

Members that bunq changes only after checking papers (names, birth, documents, owners) are taken note of and stay as
they are. The last of the three paths is not in bunq's OpenAPI, but on its page about a PSD2 party's avatar.

https://doc.bunq.com/api-reference/user
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bunqflask.sandbox.bank import people, wire
from bunqflask.sandbox.bank.store import Item
from bunqflask.sandbox.bank.wire import Answer, id_answer
from bunqflask.sandbox.protocol.call import Call, Resource
from bunqflask.sandbox.resources import avatar

resource = Resource()

# bunq's shortest and longest auto-logout are not published.
TIMEOUT_SHORTEST_S, TIMEOUT_LONGEST_S = 60, people.WEEK_S


def _name(call: Call, field: str) -> object:
    name = call.text(field, longest=140)
    if not name:
        raise wire.invalid(f"The field {field} must not be empty.")
    return name


def _language(call: Call, field: str) -> object:
    language = call.text(field)
    if language not in ("en_US", "nl_NL"):
        raise wire.invalid(f"The field {field} must be en_US or nl_NL.")
    return language


def _region(call: Call, field: str) -> object:
    region = call.text(field) or ""
    if not re.fullmatch(r"[a-z]{2}_[A-Z]{2}", region):
        raise wire.invalid(f"The field {field} must be a region such as nl_NL.")
    return region


def _address(call: Call, field: str) -> object:
    return wire.read_address(call.json[field], field)


def _timeout(call: Call, field: str) -> object:
    seconds = call.json[field]
    if not isinstance(seconds, int) or not TIMEOUT_SHORTEST_S <= seconds <= TIMEOUT_LONGEST_S:
        raise wire.invalid(f"The field {field} must be {TIMEOUT_SHORTEST_S} to {TIMEOUT_LONGEST_S} seconds.")
    return seconds


def _cents(call: Call, field: str) -> object:
    return wire.read_amount(call.json[field], field, zero_allowed=True)[0]


def _gender(call: Call, field: str) -> object:
    gender = call.text(field)
    if gender not in ("MALE", "FEMALE", "UNKNOWN"):
        raise wire.invalid(f"The field {field} must be MALE, FEMALE or UNKNOWN.")
    return gender


def _tax(call: Call, field: str) -> object:
    wanted = call.json[field]
    if not isinstance(wanted, list):
        raise wire.invalid(f"The field {field} must be a list.")
    kept = []
    for each in wanted:
        country, number = (each.get("country"), each.get("tax_number")) if isinstance(each, dict) else (None, None)
        if not isinstance(country, str) or not re.fullmatch(r"[A-Z]{2}", country) or not isinstance(number, str):
            raise wire.invalid(f"Each {field} needs a country of two letters and a tax_number.")
        kept.append({"id": call.store.next_id(), "country": country, "tax_number": number, "status": "ACTIVE"})
    return kept


def _avatar(call: Call, field: str) -> object:
    return avatar.chosen(call, call.json[field])


# Member of the request -> (member of the stored user, how it is read).
CHANGES: dict[str, tuple[str, Callable[[Call, str], object]]] = {
    "display_name": ("display_name", _name),
    "public_nick_name": ("public_nick_name", _name),
    "language": ("language", _language),
    "region": ("region", _region),
    "address_main": ("address_main", _address),
    "address_postal": ("address_postal", _address),
    "session_timeout": ("session_timeout", _timeout),
    "daily_limit_without_confirmation_login": ("daily_limit", _cents),
    "avatar_uuid": ("avatar", _avatar),
    "gender": ("gender", _gender),
    "tax_resident": ("tax_resident", _tax),
}


def _update(call: Call, wrapper: str) -> Answer:
    user: Item = call.user
    if user.body["type"] != wrapper:
        raise wire.not_found("User", user.id)
    for field, (member, read) in CHANGES.items():
        if call.json.get(field) is not None:
            user.body[member] = read(call, field)
    call.store.save(user)
    return id_answer(user.id)


@resource.put("/user-person/<int:user_id>", oauth=False)
def update_person(call: Call) -> Answer:
    """Change some of a person's data."""
    return _update(call, people.PERSON)


@resource.put("/user-company/<int:user_id>", oauth=False)
def update_company(call: Call) -> Answer:
    """Change some of a company's data."""
    return _update(call, people.COMPANY)


@resource.put("/user-payment-service-provider/<int:user_id>", oauth=False)
def update_provider(call: Call) -> Answer:
    """Change some of a PSD2 party's data, such as the picture that payers see."""
    return _update(call, people.PROVIDER)
