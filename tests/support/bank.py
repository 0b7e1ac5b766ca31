"""The stand-in as tests use it: told over HTTP what to do next, its consent page answered by a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from bunqflask.sandbox.server import serve
from bunqflask.sandbox.settings import Settings

TIMEOUT_S = 30

JODI = 1864430
"""bunq's user id of the seeded person."""


class Bank:
    """A running stand-in, by its address alone, so that it may be a thread or another process."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.api_url = origin + "/v1/"
        self.authorize_url = origin + "/auth"
        self.token_url = origin + "/v1/token"

    def switch(self, **switches: str | int | bool) -> None:
        """Change how it behaves, for example `switch(maintenance=True)`."""
        self._control("PATCH", "switches", switches)

    def fault(self, **fault: Any) -> None:
        """Add a fault, in the words of `POST /__sandbox/faults`."""
        self._control("POST", "faults", fault)

    def no_faults(self) -> None:
        """Take all faults away."""
        self._control("DELETE", "faults")

    def advance(self, seconds: int) -> None:
        """Move its clock ahead."""
        self._control("POST", "clock", {"advance_s": seconds})

    def revoke(self, user_id: int) -> None:
        """Withdraw every grant of a bunq user, as that person does in the bunq app."""
        self._control("POST", "grants/revoke", {"user_id": user_id})

    def state(self) -> Any:
        """Return what it holds: people, grants, sessions; no secret among it."""
        return self._control("GET", "state")

    def calls(self, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        """Return the calls it was sent, oldest first; `path` is a part of the path pattern."""
        answer = self._control("GET", "calls")
        calls: list[dict[str, Any]] = answer["calls"] if isinstance(answer, dict) else answer
        return [
            call
            for call in calls
            if (method is None or call["method"] == method) and (path is None or path in call["path"])
        ]

    def forget_calls(self) -> None:
        """Count the calls from here on."""
        self._control("DELETE", "calls")

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.origin}/__sandbox/{path}", json=body, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def running(**settings: Any) -> Iterator[Bank]:
    """Serve a fresh stand-in on a thread, in memory; without rate limits unless a setting says otherwise."""
    with serve(Settings(**{"rate_limits": "off", **settings})) as served:
        yield Bank(served.origin)
