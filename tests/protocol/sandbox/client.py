"""A plain bunq client of the tests' own: requests, cryptography and what bunq's pages say."""

from __future__ import annotations

import base64
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from bunqflask.sandbox.server import Served
from tests.support.bank import Bank

JODI, COMPANY, SUGAR_DADDY = 1864430, 1864512, 1800001
MAIN, SECOND, CAR, MEDICAL = 2083712, 2083715, 2083719, 2083721
CALLBACK = "http://localhost:5000/oauth/callback"


@cache
def client_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Return one of a few key pairs, made once for all tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """Return the public half as PEM."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def sign(key: rsa.RSAPrivateKey, body: bytes) -> str:
    """Return the signature as bunq wants it."""
    return base64.b64encode(key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed_by(server_pem: str, body: bytes, signature: str) -> bool:
    """Tell whether the bank's key signed these bytes."""
    key = serialization.load_pem_public_key(server_pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(base64.b64decode(signature), body, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


class Client:
    """One installation at the bank. Signs what must be signed, verifies what comes back."""

    def __init__(self, bank: Served | Bank, *, key_number: int = 0) -> None:
        self.bank = bank
        self.key = client_key(key_number)
        self.installation_token = ""
        self.server_key = ""
        self.session_token: str | None = None
        self.user_id = 0
        self.user: dict[str, Any] = {}

    # Plain calls.

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        signed: bool | str = True,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        address: str | None = None,
    ) -> requests.Response:
        """Make a call and check the answer's signature if it carries one."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent = {"User-Agent": "tests", "Cache-Control": "no-cache", "X-Bunq-Client-Request-Id": str(uuid.uuid4())}
        token = token if token is not None else self.session_token or self.installation_token
        if token:
            sent["X-Bunq-Client-Authentication"] = token
        if signed is True:
            sent["X-Bunq-Client-Signature"] = sign(self.key, content)
        elif signed:
            sent["X-Bunq-Client-Signature"] = signed
        sent.update(headers or {})
        url = (
            path if path.startswith("http") else f"{self.bank.origin}{path if path.startswith('/v1') else '/v1' + path}"
        )
        with requests.Session() as session:
            if address:
                session.mount("http://", SourceAdapter(address))
            answer = session.request(method, url, data=content or None, headers=sent, timeout=20)
        if self.server_key and "X-Bunq-Server-Signature" in answer.headers:
            assert is_signed_by(self.server_key, answer.content, answer.headers["X-Bunq-Server-Signature"])
        return answer

    def ok(self, method: str, path: str, body: Any = None, **how: Any) -> list[dict[str, Any]]:
        """Make a call that must succeed and be signed; return the objects."""
        answer = self.call(method, path, body, **how)
        assert answer.status_code == 200, answer.text
        assert "X-Bunq-Server-Signature" in answer.headers
        objects: list[dict[str, Any]] = answer.json()["Response"]
        return objects

    def get(self, path: str, **how: Any) -> list[dict[str, Any]]:
        """GET that must succeed."""
        return self.ok("GET", path, **how)

    def one(self, path: str, wrapper: str) -> dict[str, Any]:
        """GET one object and return what is under its wrapper."""
        (item,) = self.get(path)
        assert list(item) == [wrapper]
        inner: dict[str, Any] = item[wrapper]
        return inner

    def create(self, path: str, body: Any = None, **how: Any) -> int:
        """POST that must answer an id."""
        (item,) = self.ok("POST", path, body, **how)
        id: int = item["Id"]["id"]
        return id

    def refused(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, str]:
        """Make a call that must be refused; return status and text."""
        answer = self.call(method, path, body, **how)
        (error,) = answer.json()["Error"]
        assert set(error) == {"error_description", "error_description_translated"}
        return answer.status_code, error["error_description"]

    # The steps of a bunq client.

    def install(self) -> Client:
        """Make an installation."""
        answer = self.call("POST", "/installation", {"client_public_key": public_pem(self.key)}, token="", signed=False)
        assert answer.status_code == 200, answer.text
        items = {name: value for item in answer.json()["Response"] for name, value in item.items()}
        self.installation_token = items["Token"]["token"]
        self.server_key = items["ServerPublicKey"]["server_public_key"]
        return self

    def register(self, secret: str, **more: Any) -> int:
        """Make a device."""
        body = {"description": "tests", "secret": secret, **more}
        return self.create("/device-server", body, token=self.installation_token)

    def open_session(self, secret: str) -> Client:
        """Open a session and use it from here on."""
        items = self.ok("POST", "/session-server", {"secret": secret}, token=self.installation_token)
        merged = {name: value for item in items for name, value in item.items()}
        self.session_token = merged["Token"]["token"]
        (wrapper,) = set(merged) - {"Id", "Token"}
        self.user = {wrapper: merged[wrapper]}
        self.user_id = merged[wrapper]["id"]
        return self

    def start(self, secret: str) -> Client:
        """Do all three steps."""
        self.install()
        self.register(secret)
        return self.open_session(secret)


class SourceAdapter(requests.adapters.HTTPAdapter):
    """Calls from a chosen address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Bind before connecting."""
        super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))


def new_api_key(bank: Served, kind: str = "person") -> str:
    """Make a sandbox user and return its key."""
    answer = Client(bank).call("POST", f"/sandbox-user-{kind}", signed=False)
    assert answer.status_code == 200, answer.text
    key: str = answer.json()["Response"][0]["ApiKey"]["api_key"]
    return key


def new_user(bank: Served, kind: str = "person") -> Client:
    """Make a sandbox user with an open session."""
    return Client(bank).start(new_api_key(bank, kind))


def key_of(bank: Served | Bank, user_id: int) -> str:
    """Make an API key for a seeded user, as that person would in the bunq app."""
    key: str = control(bank, "POST", "/keys", {"user_id": user_id})["api_key"]
    return key


def session_of(bank: Served | Bank, user_id: int) -> Client:
    """Open a session with a seeded user's own key."""
    return Client(bank).start(key_of(bank, user_id))


def control(bank: Served | Bank, method: str, path: str, body: Any = None) -> Any:
    """Tell the sandbox something; it must agree."""
    answer = requests.request(method, f"{bank.control_url}{path}", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


class App:
    """An app with an OAuth client, and its users' consents."""

    def __init__(self, owner: Client, callback: str = CALLBACK) -> None:
        self.owner = owner
        self.bank = owner.bank
        self.callback = callback
        path = f"/user/{owner.user_id}/oauth-client"
        self.number = owner.create(path, {})
        owner.create(f"{path}/{self.number}/callback-url", {"url": callback})
        shown = owner.one(f"{path}/{self.number}", "OauthClient")
        self.client_id, self.secret = shown["client_id"], shown["secret"]

    def authorize_url(self, **changes: Any) -> str:
        """Return the address a browser is sent to."""
        asks = {"response_type": "code", "client_id": self.client_id, "redirect_uri": self.callback, "state": "s1"}
        asks = {name: value for name, value in {**asks, **changes}.items() if value is not None}
        return f"{self.bank.authorize_url}?{urlencode(asks)}"

    def ask(self, **changes: Any) -> str:
        """Open the consent page and return the request's uuid."""
        page = requests.get(self.authorize_url(**changes), timeout=20)
        assert page.status_code == 200
        found = re.search(r'data-request="([0-9a-f-]{36})"', page.text)
        assert found
        return found[1]

    def answer(self, asked: str, person: int = JODI, accounts: list[int] | None = None, how: str = "accept") -> None:
        """Answer on the phone."""
        chosen = [MAIN, SECOND, CAR, MEDICAL] if accounts is None else accounts
        form = [("person", str(person)), ("answer", how), *(("account", str(each)) for each in chosen)]
        answer = requests.post(f"{self.bank.authorize_url}/{asked}/phone", data=form, timeout=20)
        assert answer.status_code == 200, answer.text

    def come_back(self, asked: str) -> dict[str, str]:
        """Follow the browser back to the app; return what it brings."""
        answer = requests.get(f"{self.bank.authorize_url}/{asked}", allow_redirects=False, timeout=20)
        assert answer.status_code == 303
        target = urlsplit(answer.headers["Location"])
        assert f"{target.scheme}://{target.netloc}{target.path}" == self.callback.partition("?")[0]
        return dict(parse_qsl(target.query))

    def consent(self, person: int = JODI, accounts: list[int] | None = None) -> str:
        """Go through the whole consent; return the code."""
        asked = self.ask()
        self.answer(asked, person, accounts)
        return self.come_back(asked)["code"]

    def parameters(self, code: str, **changes: str) -> dict[str, str]:
        """Return the token call's parameters."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "client_id": self.client_id,
            "client_secret": self.secret,
            **changes,
        }

    def exchange(self, code: str) -> str:
        """Return the access token for a code."""
        answer = requests.post(self.bank.token_url, params=self.parameters(code), timeout=20)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def connect(self, person: int = JODI, accounts: list[int] | None = None) -> Client:
        """Go all the way to an OAuth session on the app's own installation."""
        return self.session(self.exchange(self.consent(person, accounts)))

    def session(self, access_token: str) -> Client:
        """Open an OAuth session on the app's own installation."""
        client = Client(self.bank)
        client.key = self.owner.key
        client.installation_token, client.server_key = self.owner.installation_token, self.owner.server_key
        return client.open_session(access_token)


def certificate(common_name: str, key: rsa.RSAPrivateKey) -> str:
    """Make a self-signed certificate as a PSD2 party uses in the sandbox."""
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.COUNTRY_NAME, "NL")]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()
