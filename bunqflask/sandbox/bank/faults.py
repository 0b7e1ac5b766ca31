"""The active faults: which answers fail, how, and how often. `protocol/fault_injection.py` applies them."""

from __future__ import annotations

import fnmatch
import itertools
import threading
from dataclasses import dataclass

from bunqflask.sandbox.bank.rate_limits import last_word
from bunqflask.sandbox.bank.store import Json

# Kind -> what the panel calls it. Those in STATUS_TEXTS replace the answer by a refusal.
KINDS = {
    "400": "400 Bad request",
    "400-credentials": "400 User credentials are incorrect",
    "401": "401 Insufficient authorisation",
    "401-authentication": "401 Insufficient authentication",
    "403": "403 Insufficient authentication",
    "403-authorisation": "403 Insufficient authorisation",
    "403-permission": "403 Not allowed",
    "404": "404 Not found",
    "405": "405 Method not allowed",
    "409": "409 Conflict, as the real sandbox throttles",
    "429": "429 Too many requests",
    "466": "466 Request signature required",
    "490": "490 User error",
    "491": "491 Maintenance",
    "500": "500 Internal server error",
    "html-502": "502 as an HTML page",
    "html-503": "503 as an HTML page",
    "timeout": "Nothing: time out",
    "slow-drip": "The answer, one byte at a time",
    "reset": "Connection reset",
    "truncated": "Half of the body",
    "invalid-json": "Invalid JSON, signed",
    "empty": "An empty body, signed",
    "bad-signature": "A wrong signature",
    "missing-signature": "No signature",
    "wrong-content-type": "Content type text/html",
    "header-case": "Header names in lower case",
    "reordered": "Items in another order",
    "unknown-fields": "Unknown fields",
    "unknown-types": "An item of an unknown type",
    "null-members": "Null members",
}

# Texts of which no recording is known are invented.
STATUS_TEXTS = {
    "400": (400, "The request is invalid."),
    "400-credentials": (400, "User credentials are incorrect. Incorrect API key or IP address."),
    "401": (401, "Insufficient authorisation."),
    "401-authentication": (401, "Insufficient authentication."),
    "403": (403, "Insufficient authentication."),
    "403-authorisation": (403, "Insufficient authorisation."),
    "403-permission": (403, "You are not allowed to perform this action."),
    "404": (404, "The item you requested could not be found"),
    "405": (405, "Method not allowed."),
    "409": (409, "Conflict."),
    "429": (429, "Too many requests. You can do a maximum of {calls} calls per {seconds} second to this endpoint."),
    "466": (466, "Request signature required."),
    "490": (490, "The request is invalid."),
    "491": (491, "bunq is in maintenance."),
    "500": (500, "Internal server error."),
}

# These change an answer that was really given, so the work is always done first.
CHANGES = {
    "truncated",
    "slow-drip",
    "invalid-json",
    "empty",
    "bad-signature",
    "missing-signature",
    "wrong-content-type",
    "header-case",
    "reordered",
    "unknown-fields",
    "unknown-types",
    "null-members",
}
DEFAULT_SECONDS = {"timeout": 60.0, "slow-drip": 20.0}


@dataclass
class Fault:
    """One instruction. `times` left is None for "until removed"; `seconds` matters to waiting ones only."""

    id: int
    call: str
    fault: str
    when: str
    times: int | None
    seconds: float

    def as_json(self) -> Json:
        """Return the instruction as the control address shows it."""
        return {
            "id": self.id,
            "call": self.call,
            "fault": self.fault,
            "when": self.when,
            "times": self.times,
            "seconds": self.seconds,
        }

    def matches(self, method: str, pattern: str, path: str) -> bool:
        """Tell whether this fault is meant for the call."""
        wanted_method, _, what = self.call.partition(" ")
        if wanted_method not in ("ANY", method):
            return False
        if what == "*" or what == last_word(pattern):
            return True
        return what.startswith("/") and (fnmatch.fnmatchcase(path, what) or what == pattern)


def read_fault(body: object, fault_id: int) -> Fault:
    """Read an instruction: `call`, `fault`, and optionally `times`, `when`, `seconds`.

    `call` is a method (or ANY), a blank and either the last word of the path, as "POST session-server", or a path
    with * as in "GET /v1/user/*/monetary-account", or * for everything.

    :raises ValueError: something in it is not known; the text says what.
    """
    if not isinstance(body, dict):
        raise ValueError("a fault is an object with call and fault")
    unknown = set(body) - {"call", "fault", "times", "when", "seconds", "id"}
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    call, kind = body.get("call", "ANY *"), body.get("fault")
    if not isinstance(call, str):
        raise ValueError("call is a text like 'POST session-server'")
    if call in ("*", "Anything"):
        call = "ANY *"
    method, _, what = call.partition(" ")
    if method not in ("ANY", "GET", "POST", "PUT", "DELETE") or not what:
        raise ValueError("call is a text like 'POST session-server', 'GET /v1/user/*' or 'ANY *'")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"fault is one of {', '.join(KINDS)}")
    times = body.get("times", 1)
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise ValueError("times is a number above 0, or null for until removed")
    when = body.get("when", "before")
    if when not in ("before", "after"):
        raise ValueError("when is 'before' or 'after' the work is done")
    seconds = body.get("seconds", DEFAULT_SECONDS.get(kind, 0.0))
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 3600:
        raise ValueError("seconds is a number from 0 to 3600")
    return Fault(fault_id, call, kind, "after" if kind in CHANGES else when, times, float(seconds))


class Faults:
    """The faults in force, in the order they were added; the first that matches is used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: list[Fault] = []

    def clear(self) -> None:
        """Remove all."""
        with self._lock:
            self._faults = []

    def all(self) -> list[Fault]:
        """Return all."""
        with self._lock:
            return list(self._faults)

    def add(self, body: object) -> Fault:
        """Add one.

        :raises ValueError: not a fault.
        """
        fault = read_fault(body, next(self._ids))
        with self._lock:
            self._faults.append(fault)
        return fault

    def replace(self, bodies: list[object]) -> None:
        """Put these in the place of all others, or change nothing.

        :raises ValueError: one of them is not a fault.
        """
        new = [read_fault(body, next(self._ids)) for body in bodies]
        with self._lock:
            self._faults = new

    def remove(self, fault_id: int) -> bool:
        """Remove one; False if it is not there (any more)."""
        with self._lock:
            before = len(self._faults)
            self._faults = [each for each in self._faults if each.id != fault_id]
            return len(self._faults) < before

    def take(self, method: str, pattern: str, path: str) -> Fault | None:
        """Use up one occurrence of the first fault meant for this call."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(method, pattern, path):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._faults.remove(fault)
                return fault
        return None
