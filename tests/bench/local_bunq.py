"""The stand-in under load: reading a page, opening a session, paying; and the same page in a very long history."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bunqflask.bunq import protocol
from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.transport import Transport
from tests.bench import load
from tests.bench.databases import KEPT
from tests.bench.load import Load
from tests.bench.servers import CLIENTS, ROUND_S, ROUNDS, Asked, Size, StandIn, compare, port_of
from tests.bench.table import Row, at_most, median
from tests.support.bank import JODI, Bank

SMALL, LARGE = 1_000, 1_000_000
PAGES_ASKED = 100
ONE_PROCESS = Size(workers=1)
SUGAR_DADDY = {"type": "EMAIL", "value": "sugardaddy@bunq.com"}
_SEEDING_S = 600


class OpenGate:
    """Lets every call through."""

    def enter(self, endpoint: str) -> None:
        """Wait for nothing."""

    def leave(self, endpoint: str) -> None:
        """Count nothing."""

    def close(self, endpoint: str, wait_s: float) -> None:
        """Stay open."""

    def pause(self, wait_s: float) -> bool:
        """Try nothing twice."""
        return False


@dataclass(frozen=True)
class Customer:
    """Jodi Walker, with a session of her own key: what a client needs to make any call."""

    server: StandIn
    key: Any
    installation_token: str
    api_key: str
    session_token: str
    account: int

    def asks(self, method: str, paths: list[str], *, token: str = "", payload: Any = None) -> Asked:
        """Return calls that can be made again and again, and what the first of them answers."""
        built = protocol.build_request(
            method, "", request_id="", token=token or self.session_token, payload=payload, key=self.key
        )
        # The id of a call may be used once; bunq does not insist on one.
        headers = {name: value for name, value in built.headers.items() if name != "X-Bunq-Client-Request-Id"}
        answer = requests.request(
            method, self.server.bank.api_url + paths[0], headers=headers, data=built.body, timeout=60
        )
        answer.raise_for_status()
        del headers["User-Agent"]
        wire = [load.request(f"/v1/{path}", method=method, headers=headers, body=built.body or b"") for path in paths]
        return Asked(port_of(self.server.url), self.server.pid, wire, answer.content, answer.status_code)

    def newest_page(self) -> Asked:
        """Return the call for the newest 200 payments."""
        return self.asks("GET", [self._payments()])

    def pages_anywhere(self) -> Asked:
        """Return calls for pages of 200 payments all over the history."""
        first = json.loads(self.newest_page().body)["Response"]
        newest, oldest = first[0]["Payment"]["id"], self._oldest()
        step = max(1, (newest - oldest) // PAGES_ASKED)
        return self.asks("GET", [f"{self._payments()}&older_id={each}" for each in range(newest, oldest + 200, -step)])

    def _payments(self) -> str:
        return f"user/{JODI}/monetary-account/{self.account}/payment?count=200"

    def _oldest(self) -> int:
        page = self.asks("GET", [self._payments().replace("count=200", "count=1&newer_id=1")])
        found: int = json.loads(page.body)["Response"][-1]["Payment"]["id"]
        return found


def measure(folder: Path) -> list[Row]:
    """Measure the stand-in under its own gunicorn, beside a view that returns the same bytes."""
    small = _server(folder, folder / "small.sqlite3")
    large = _server(folder, KEPT / f"stand-in-{LARGE}.sqlite3")
    try:
        few, many = _customer(small, SMALL), _customer(large, LARGE)
        opening = few.asks("POST", ["session-server"], token=few.installation_token, payload={"secret": few.api_key})
        one_cent = {"amount": {"value": "0.01", "currency": "EUR"}, "counterparty_alias": SUGAR_DADDY}
        path = f"user/{JODI}/monetary-account/{few.account}/payment"
        paying = few.asks("POST", [path], payload={**one_cent, "description": "a cent"})
        return [
            compare("stand-in: list 200 payments", few.newest_page(), 0.4, folder, ONE_PROCESS),
            compare("stand-in: session-server", opening, None, folder, ONE_PROCESS),
            compare("stand-in: payment create", paying, None, folder, ONE_PROCESS),
            _side_by_side(many.pages_anywhere(), few.pages_anywhere()),
        ]
    finally:
        small.stop()
        large.stop()


def _side_by_side(many: Asked, few: Asked) -> Row:
    """Compare how long a page takes, the two histories in turn."""
    took: list[tuple[Load, Load]] = [(_round(many), _round(few)) for _ in range(ROUNDS)]
    ratio = median([small.per_second / large.per_second for large, small in took])
    rates = [median([each.per_second for each in side]) for side in zip(*took, strict=True)]
    more = f"  ({rates[0]:.0f}/s and {rates[1]:.0f}/s)"
    return at_most(f"stand-in: a page of {LARGE:,} payments against one of {SMALL:,}", ratio, 1.5, more=more)


def _round(asked: Asked) -> Load:
    return load.run(asked.port, asked.wire, seconds=ROUND_S, connections=CLIENTS, status=asked.status)


def _server(folder: Path, database: Path) -> StandIn:
    database.parent.mkdir(parents=True, exist_ok=True)
    server = StandIn(folder, database)
    server.start(workers=1)
    return server


def _customer(server: StandIn, payments: int) -> Customer:
    """Give Jodi Walker's first account its history, unless it is there from an earlier run, and log in for her."""
    bank = server.bank
    bank.switch(rate_limits="off")
    account = bank.account_ids(JODI)[0]
    api_key = _control(bank, "keys", {"user_id": JODI})["api_key"]
    key = protocol.load_private_key(protocol.new_private_key())
    transport = Transport()
    try:
        client = BunqClient(bank.api_url, gate=OpenGate(), transport=transport, key=key)
        installation = client.create_installation(protocol.public_pem(key))
        server_key = protocol.load_server_key(installation.server_public_key)
        client = BunqClient(bank.api_url, gate=OpenGate(), transport=transport, key=key, server_key=server_key)
        client.register_device(installation.token, f"bench {uuid.uuid4()}", api_key)
        session = client.open_session(installation.token, api_key)
    finally:
        transport.close()
    customer = Customer(server, key, installation.token, api_key, session.token, account)
    if len(json.loads(customer.newest_page().body)["Response"]) < 200:
        _control(bank, "seed", {"payments": payments, "account": account})
    return customer


def _control(bank: Bank, path: str, body: Any) -> Any:
    answer = requests.post(f"{bank.origin}/__sandbox/{path}", json=body, timeout=_SEEDING_S)
    answer.raise_for_status()
    return answer.json()
