"""A client of bunq's API that does no more than list payments: the yardstick for what fetching alone takes."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.bank import Bank

PAGE_SIZE = 200
_PATIENCE_S = 60.0


class Customer:
    """A bunq user with a session of an own API key.

    https://doc.bunq.com/basics/authentication
    """

    def __init__(self, bank: Bank, user_id: int) -> None:
        self._bank, self._user_id = bank, user_id
        self._client = requests.Session()
        self._client.trust_env = False
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        answer = self._client.post(f"{bank.control_url}/keys", json={"user_id": user_id}, timeout=_PATIENCE_S)
        answer.raise_for_status()
        secret = answer.json()["api_key"]
        installation = self._token(self._post("installation", {"client_public_key": public.decode()}))
        device = {"description": f"bench {uuid.uuid4()}", "secret": secret, "permitted_ips": ["*"]}
        self._post("device-server", device, installation)
        self._session = self._token(self._post("session-server", {"secret": secret}, installation))

    def payments(self, account_id: int) -> list[dict[str, Any]]:
        """Fetch all payments of an account, newest first, and parse them; nothing else."""
        found: list[dict[str, Any]] = []
        older: str | None = f"/v1/user/{self._user_id}/monetary-account/{account_id}/payment?count={PAGE_SIZE}"
        while older:
            answer = self._client.get(self._bank.origin + older, headers=self._headers(), timeout=_PATIENCE_S)
            answer.raise_for_status()
            page = json.loads(answer.content)
            found += (each["Payment"] for each in page["Response"])
            older = page["Pagination"]["older_url"]
        return found

    def account_ids(self) -> list[int]:
        """Return the accounts of this user that have payments to list."""
        url = f"{self._bank.api_url}user/{self._user_id}/monetary-account?count={PAGE_SIZE}"
        answer = self._client.get(url, headers=self._headers(), timeout=_PATIENCE_S)
        answer.raise_for_status()
        return [shape["id"] for each in answer.json()["Response"] for shape in each.values()]

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _headers(self) -> dict[str, str]:
        return {
            "Cache-Control": "no-cache",
            "X-Bunq-Language": "en_US",
            "X-Bunq-Region": "nl_NL",
            "X-Bunq-Geolocation": "0 0 0 0 000",
            "X-Bunq-Client-Request-Id": str(uuid.uuid4()),
            "X-Bunq-Client-Authentication": self._session,
        }

    def _post(self, path: str, payload: dict[str, Any], token: str = "") -> Any:
        body = json.dumps(payload).encode()
        signature = base64.b64encode(self._key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
        headers = {
            "Content-Type": "application/json",
            "X-Bunq-Client-Request-Id": str(uuid.uuid4()),
            "X-Bunq-Client-Authentication": token,
            "X-Bunq-Client-Signature": signature,
        }
        answer = self._client.post(self._bank.api_url + path, data=body, headers=headers, timeout=_PATIENCE_S)
        answer.raise_for_status()
        return answer.json()["Response"]

    def _token(self, objects: list[dict[str, Any]]) -> str:
        return next(str(each["Token"]["token"]) for each in objects if "Token" in each)
