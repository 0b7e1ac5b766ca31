"""Lists of bunq, followed to both their ends: signed bytes in, values out."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bunqflask.bunq.client import BunqClient
from bunqflask.bunq.protocol import BunqRequest, BunqResponse
from bunqflask.bunq.transport import Transport

URL = "http://127.0.0.1:1/v1/"
PATH = "/v1/user/7/monetary-account"


class OpenGate:
    """Lets every call pass."""

    def enter(self, endpoint: str) -> None: ...
    def leave(self, endpoint: str, response: BunqResponse | None) -> None: ...
    def close(self, endpoint: str, wait_s: float) -> None: ...
    def pause(self, wait_s: float) -> bool:
        return False


class MiddleBank(Transport):
    """Signs its answers, and begins its list of accounts in the middle."""

    def __init__(self, ids: list[int], first: slice) -> None:
        super().__init__()
        self.key = rsa.generate_private_key(65537, 2048)
        self.ids, self.first = ids, first
        self.asked: list[dict[str, str]] = []

    def send(self, request: BunqRequest) -> BunqResponse:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        self.asked.append(query)
        shown = self._page(query)
        answer: dict[str, Any] = {"Response": [_account(each) for each in shown], "Pagination": {}}
        if shown and shown[-1] > min(self.ids):
            answer["Pagination"]["older_url"] = f"{PATH}?older_id={shown[-1]}"
        if shown and shown[0] < max(self.ids):
            answer["Pagination"]["newer_url"] = f"{PATH}?newer_id={shown[0]}"
        body = json.dumps(answer).encode()
        signature = self.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        return BunqResponse(200, {"x-bunq-server-signature": base64.b64encode(signature).decode()}, body)

    def _page(self, query: dict[str, str]) -> list[int]:
        newest_first = sorted(self.ids, reverse=True)
        if "older_id" in query:
            return [each for each in newest_first if each < int(query["older_id"])][:2]
        if "newer_id" in query:
            return [each for each in newest_first if each > int(query["newer_id"])][-2:]
        return newest_first[self.first]


def _account(number: int) -> dict[str, Any]:
    balance = {"currency": "EUR", "value": "1.00"}
    return {"MonetaryAccountBank": {"id": number, "description": "", "currency": "EUR", "balance": balance}}


def listed(bank: MiddleBank) -> list[int]:
    client = BunqClient(
        URL,
        gate=OpenGate(),
        transport=bank,
        key=rsa.generate_private_key(65537, 2048),
        server_key=bank.key.public_key(),
    )
    return sorted(each.monetary_account_id for each in client.list_monetary_accounts("token", 7))


def test_a_list_that_begins_in_the_middle_is_followed_to_newer_and_older_ones() -> None:
    bank = MiddleBank(list(range(1, 10)), slice(4, 6))
    assert listed(bank) == list(range(1, 10))
    assert any("newer_id" in each for each in bank.asked)


def test_a_list_that_begins_with_the_newest_is_followed_to_older_ones_alone() -> None:
    bank = MiddleBank(list(range(1, 6)), slice(0, 2))
    assert listed(bank) == list(range(1, 6))
    assert [sorted(each) for each in bank.asked] == [["count"], ["count", "older_id"], ["count", "older_id"]]
