"""bunq's rate limits, counted in rolling windows.

https://doc.bunq.com/basics/rate-limits
"""

from __future__ import annotations

import threading
from collections import deque

from bunqflask.sandbox.bank.wire import Refusal

# Per address and endpoint: (calls, seconds). DELETE is not documented; it is counted like PUT here.
CLASSIC = {"GET": (3, 3), "POST": (5, 3), "PUT": (2, 3), "DELETE": (2, 3)}
CLASSIC_SESSION = (1, 30)

# The newer page gives ranges; the lower end is taken. The number for setup calls is a third party's.
NEW_DATA = (70, 30)
NEW_SECURITY = (3, 60)
NEW_SETUP = (10, 86400)
SETUP_CALLS = frozenset({"installation", "device-server", "session-server", "payment-service-provider-credential"})
SECURITY_CALLS = frozenset({"credential-password-ip", "ip", "certificate-pinned"})


class Limiter:
    """Counts the calls that were let through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], deque[float]] = {}

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._seen.clear()

    def check(self, rule: str, *, address: str, device: str, method: str, pattern: str, now: float) -> None:
        """Count a call, or refuse it.

        `rule` is the switch `rate_limits`; `device` is the caller's token, which the newer limits count by;
        `now` is in seconds.

        :raises Refusal: 429 with bunq's text.
        """
        if rule == "off":
            return
        calls, seconds = _limit(rule, method, pattern)
        key = (address if rule == "classic" else device or address, method, pattern)
        with self._lock:
            seen = self._seen.setdefault(key, deque())
            while seen and seen[0] <= now - seconds:
                seen.popleft()
            if len(seen) >= calls:
                raise too_many(calls, seconds)
            seen.append(now)


def too_many(calls: int, seconds: int) -> Refusal:
    """429 with bunq's text, which bunq sends unsigned and without a Retry-After."""
    return Refusal(
        429,
        f"Too many requests. You can do a maximum of {calls} calls per {seconds} second to this endpoint.",
        signed=False,
    )


def classic_limit(method: str, path: str) -> tuple[int, int]:
    """Return (calls, seconds) that an address may make of a call."""
    if (method, last_word(path)) == ("POST", "session-server"):
        return CLASSIC_SESSION
    return CLASSIC.get(method, CLASSIC["GET"])


def _limit(rule: str, method: str, pattern: str) -> tuple[int, int]:
    call = last_word(pattern)
    if rule == "classic":
        return classic_limit(method, pattern)
    if method == "POST" and call in SETUP_CALLS:
        return NEW_SETUP
    if method != "GET" and call in SECURITY_CALLS:
        return NEW_SECURITY
    return NEW_DATA


def last_word(pattern: str) -> str:
    """Return the last fixed part of a path pattern: "payment" for /v1/user/{user_id}/…/payment/{id}."""
    words = [part for part in pattern.split("/") if part and not part.startswith("{")]
    return words[-1] if words else ""
