"""bunq's classic limits, for each address and endpoint; the stricter of the two that its pages print.

https://doc.bunq.com/basics/rate-limits
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bunqflask.bunq.protocol import BunqResponse


@dataclass(frozen=True)
class Limit:
    """So many calls within so many seconds."""

    calls: int
    period_s: float


SESSION_SERVER = "POST session-server"
PAYMENTS = "GET user/#/monetary-account/#/payment"
_BY_METHOD = {"GET": Limit(3, 3.0), "POST": Limit(5, 3.0), "PUT": Limit(2, 3.0), "DELETE": Limit(2, 3.0)}


def limit_for(endpoint: str) -> Limit:
    """Return the limit of an endpoint, named as "METHOD path" with # for every id."""
    if endpoint == SESSION_SERVER:
        return Limit(1, 30.0)
    return _BY_METHOD[endpoint.split(" ", 1)[0]]


class Gate(Protocol):
    """What each call passes before it leaves, so that all workers together keep the limits."""

    def enter(self, endpoint: str) -> None:
        """Wait for this call's turn.

        :raises CallNotAllowedYet: when the turn is further away than the caller may wait.
        """

    def leave(self, endpoint: str, response: BunqResponse | None) -> None:
        """The call that entered has its answer, or will get none."""

    def close(self, endpoint: str, wait_s: float) -> None:
        """bunq refused a call for being too many: hold this endpoint back for so many seconds."""

    def pause(self, wait_s: float) -> bool:
        """Wait before another try; False, at once, when that is longer than the caller may wait."""
