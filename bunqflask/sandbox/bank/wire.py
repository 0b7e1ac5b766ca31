"""bunq's JSON as bytes: the envelope, errors, amounts and paging.

https://doc.bunq.com/basics/errors and https://doc.bunq.com/basics/pagination
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from bunqflask.sandbox.bank.clock import bunq_time
from bunqflask.sandbox.bank.store import LARGEST_ID, Item, Json

PAGE_DEFAULT = 10
PAGE_MAXIMUM = 200

# Python refuses to read a number of more than 4300 digits, and no id comes near this.
_NUMBER = re.compile(r"[0-9]{1,100}")

# The Pagination of a list that has one page only.
NO_PAGES: Json = {"future_url": None, "newer_url": None, "older_url": None}


def to_bytes(value: Any) -> bytes:
    """Write JSON as PHP does by default: no blanks, slashes escaped, non-ASCII as \\uXXXX."""
    # A slash occurs in JSON only inside strings, so replacing each is safe.
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


class Refusal(Exception):
    """bunq refuses the call: a status and a text for the client.

    `signed` is False where bunq's own answer is known to come without a signature.
    """

    def __init__(self, status: int, text: str, *, signed: bool = True) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.signed = signed


# Dutch wording where a recording has it; everything else is repeated in English.
DUTCH = {
    "Insufficient authorisation.": "Onvoldoende autorisatie.",
    "Insufficient authentication.": "Onvoldoende authenticatie.",
}


def error_body(text: str, *, language: str = "en_US") -> Json:
    """Return bunq's error envelope."""
    translated = text
    if language == "nl_NL":
        account = re.fullmatch(r'Monetary account for id "(\d+)" not found\.', text)
        translated = f'Rekening met id "{account[1]}" is niet gevonden.' if account else DUTCH.get(text, text)
    return {"Error": [{"error_description": text, "error_description_translated": translated}]}


# The refusals whose texts are recorded.


def not_authorised() -> Refusal:
    """The session expired, or the token is unknown."""
    return Refusal(401, "Insufficient authorisation.", signed=False)


def not_authenticated() -> Refusal:
    """The session's grant or key was withdrawn."""
    return Refusal(403, "Insufficient authentication.", signed=False)


def credentials_incorrect() -> Refusal:
    """The key, access token or address is not accepted."""
    return Refusal(400, "User credentials are incorrect. Incorrect API key or IP address.")


def account_not_found(account_id: int) -> Refusal:
    """No such monetary account, or it is not shared with this session."""
    return Refusal(404, f'Monetary account for id "{account_id}" not found.')


def nothing_there() -> Refusal:
    """No such path, or nothing under it."""
    return Refusal(404, "The item you requested could not be found")


# Refusals whose texts are neither published nor recorded: invented here.


def wrong_method() -> Refusal:
    """The path exists with other methods only (invented text)."""
    return Refusal(405, "Method not allowed.")


def failed() -> Refusal:
    """The bank itself failed (invented text)."""
    return Refusal(500, "Internal server error.", signed=False)


def in_maintenance() -> Refusal:
    """Nothing is answered at present (invented text)."""
    return Refusal(491, "bunq is in maintenance.", signed=False)


def not_allowed() -> Refusal:
    """A permission is missing (invented text)."""
    return Refusal(403, "You are not allowed to perform this action.")


def not_found(what: str, object_id: int | str) -> Refusal:
    """No such object (text modelled on the one for monetary accounts)."""
    return Refusal(404, f'{what} for id "{object_id}" not found.')


def invalid(text: str) -> Refusal:
    """A parameter is missing or wrong (invented text)."""
    return Refusal(400, text)


@dataclass
class Answer:
    """What a call answers: one-key objects under "Response", JSON that is already written, or the bytes of a file."""

    objects: list[Json] = field(default_factory=list)
    pagination: Json | None = None
    signed: bool = True
    raw: tuple[str, bytes] | None = None
    written: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the body."""
        if self.raw is not None:
            return self.raw[1]
        if self.written is not None:
            return self.written
        envelope: Json = {"Response": self.objects}
        if self.pagination is not None:
            envelope["Pagination"] = self.pagination
        return to_bytes(envelope)

    @property
    def content_type(self) -> str:
        """Return the MIME type of the body."""
        return "application/json" if self.raw is None else self.raw[0]


def id_answer(object_id: int) -> Answer:
    """Answer the id of what was created or changed."""
    return Answer([{"Id": {"id": object_id}}])


def amount(cents: int, currency: str = "EUR") -> Json:
    """Write an amount as bunq does: currency first, two decimals, as text."""
    sign = "-" if cents < 0 else ""
    return {"currency": currency, "value": f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"}


def read_amount(value: object, field_name: str, *, zero_allowed: bool = False) -> tuple[int, str]:
    """Return (cents, currency) of an amount in a request: a decimal text with at most two decimals.

    :raises Refusal: 400, not an amount, or not above zero.
    """
    if not isinstance(value, dict):
        raise invalid(f"The field {field_name} must be an amount with value and currency.")
    text, currency = value.get("value"), value.get("currency")
    match = re.fullmatch(r"(\d{1,12})(?:\.(\d{1,2}))?", text) if isinstance(text, str) else None
    if match is None or not isinstance(currency, str) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise invalid(f"The field {field_name} must be an amount with value and currency.")
    cents = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if cents == 0 and not zero_allowed:
        raise invalid(f"The field {field_name} must be above zero.")
    return cents, currency


def read_address(value: object, field_name: str) -> Json:
    """Return a postal address of a request.

    :raises Refusal: 400, a part is missing or no text.
    """
    needed = ("street", "house_number", "postal_code", "city", "country")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) and value[name] for name in needed):
        raise invalid(f"The field {field_name} must be an address with {', '.join(needed)}.")
    more = {name: value.get(name) for name in ("po_box", "extra", "mailbox_name", "province")}
    if not all(part is None or isinstance(part, str) for part in more.values()):
        raise invalid(f"The field {field_name} must be an address of texts.")
    return {**{name: value[name] for name in needed}, **more}


_URL = re.compile(r"https?://(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?(?:[/?#]\S*)?", re.ASCII)


def read_url(value: object, field_name: str) -> SplitResult:
    """Return the parts of an absolute http or https address in a request.

    Nothing but a host and a port may stand before the path: pages name them in their security policy.

    :raises Refusal: 400, not such an address.
    """
    try:
        if isinstance(value, str) and len(value) <= 2000 and _URL.fullmatch(value):
            return urlsplit(value)
    except ValueError:  # an address of version 6 that is none
        pass
    raise invalid(f"The field {field_name} must be an absolute http or https address.")


def is_loopback(host: str) -> bool:
    """Tell whether the host of an address is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_geolocation(header: str | None) -> Json | None:
    """Return where a client says it is; `0 0 0 0 000` and every invalid header give None.

    The header is longitude, latitude, altitude, radius and country, separated by blanks.
    """
    try:
        longitude, latitude, altitude, radius = (float(each) for each in (header or "").split()[:4])
    except ValueError:
        return None
    if not (abs(longitude) <= 180 and abs(latitude) <= 90 and abs(altitude) < 1e6 and 0 <= radius < 1e9):
        return None
    if not (longitude or latitude or altitude or radius):
        return None
    return {"latitude": latitude, "longitude": longitude, "altitude": altitude, "radius": radius}


def read_number(text: str) -> int | None:
    """Return the whole number that a part of a query spells, no larger than any id can be; None if it is none."""
    return min(int(text), LARGEST_ID) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True)
class Window:
    """Which part of a list a client asked for; ids are exclusive bounds."""

    count: int
    older_id: int | None
    newer_id: int | None
    path: str
    extra: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_query(cls, path: str, query: Iterable[tuple[str, str]]) -> Window:
        """Read `count`, `older_id` and `newer_id`; every other parameter is kept for the page addresses.

        :raises Refusal: 400, not a number, above 200, or both ids at once.
        """
        known: dict[str, int] = {}
        extra: list[tuple[str, str]] = []
        for name, text in query:
            if name not in ("count", "older_id", "newer_id"):
                extra.append((name, text))
            elif (number := read_number(text)) is not None:
                known[name] = number
            elif text:
                raise invalid(f"The parameter {name} must be a number.")
        count = known.get("count", PAGE_DEFAULT)
        if not 1 <= count <= PAGE_MAXIMUM:
            raise invalid(f"The parameter count must be between 1 and {PAGE_MAXIMUM}.")
        if "older_id" in known and "newer_id" in known:
            raise invalid("The parameters older_id and newer_id cannot be used together.")
        return cls(count, known.get("older_id"), known.get("newer_id"), path, tuple(extra))

    def url(self, bound: str, bound_id: int) -> str:
        """Return the relative address of a neighbouring page."""
        return f"{self.path}?{urlencode([*self.extra, ('count', self.count), (bound, bound_id)])}"


def time_text(seconds: float) -> str:
    """Write a time, given in seconds since 1970, as bunq does."""
    return bunq_time(datetime.fromtimestamp(seconds, UTC))


# Returns at most `limit` things newest first: below `below`, or the ones directly above `above`.
Fetch = Callable[[int | None, int | None, int], list[Any]]


def among(shown: Sequence[Item]) -> Fetch:
    """Return how to fetch pages of items that are at hand already, newest first."""

    def fetch(below: int | None, above: int | None, limit: int) -> list[Item]:
        if above is not None:
            return [item for item in shown if item.id > above][-limit:]
        return [item for item in shown if below is None or item.id < below][:limit]

    return fetch


def paged(window: Window, fetch: Fetch, id_of: Callable[[Any], int]) -> tuple[list[Any], Json]:
    """Return one page, newest first, and its Pagination.

    With `newer_id`, the page is the one directly newer than that id (bunq does not say which).
    """
    if window.newer_id is not None:
        found = fetch(None, window.newer_id, window.count + 1)
        more_newer = len(found) > window.count
        page = found[1:] if more_newer else found
        more_older = bool(page) and bool(fetch(id_of(page[-1]), None, 1))
    else:
        found = fetch(window.older_id, None, window.count + 1)
        page, more_older = found[: window.count], len(found) > window.count
        more_newer = bool(page) and window.older_id is not None and bool(fetch(None, id_of(page[0]), 1))
    pagination: Json = {"future_url": None, "newer_url": None, "older_url": None}
    if page:
        if more_newer:
            pagination["newer_url"] = window.url("newer_id", id_of(page[0]))
        else:
            pagination["future_url"] = window.url("newer_id", id_of(page[0]))
        if more_older:
            pagination["older_url"] = window.url("older_id", id_of(page[-1]))
    elif window.newer_id is not None:
        pagination["future_url"] = window.url("newer_id", window.newer_id)
    return page, pagination
