"""A bank with a long history: the stand-in, whose lists of accounts and payments come from an invented history.

The stand-in itself keeps everything it lists in a database, and can give one account of each person a long past.
Here any number of accounts has one, of any length, at once. Consents, sessions and all else are the stand-in's own.

Environment: BENCH_PAYMENTS (how many), BENCH_PEOPLE (of how many bunq users, four accounts each), BENCH_NEWEST.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from werkzeug.test import run_wsgi_app

from bunqflask.sandbox import Settings
from bunqflask.sandbox import create_app as create_stand_in
from tests.bench.history import ACCOUNTS_EACH, Account, Entry, History, accounts_of
from tests.support.bank import JODI

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ACCOUNTS = re.compile(r"/v1/user/\d+/monetary-account")
_PAYMENTS = re.compile(r"/v1/user/\d+/monetary-account/(\d+)/payment")
_PAGE_SIZE = 10


@dataclass(frozen=True)
class _Answer:
    body: bytes
    status: str
    headers: list[tuple[str, str]]


class HistoryBank:
    """The stand-in with other lists, signed by a key of its own."""

    def __init__(self, stand_in: WSGIApplication, history: History, owners: Mapping[int, int]) -> None:
        self._stand_in = stand_in
        self._history = history
        # the user who owns an account of the stand-in's: the user in a path may be the one of an access token
        self._owners = owners
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _answer(self, environ: WSGIEnvironment) -> _Answer:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        found = _PAYMENTS.fullmatch(path)
        if method == "GET" and found and self._has(int(found[1])):
            page = self._payments(path, int(found[1]), parse_qs(environ.get("QUERY_STRING", "")))
            return self._signed(page, "200 OK", [("Content-Type", "application/json"), ("X-Bunq-Server-Signature", "")])
        body, status, headers = run_wsgi_app(self._stand_in, environ, buffered=True)
        data, listed = b"".join(body), list(headers)
        if status.startswith("200"):
            if method == "POST" and path == "/v1/installation":
                data = self._with_our_key(data)
            elif method == "GET" and _ACCOUNTS.fullmatch(path):
                data = self._with_our_accounts(data)
        return self._signed(data, status, listed)

    def _has(self, account_id: int) -> bool:
        return any(account.id == account_id for account in self._history.accounts)

    def _payments(self, path: str, account_id: int, asked: dict[str, list[str]]) -> bytes:
        count = min(200, int(asked.get("count", [str(_PAGE_SIZE)])[0]))
        below, above = (int(asked[name][0]) if name in asked else None for name in ("older_id", "newer_id"))
        page = self._history.page(account_id, below=below, above=above, count=count)
        more = bool(page) and bool(self._history.page(account_id, below=page[-1].id, above=None, count=1))
        older = f"{path}?count={count}&older_id={page[-1].id}" if more else None
        newest = page[0].id if page else 0
        pages = {"future_url": f"{path}?count={count}&newer_id={newest}", "newer_url": None, "older_url": older}
        return _json({"Response": [{"Payment": shape(each)} for each in page], "Pagination": pages})

    def _with_our_key(self, data: bytes) -> bytes:
        answer = json.loads(data)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for each in answer["Response"]:
            if "ServerPublicKey" in each:
                each["ServerPublicKey"]["server_public_key"] = public.decode()
        return _json(answer)

    def _with_our_accounts(self, data: bytes) -> bytes:
        answer = json.loads(data)
        [(wrapper, shape), *_] = answer["Response"][0].items()
        owned = accounts_of(self._owners[shape["id"]])
        answer["Response"] = [{wrapper: self._account(shape, each)} for each in owned]
        return _json(answer)

    def _account(self, shape: dict[str, Any], account: Account) -> dict[str, Any]:
        alias = {"type": "IBAN", "value": account.iban, "name": account.name}
        balance = {"currency": "EUR", "value": _decimal(self._history.balances.get(account.id, 0))}
        return {**shape, "id": account.id, "description": account.name, "alias": [alias], "balance": balance}

    def _signed(self, body: bytes, status: str, headers: list[tuple[str, str]]) -> _Answer:
        names = {name.lower() for name, _value in headers}
        kept = [pair for pair in headers if pair[0].lower() not in ("content-length", "x-bunq-server-signature")]
        kept.append(("Content-Length", str(len(body))))
        if "x-bunq-server-signature" in names:
            signature = self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())
            kept.append(("X-Bunq-Server-Signature", base64.b64encode(signature).decode()))
        return _Answer(body, status, kept)


def create_app() -> HistoryBank:
    """Return the bank as a WSGI application, as the environment describes it."""
    stand_in = create_stand_in(Settings(rate_limits="off"))
    client = stand_in.test_client()
    known = {user["id"] for user in client.get("/__sandbox/state").get_json()["users"]}
    for _ in range(int(os.environ["BENCH_PEOPLE"]) - 1):
        client.post("/v1/sandbox-user-person", json={})
    users = client.get("/__sandbox/state").get_json()["users"]
    owners = {account["id"]: user["id"] for user in users for account in user["accounts"]}
    people = [JODI, *(user["id"] for user in users if user["id"] not in known)]
    newest = datetime.fromisoformat(os.environ["BENCH_NEWEST"])
    return HistoryBank(stand_in, History(int(os.environ["BENCH_PAYMENTS"]), people, newest), owners)


def shape(entry: Entry) -> dict[str, Any]:
    """Return a payment as bunq words it: https://doc.bunq.com/api-reference/payment."""
    moment = f"{entry.at:%Y-%m-%d %H:%M:%S.%f}"
    other = {"iban": entry.iban, "display_name": entry.name, "country": "NL", "is_light": None}
    own = {"iban": entry.account.iban, "display_name": entry.account.name, "country": "NL", "is_light": None}
    return {
        "id": entry.id,
        "created": moment,
        "updated": moment,
        "monetary_account_id": entry.account.id,
        "amount": {"currency": "EUR", "value": _decimal(entry.cents)},
        "description": entry.text,
        "type": entry.type,
        "merchant_reference": None,
        "alias": own,
        "counterparty_alias": other,
        "attachment": [],
        "geolocation": None,
        "batch_id": None,
        "scheduled_id": None,
        "address_billing": None,
        "address_shipping": None,
        "sub_type": "PAYMENT",
        "payment_auto_allocate_instance": None,
        "request_reference_split_the_bill": [],
        "balance_after_mutation": {"currency": "EUR", "value": _decimal(entry.balance_cents)},
    }


def _decimal(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


assert len(accounts_of(1)) == ACCOUNTS_EACH
