"""bunq's JSON, given types. Unknown members are ignored, absent and null mean the same.

https://doc.bunq.com/api-reference/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from bunqflask import invisible
from bunqflask.bunq.errors import ResponseNotUnderstood

Json = Mapping[str, Any]

SECONDS_PER_WEEK = 604_800
_SECONDS_PER_YEAR = 366 * 86_400
_LARGEST_NUMBER = 2**63 - 1
_AMOUNT = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
# What JSON may write an amount as; made once, as a union made at each use is what reading payments would wait for.
_WRITTEN = (str, int, float)
# A JSON number has passed through binary: up to this many digits that changes nothing.
_EXACT_DIGITS = 15
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_USUAL_LENGTH = len("2026-01-02 03:04:05.123456")
_TOKEN = re.compile(r"[!-~]{1,4000}")
_CALLBACK_WRAPPERS = ("NotificationFilterUrl", "notification_filters")


class Amount(msgspec.Struct, frozen=True):
    """An exact amount in one currency."""

    currency: str
    value: Decimal

    @classmethod
    def from_json(cls, data: Any) -> Amount | None:
        """Read `{"currency": …, "value": …}`; None when it is absent or not an amount."""
        if not isinstance(data, dict):
            return None
        currency, value = text(data.get("currency")).strip(), data.get("value")
        if not currency or not isinstance(value, _WRITTEN):
            return None
        written = str(value)
        if not _AMOUNT.fullmatch(written):
            return None
        exact = Decimal(written)
        if isinstance(value, float) and len(exact.as_tuple().digits) > _EXACT_DIGITS:
            return None
        return cls(currency, exact)


@dataclass(frozen=True)
class InstallationAnswer:
    """What `POST installation` yields.

    https://doc.bunq.com/basics/authentication/installation
    """

    installation_id: int
    token: str
    server_public_key: str

    @classmethod
    def from_objects(cls, objects: Sequence[Json]) -> InstallationAnswer:
        """Pick the three objects by name; bunq does not promise their order.

        :raises ResponseNotUnderstood: when one is missing.
        """
        token = secret(one(objects, "Token"), "token")
        key = one(objects, "ServerPublicKey").get("server_public_key")
        if not isinstance(key, str):
            raise ResponseNotUnderstood("the installation has no server key")
        return cls(number(one(objects, "Id"), "id"), token, key)

    def __repr__(self) -> str:
        return f"InstallationAnswer({self.installation_id})"


@dataclass(frozen=True)
class BunqUser:
    """A bunq user as a session shows it: a person, a company, a payment service provider."""

    user_id: int | None
    user_type: str
    display_name: str


@dataclass(frozen=True)
class SessionAnswer:
    """What `POST session-server` yields: a token, how long it lives, and for whom it works.

    `path_user_id` goes into paths: in an OAuth session that is the UserApiKey's id. `holder` is the
    person or company whose accounts are meant: the granting user in an OAuth session.
    """

    token: str
    timeout_s: int
    path_user_id: int
    holder: BunqUser
    is_grant: bool

    @classmethod
    def from_objects(cls, objects: Sequence[Json]) -> SessionAnswer:
        """Pick token and user by name, never by place.

        :raises ResponseNotUnderstood: when one of them is missing.

        https://doc.bunq.com/basics/authentication/session
        """
        token = secret(one(objects, "Token"), "token")
        for item in objects:
            for wrapper, user in item.items():
                if wrapper == "UserApiKey" and isinstance(user, dict):
                    return cls._of_grant(token, user)
                if wrapper.startswith("User") and isinstance(user, dict):
                    holder = BunqUser(number(user, "id"), text(wrapper)[:40], _name(user))
                    return cls(token, _shortest([user]), number(user, "id"), holder, is_grant=False)
        raise ResponseNotUnderstood("the session names no user")

    @classmethod
    def _of_grant(cls, token: str, user: Json) -> SessionAnswer:
        granted_wrapper, granted = _wrapped_user(user.get("granted_by_user"))
        _, requested = _wrapped_user(user.get("requested_by_user"))
        # Sources disagree on whose auto-logout time counts in an OAuth session: the shorter one is safe.
        timeout_s = _shortest([granted, requested])
        holder = BunqUser(whole(granted.get("id")), granted_wrapper, _name(granted))
        return cls(token, timeout_s, number(user, "id"), holder, is_grant=True)

    def __repr__(self) -> str:
        return f"SessionAnswer({self.holder!r}, timeout_s={self.timeout_s})"


@dataclass(frozen=True)
class OauthClient:
    """Our OAuth client at bunq: the numeric id goes into paths, `client_id` and `secret` into OAuth.

    https://doc.bunq.com/oauth
    """

    id: int
    status: str
    client_id: str
    secret: str
    redirect_uris: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json) -> OauthClient:
        """:raises ResponseNotUnderstood: without the id, the client_id or the secret."""
        listed = data.get("callback_url")
        items = listed if isinstance(listed, list) else []
        urls = tuple(url for item in items if isinstance(item, dict) and (url := callback_url(item)))
        client_id = secret(data, "client_id")[:200]
        return cls(number(data, "id"), text(data.get("status")), client_id, secret(data, "secret"), urls)

    def __repr__(self) -> str:
        return f"OauthClient(id={self.id}, status={self.status!r})"


@dataclass(frozen=True)
class MonetaryAccount:
    """One monetary account; `wrapper` is bunq's name of its type, known to us or not, and `raw` bunq's JSON of it.

    `ibans` are in bunq's order, the account's main one first; `balance` is None where bunq gave
    none or one that is not an amount.
    """

    monetary_account_id: int
    wrapper: str
    description: str
    ibans: tuple[str, ...]
    currency: str
    balance: Amount | None
    status: str
    sub_status: str
    color: str | None
    savings_goal: Amount | None
    updated_at: datetime | None
    user_id: int | None
    raw: Json

    @classmethod
    def from_item(cls, item: Json) -> MonetaryAccount | None:
        """Read one list item `{"MonetaryAccountX": {…}}`; None when it holds no account that has an id.

        New account types appear without notice, so any wrapper of that name family is taken.

        https://doc.bunq.com/api-reference/monetary-account
        """
        for wrapper, data in item.items():
            if wrapper.startswith("MonetaryAccount") and isinstance(data, dict) and whole(data.get("id")) is not None:
                return cls._from_json(wrapper, data)
        return None

    @classmethod
    def _from_json(cls, wrapper: str, data: Json) -> MonetaryAccount:
        balance = Amount.from_json(data.get("balance"))
        setting = data.get("setting")
        return cls(
            monetary_account_id=number(data, "id"),
            wrapper=text(wrapper),
            description=text(data.get("description")) or text(data.get("display_name")),
            ibans=_ibans(data.get("alias")),
            currency=balance.currency if balance else text(data.get("currency")),
            balance=balance,
            status=text(data.get("status")),
            sub_status=text(data.get("sub_status")),
            color=_color(setting.get("color")) if isinstance(setting, dict) else None,
            savings_goal=Amount.from_json(data.get("savings_goal")),
            updated_at=read_time(data.get("updated")),
            user_id=whole(data.get("user_id")),
            raw=data,
        )


def one(objects: Sequence[Json], wrapper: str) -> Json:
    """Return the object of that name from bunq's list of one-key objects.

    :raises ResponseNotUnderstood: when there is none.
    """
    for item in objects:
        data = item.get(wrapper)
        if isinstance(data, dict):
            return data
    raise ResponseNotUnderstood(f"no {wrapper} in bunq's answer")


def created_id(objects: Sequence[Json]) -> int:
    """Return the id of what was made: most answers wrap it as `Id`, for some bunq documents a bare one.

    :raises ResponseNotUnderstood: when there is none.
    """
    wrapped = [item["Id"] for item in objects if "Id" in item]
    for data in (*wrapped, *(each for item in objects for each in (*item.values(), item))):
        if isinstance(data, dict) and (found := whole(data.get("id"))) is not None:
            return found
    raise ResponseNotUnderstood("no id in bunq's answer")


def number(data: Json, name: str) -> int:
    """Return a whole number that must be there; bunq types some ids as text.

    :raises ResponseNotUnderstood: when it is missing or not a whole number.
    """
    value = whole(data.get(name))
    if value is None:
        raise ResponseNotUnderstood(f"{name} is not a number in bunq's answer")
    return value


def whole(value: Any) -> int | None:
    """Return a whole number that a database can hold, written as one or as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_NUMBER:
        return None
    return value


def text(value: Any) -> str:
    """Return a text without what is not for reading, or the empty one for anything else."""
    return invisible.remove(value) if isinstance(value, str) else ""


def secret(data: Json, name: str) -> str:
    """Return a token or key, which will travel in headers and addresses; never shown.

    :raises ResponseNotUnderstood: when it is missing or of characters that cannot travel so.
    """
    value = data.get(name)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ResponseNotUnderstood(f"bunq's answer has no usable {name}")
    return value


def read_time(value: Any) -> datetime | None:
    """Read bunq's timestamp: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC without saying so, sometimes fewer digits.

    None for a time that is none, or so far away that it cannot be one of a bank.
    """
    if not isinstance(value, str):
        return None
    try:
        if len(value) == _USUAL_LENGTH and value[20:].isdecimal():
            parsed = datetime.fromisoformat(f"{value}+00:00")  # with its zone it is read several times as quickly
        else:
            parsed = datetime.fromisoformat(value)
            parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return parsed if _FIRST_YEAR <= parsed.year <= _LAST_YEAR else None


def callback_url(item: Json) -> str | None:
    """Return the URL of a redirect URL object, wrapped or bare."""
    inner = item.get("OauthCallbackUrl", item)
    return text(inner.get("url")) or None if isinstance(inner, dict) else None


def callbacks_in(data: Any) -> list[Json]:
    """Find the callbacks in bunq's answer, wrapped as `NotificationFilterUrl` or bare, or in an older form's list."""
    if isinstance(data, list):
        return [found for each in data for found in callbacks_in(each)]
    if not isinstance(data, dict):
        return []
    if data.get("category") and data.get("notification_target"):
        return [data]
    return [found for name in _CALLBACK_WRAPPERS for found in callbacks_in(data.get(name))]


def _wrapped_user(data: Any) -> tuple[str, Json]:
    if isinstance(data, dict):
        for wrapper, user in data.items():
            if isinstance(user, dict):
                return text(wrapper)[:40], user
    return "", {}


def _name(user: Json) -> str:
    for name in ("display_name", "public_nick_name", "name", "legal_name"):
        if shown := text(user.get(name)).strip():
            return shown
    return ""


def _shortest(users: Sequence[Json]) -> int:
    timeouts = [value for user in users if (value := whole(user.get("session_timeout")))]
    return min([*timeouts, _SECONDS_PER_YEAR]) if timeouts else SECONDS_PER_WEEK


def _ibans(aliases: Any) -> tuple[str, ...]:
    """Return the IBANs among the aliases of an account, each once."""
    found = [
        re.sub(r"\s", "", text(alias.get("value"))).upper()[:40]
        for alias in (aliases if isinstance(aliases, list) else [])
        if isinstance(alias, dict) and alias.get("type") == "IBAN"
    ]
    return tuple(dict.fromkeys(filter(None, found)))


def _color(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value) else None


def key_of_device(key: dict[str, Any], device: str) -> int | None:
    """Return the id of an API key that is in use by a device of this description; None for any other.

    https://doc.bunq.com/api-reference/credential-password-ip
    """
    permitted = key.get("permitted_device")
    is_its = isinstance(permitted, dict) and permitted.get("description") == device
    return whole(key.get("id")) if is_its and key.get("status") == "ACTIVE" else None


def permitted_addresses(items: list[dict[str, Any]]) -> list[str]:
    """Return the addresses of a list of `PermittedIp` that are switched on; `*` stands for all.

    https://doc.bunq.com/basics/whitelisting-and-updating-ip-addresses
    """
    shown = [data for item in items if isinstance(data := item.get("PermittedIp"), dict)]
    return [data["ip"] for data in shown if data.get("status") == "ACTIVE" and isinstance(data.get("ip"), str)]
