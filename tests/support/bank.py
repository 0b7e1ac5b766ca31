"""The stand-in as tests use it: told over HTTP what to do next, its consent page answered by a person."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from flask import Flask

from bunqflask.sandbox import put_bank
from bunqflask.sandbox.bank.settings import Settings
from bunqflask.sandbox.server import serve
from tests.support.browser import Browser, Page

TIMEOUT_S = 30
# Stand-ins that have served a test; making one costs as much as a few requests.
_idle: list[Flask] = []

JODI = 1864430
"""bunq's user id of the seeded person, Jodi Walker, who has four accounts."""
WALKER_STUDIO = 1864512
"""bunq's user id of the seeded company, which has an account of every type."""


class Bank:
    """A running stand-in, by its address alone, so that it may be a thread or another process."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.api_url = origin + "/v1/"
        self.authorize_url = origin + "/auth"
        self.token_url = origin + "/v1/token"
        self.control_url = origin + "/__sandbox"

    def approve(self, authorize_url: str, *, person: int = JODI, accounts: Sequence[int] | None = None) -> str:
        """Be the person who opens bunq's consent page and accepts; all accounts are shared unless named.

        Returns where bunq sends the browser then; nobody has gone there yet.
        """
        chosen = self.account_ids(person) if accounts is None else accounts
        answered = self._answer(
            authorize_url, person=str(person), account=[str(each) for each in chosen], answer="accept"
        )
        if answered.leaves_for is None:
            raise AssertionError(f"the consent was not accepted: {answered.status} {answered.text}")
        return answered.leaves_for

    def deny(self, authorize_url: str) -> str | None:
        """Be the person who opens bunq's consent page and denies; returns where bunq sends the browser, if anywhere."""
        return self._answer(authorize_url, answer="deny").leaves_for

    def _answer(self, authorize_url: str, **fields: str | list[str]) -> Page:
        browser = Browser(self.origin)
        try:
            browser.get(authorize_url)
            return browser.submit(button=None, action="/phone", **fields)
        finally:
            browser.close()

    def switch(self, **switches: str | int | bool) -> None:
        """Change how it behaves, for example `switch(maintenance=True)`."""
        self._control("PATCH", "switches", switches)

    def fault(self, **fault: Any) -> None:
        """Add a fault, in the words of `POST /__sandbox/faults`."""
        self._control("POST", "faults", fault)

    def seed(self, payments: int, *, account: int) -> None:
        """Give an account a believable history of so many payments."""
        self._control("POST", "seed", {"payments": payments, "account": account})

    def receive(self, account: int, amount: str) -> int:
        """Let money come in from outside; returns the payment's id."""
        order = {"account_id": account, "amount": amount, "name": "Somebody", "description": "just now"}
        payment_id: int = self._control("POST", "payments", order)["payment_id"]
        return payment_id

    def amend(self, payment: int, **said: Any) -> None:
        """Change what is said of a payment: its `description`, or whether it is `listed`."""
        self._control("PATCH", f"payments/{payment}", said)

    def no_faults(self) -> None:
        """Take all faults away."""
        self._control("DELETE", "faults")

    def advance(self, seconds: int) -> None:
        """Move its clock ahead."""
        self._control("POST", "clock", {"advance_s": seconds})

    def revoke(self, user_id: int) -> None:
        """Withdraw every grant of a bunq user, as that person does in the bunq app."""
        self._control("POST", "grants/revoke", {"user_id": user_id})

    def reset(self) -> None:
        """Forget all but the invented people."""
        self._control("POST", "reset")

    def state(self) -> Any:
        """Return what it holds: people, grants, sessions; no secret among it."""
        return self._control("GET", "state")

    def account_ids(self, person: int) -> list[int]:
        """Return the ids of a bunq user's monetary accounts."""
        users = [user for user in self.state()["users"] if user["id"] == person]
        return [account["id"] for user in users for account in user["accounts"]]

    def calls(self, method: str | None = None, path: str = "") -> list[dict[str, Any]]:
        """Return the calls it was sent, oldest first; `path` is a part of the path."""
        calls: list[dict[str, Any]] = self._control("GET", "calls")["calls"]
        return [call for call in calls if method in (None, call["method"]) and path in call["path"]]

    def forget_calls(self) -> None:
        """Count the calls from here on."""
        self._control("DELETE", "calls")

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.control_url}/{path}", json=body, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Left:
    """What a stand-in holds: all that it would find again after a restart, and its log of calls."""

    content: bytes
    calls: list[dict[str, Any]]


class ThreadBank(Bank):
    """A stand-in on a thread of this process, which can be stopped and continued as another has left off."""

    def __init__(self, app: Flask, origin: str) -> None:
        super().__init__(origin)
        self._app = app
        self._at_start = self._version()

    @property
    def is_as_started(self) -> bool:
        """Whether nothing has changed since its start."""
        return self._version() == self._at_start

    def _version(self) -> tuple[int, int]:
        version: tuple[int, int] = self._app.extensions["bank"].store.version()
        return version

    @property
    def settings(self) -> Settings:
        """The settings that it started with."""
        settings: Settings = self._app.extensions["bank"].settings
        return settings

    def read(self) -> Left:
        """Return what another can go on with."""
        bank = self._app.extensions["bank"]
        return Left(bank.store.db.serialize(), bank.calls.entries())

    def go_on(self, left: Left, file: Path) -> None:
        """Start anew with what was read, and keep it in a file from here on."""
        self._app.extensions["bank"].close()
        for each in file.parent.glob(file.name + "*"):
            each.unlink()
        file.write_bytes(left.content)
        bank = put_bank(self._app, replace(self.settings, database=str(file)))
        for call in left.calls:
            bank.calls.add(**{name: fact for name, fact in call.items() if name != "number"})
        self._at_start = self._version()


@contextmanager
def running(listener: socket.socket | None = None, **settings: Any) -> Iterator[ThreadBank]:
    """Serve a fresh stand-in on a thread, in memory; without rate limits unless a setting says otherwise.

    It holds the app to the documentation, also where published clients at bunq live without.
    """
    strict = {"rate_limits": "off", "request_ids_enforced": True, "user_agent_enforced": True}
    app = _idle.pop() if _idle else None
    with serve(Settings(**{**strict, **settings}), listener=listener, app=app) as served:
        yield ThreadBank(served.app, served.origin)
    _idle.append(served.app)
