"""What of an answer of bunq's a program may see: each item as bunq wrote it, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from bunqflask.bunq import errors, protocol
from bunqflask.bunq.readable import NEWER, OLDER, Accounts, Resource
from bunqflask.services.policy import NotFoundHere

_LINKS = ("future_url", "newer_url", "older_url")
# bunq calls an account by its id, in members such as `monetary_account_id_fallback`; or by a label with its IBAN, in
# `label_monetary_account_current` and `alias_monetary_account`.
_ID, _LABEL = "monetary_account_id", ("label_monetary_account", "alias_monetary_account")
_FOR_ALL = "UserApiKey"
_CONTAINERS = (dict, list)
# As bunq usually writes it: one id, where nothing else of an item mentions accounts or hides letters in escapes.
_USUAL_ID = re.compile(rb'monetary_account_id[a-z_]*": ?"?([0-9]{1,18})(?=[",}\]\s])')
_MENTION, _HIDDEN_LETTERS = b"monetary_account", re.compile(rb"\\u00[2-7]")


@dataclass(frozen=True)
class Seen:
    """Which accounts an answer may name, by bunq's ids and by IBAN; `is_whole`: also those that we do not know yet."""

    is_whole: bool
    monetary_account_ids: frozenset[int]
    ibans: frozenset[str]


@dataclass(frozen=True)
class Shown:
    """An answer for a program, and the accounts, by bunq's ids, that it names."""

    body: bytes
    monetary_account_ids: frozenset[int]


class _Answer(msgspec.Struct):
    Response: list[msgspec.Raw]
    Pagination: Any = msgspec.UNSET


_ANSWER = msgspec.json.Decoder(_Answer)


def narrow(
    body: bytes,
    resource: Resource,
    seen: Seen,
    address: str,
    parameters: Mapping[str, str],
    *,
    hidden_text: str,
) -> Shown:
    """Leave out the items that name an account which may not be seen, and lead the links to other pages to `address`.

    What remains are bunq's own bytes; where nothing is changed, all of them.

    :param hidden_text: what stands in addresses that hold a secret of this server; items with one are left out.
    :raises NotFoundHere: it is a single object, and may not be seen.
    :raises ResponseNotUnderstood: it is not of bunq's form.
    """
    answer = _read(body)
    named: set[int] = set()
    shown: list[msgspec.Raw] = []
    holds_callbacks = resource.accounts is Accounts.NONE
    for raw in answer.Response:
        if seen.is_whole and not holds_callbacks:
            shown.append(raw)
            continue
        of_item = _quickly_named_in(raw) if resource.accounts in (Accounts.PATH, Accounts.ITEM) else None
        item = {} if of_item else _object(raw)
        if holds_callbacks and any(hidden_text in text for text in _texts(item)):
            continue
        of_item = of_item or _named_in(item, resource)
        if seen.is_whole or _is_visible(item, of_item, resource, seen):
            shown.append(raw)
            named |= of_item.ids
    if resource.is_single and not shown:
        raise NotFoundHere
    links = _links(answer.Pagination, address, parameters)
    if links is None and len(shown) == len(answer.Response):
        return Shown(body, frozenset(named))
    found = {"Response": shown} | ({} if links is None else {"Pagination": links})
    return Shown(msgspec.json.encode(found), frozenset(named))


@dataclass(frozen=True)
class _Named:
    """The accounts that an item names."""

    ids: frozenset[int]
    ibans: frozenset[str]


def _is_visible(item: dict[str, Any], named: _Named, resource: Resource, seen: Seen) -> bool:
    if resource.accounts is Accounts.PUBLIC:
        return True
    if resource.accounts is Accounts.USER:
        return item.keys() == {_FOR_ALL}
    if not (named.ids <= seen.monetary_account_ids and named.ibans <= seen.ibans):
        return False
    # What names no account is about the bunq user as a whole, unless the path says whose it is.
    return resource.accounts is Accounts.PATH or bool(named.ids)


def _quickly_named_in(raw: msgspec.Raw) -> _Named | None:
    """Return the accounts that an item names, read from its bytes; None where only its members can tell.

    Most items mention an account once, by an id: then the objects need not be made, which costs ten times as much.
    """
    text = bytes(raw)
    ids = _USUAL_ID.findall(text)
    if not ids or text.count(_MENTION) != len(ids) or _HIDDEN_LETTERS.search(text):
        return None
    return _Named(frozenset(map(int, ids)), frozenset())


def _named_in(item: dict[str, Any], resource: Resource) -> _Named:
    """Return all accounts that an item names, however deep in it."""
    ids, ibans = set[int](), set[str]()
    waiting: list[Any] = [item]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += [value for value in each if isinstance(value, _CONTAINERS)]
            continue
        for key, value in each.items():
            if isinstance(value, _CONTAINERS):
                waiting.append(value)
            if _ID in key:
                ids.update(map(_number, value if isinstance(value, list) else () if value is None else (value,)))
            elif key.startswith(_LABEL) and isinstance(value, dict) and isinstance(value.get("iban"), str):
                ibans.add(value["iban"])
    if resource.accounts is Accounts.ACCOUNT:
        ids.update(_number(each.get("id")) for each in item.values() if isinstance(each, dict))
    return _Named(frozenset(ids), frozenset(ibans))


def _number(value: object) -> int:
    """Return an id, which bunq writes as a number or as a text; what is neither is the id of no account."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19 else -1


def _texts(item: Any) -> Iterator[str]:
    """Return all texts in an item."""
    waiting = [item]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, _CONTAINERS):
            waiting += each.values() if isinstance(each, dict) else each


def _read(body: bytes) -> _Answer:
    try:
        return _ANSWER.decode(body)
    except (ValueError, RecursionError) as error:
        raise errors.ResponseNotUnderstood("bunq's answer has no Response") from error


def _object(raw: msgspec.Raw) -> dict[str, Any]:
    """Return an item; what is no object is one without members, which names no account.

    :raises ResponseNotUnderstood: it nests too deeply.
    """
    try:
        item = msgspec.json.decode(raw)
    except RecursionError as error:
        raise errors.ResponseNotUnderstood("bunq's answer nests too deeply") from error
    return item if isinstance(item, dict) else {}


def _links(pagination: Any, address: str, parameters: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the links to other pages as addresses of ours; None where the answer has none.

    Of bunq's links only the page is taken, so they lead nowhere else.

    :raises ResponseNotUnderstood: a link names no page.
    """
    if pagination is msgspec.UNSET or pagination is None:
        return None
    given = pagination if isinstance(pagination, dict) else {}
    pages = {name: protocol.page_query(given.get(name)) for name in _LINKS}
    kept = {name: value for name, value in parameters.items() if name not in (OLDER.name, NEWER.name)}
    return {name: None if page is None else f"{address}?{urlencode({**kept, **page})}" for name, page in pages.items()}
