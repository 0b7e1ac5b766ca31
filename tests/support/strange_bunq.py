"""A second bunq, written apart from the stand-in and the client: as legal, and as different as its pages allow.

It shares no code with either, so that what those two agree on by mistake is found here.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

OWNER, HOLDER, GRANT = 5_000_000_001, 7_000_000_042, 9_000_000_099
HOLDER_NAME = 'Ünï & Søn <b>"Holding"</b> B.V.'
ACCOUNTS = 23
MOST_PER_PAGE = 10
CREDENTIALS = "User credentials are incorrect. Incorrect API key or IP address."


@dataclass
class Ways:
    """In what way it is different; each is legal by bunq's pages or seen in a recording."""

    dead_session: Literal["401", "403", "403-dutch"] = "403"
    token_style: Literal["query", "form"] = "query"
    own_installation_for_each_token: bool = False
    one_session_for_each_installation: bool = False
    old_grant: bool = False
    amounts: Literal["text", "number"] = "text"
    last_page: Literal["null", "empty-page", "circle", "missing", "empty-text"] = "null"
    coding: Literal["plain", "gzip", "http-1.0"] = "plain"
    classic_limits: bool = False
    token_state: Literal["missing", "given", "null"] = "missing"


@dataclass
class Call:
    """A call as it came, and the status it got."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Answer:
    """What goes back; `signed` and `wrapped` are how bunq sends most of its answers."""

    status: int
    body: Any
    signed: bool = True
    html: bool = False


class Refused(Exception):
    """bunq says no, in these words."""

    def __init__(self, status: int, words: str, *, signed: bool = True) -> None:
        super().__init__(words)
        self.answer = Answer(status, {"Error": [{"error_description_translated": words, "error_description": words}]})
        if not signed:
            self.answer = Answer(status, self.answer.body, signed=False)


@cache
def own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Bunq:
    """What it knows."""

    ways: Ways = field(default_factory=Ways)
    origin: str = ""
    calls: list[Call] = field(default_factory=list)
    once: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    installations: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    occupied: dict[str, str] = field(default_factory=dict)
    api_keys: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)
    codes: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    clients: list[dict[str, Any]] = field(default_factory=list)
    request_ids: set[str] = field(default_factory=set)
    spent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    lock: threading.RLock = field(default_factory=threading.RLock)
    key: rsa.RSAPrivateKey = field(default_factory=own_key)

    @property
    def routes(self) -> list[Route]:
        """What it answers."""
        return ROUTES

    @property
    def api_url(self) -> str:
        return self.origin + "/v1/"

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings for this bank."""
        return {
            "BUNQ_API_URL": self.api_url,
            "BUNQ_OAUTH_AUTHORIZE_URL": self.origin + "/oauth/auth",
            "BUNQ_OAUTH_TOKEN_URL": self.origin + "/oauth/v1/token",
            "BUNQ_OAUTH_TOKEN_STYLE": self.ways.token_style,
        }

    def approve(self, authorize_url: str) -> str:
        """Be the holder who accepts; returns where the browser is sent."""
        answer = requests.get(authorize_url, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def count(self, method: str, path: str, status: int | None = None) -> int:
        """Count the calls to paths that end so."""
        return sum(
            call.method == method and call.path.endswith(path) and status in (None, call.status) for call in self.calls
        )

    def answer_once(self, call: str, status: int, body: Any, *, signed: bool = False, html: bool = False) -> None:
        """Answer the next call "METHOD last-word" so, instead of doing it."""
        self.once[call].append(Answer(status, body, signed, html))

    def kill_sessions(self) -> None:
        """Let every session end early."""
        self.sessions.clear()
        self.occupied.clear()

    # What the API does, each as (match, headers, body) -> the objects under "Response"

    def install(self, call: Incoming) -> list[Any]:
        pem = call.json["client_public_key"]
        assert pem.startswith("-----BEGIN PUBLIC KEY-----")
        token = secrets.token_hex(32)
        self.installations[token] = serialization.load_pem_public_key(pem.encode())
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return [
            {"ServerPublicKey": {"server_public_key": public.decode()}},
            {"Token": {"updated": _stamp(), "token": token, "id": 2**40}},
            {"Id": {"id": 2**40}},
        ]

    def register(self, call: Incoming) -> list[Any]:
        secret = call.json["secret"]
        if call.token in self.devices:
            raise Refused(400, "A device already exists for the current installation.")
        if secret not in self.api_keys | self.grants:
            raise Refused(400, CREDENTIALS, signed=False)
        one_context = not (self.ways.own_installation_for_each_token or self.ways.one_session_for_each_installation)
        if secret in self.grants and one_context:
            raise Refused(400, CREDENTIALS, signed=False)
        self.devices[call.token] = secret
        return [{"Id": {"id": 17}}]

    def open_session(self, call: Incoming) -> list[Any]:
        self._check_signature(call)
        secret, bound = call.json["secret"], self.devices.get(call.token)
        if secret not in self.api_keys | self.grants or bound is None:
            raise Refused(400, CREDENTIALS, signed=False)
        alone = self.ways.one_session_for_each_installation
        if secret in self.grants and (bound == secret) != self.ways.own_installation_for_each_token and not alone:
            raise Refused(400, CREDENTIALS, signed=False)
        if alone and call.token in self.occupied.values():
            raise Refused(400, "Authentication token already has a user session.", signed=False)
        token = secrets.token_hex(32)
        self.occupied[token] = call.token
        self.sessions[token] = secret
        owner = {"display_name": "Owner", "session_timeout": 604800, "id": OWNER, "tomorrow": [{"a": None}]}
        holder: dict[str, Any] = {"display_name": HOLDER_NAME, "session_timeout": 7200, "id": HOLDER}
        if self.ways.old_grant:
            holder = {"display_name": HOLDER_NAME, "public_nick_name": "Son"}
        asked = {"UserPerson": None, "UserCompany": owner}
        granted = {"UserPerson": None, "UserCompany": holder}
        grant = {"requested_by_user": asked, "granted_by_user": granted, "id": GRANT}
        user = {"UserApiKey": grant} if secret in self.grants else {"UserCompany": owner}
        return [user, {"Token": {"token": token, "id": 3}}, {"Id": {"id": 3}}, {"Extra": None}]

    def close_session(self, call: Incoming) -> list[Any]:
        self.sessions.pop(call.token, None)
        self.occupied.pop(call.token, None)
        return []

    def make_user(self, call: Incoming) -> list[Any]:
        key = "sandbox_" + secrets.token_hex(20)
        self.api_keys.add(key)
        return [{"ApiKey": {"api_key": key}}]

    def make_client(self, _call: Incoming) -> list[Any]:
        if any(client["status"] == "ACTIVE" for client in self.clients):
            raise Refused(400, "You can only have one active OAuth Client registered.")
        self.clients.append(
            {"secret": secrets.token_hex(32), "client_id": secrets.token_hex(32), "callback_url": None}
            | {"status": "ACTIVE", "id": 33_000_000_000 + len(self.clients), "display_name": None, "urls": []}
        )
        return [{"Id": {"id": self.clients[-1]["id"]}}]

    def list_clients(self, _call: Incoming) -> list[Any]:
        cancelled = {"OauthClient": {"id": 1, "status": "CANCELLED", "client_id": None, "secret": None}}
        shown = [{name: value for name, value in client.items() if name != "urls"} for client in self.clients]
        return [cancelled, *({"OauthClient": client} for client in shown)]

    def list_urls(self, _call: Incoming) -> list[Any]:
        return [{"OauthCallbackUrl": {"url": url, "id": number}} for number, url in enumerate(self.clients[0]["urls"])]

    def add_url(self, call: Incoming) -> list[Any]:
        if call.json["url"] in self.clients[0]["urls"]:
            raise Refused(400, "The Callback URL has already been registered for this Client.")
        self.clients[0]["urls"].append(call.json["url"])
        return [{"Id": {"id": 5}}]

    def list_accounts(self, call: Incoming) -> dict[str, Any]:
        if self.sessions.get(call.token) not in self.grants:
            raise Refused(403, "You are not allowed to perform this action.")
        older = int(call.query.get("older_id", 10**12))
        size = min(int(call.query.get("count", 10)), MOST_PER_PAGE)
        numbers = [number for number in range(ACCOUNTS, 0, -1) if number < older][:size]
        shown = [self._account(number) for number in numbers]
        path = urlsplit(call.path).path
        link = f"{path}?count={size}&older_id={numbers[-1] if numbers else 0}"
        pages: Any = {"future_url": "", "newer_url": None, "older_url": link}
        if not numbers or numbers[-1] == 1:
            pages = {
                "null": {"future_url": None, "newer_url": None, "older_url": None},
                "empty-page": pages if numbers else {},
                "circle": {"older_url": f"{path}?count={size}&older_id=14"},
                "missing": None,
                "empty-text": {"older_url": "", "newer_url": "", "future_url": ""},
            }[self.ways.last_page]
        answer: dict[str, Any] = {"Response": shown}
        return {"Pagination": pages, **answer} if pages is not None else answer

    def _account(self, number: int) -> dict[str, Any]:
        wrapper = ["MonetaryAccountBank", "MonetaryAccountGreen", "MonetaryAccountExternalSavings"][number % 3]
        value: Any = f"{-number}" if number % 2 else f"{number}.10"
        if self.ways.amounts == "number":
            value = float(value) if number % 2 == 0 else int(value)
        account = {
            "balance": {"value": value, "currency": "EUR"},
            "alias": None if number % 5 == 0 else [{"type": "IBAN", "value": f"NL00BUNQ{number:010}", "name": "x"}],
            "status": "ACTIVE",
            "updated": ["2026-01-02 03:04:05", "2026-01-02 03:04:05.1", "2026-01-02 03:04:05.123456", None][number % 4],
            "setting": None if number % 7 == 0 else {"color": "#FF7819"},
            "description": f"Rekening {number} / ё",
            "id": number,
            "user_id": HOLDER,
        }
        return {"MonetaryAccountBank": None, wrapper: account} if number % 3 else {wrapper: account}

    def _check_signature(self, call: Incoming) -> None:
        given = call.headers.get("x-bunq-client-signature")
        if given is None:
            raise Refused(466, "Request signature required.")
        try:
            self.installations[call.token].verify(
                base64.b64decode(given), call.body, padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise Refused(401, "The request signature is invalid.", signed=False) from None

    def check_caller(self, call: Incoming, needs: str) -> None:
        """Refuse a call without its token, sent twice, or one too many."""
        request_id = call.headers.get("x-bunq-client-request-id")
        if not call.headers.get("user-agent") or call.headers.get("cache-control") != "no-cache":
            raise Refused(400, "A header is missing.")
        if request_id is not None and request_id in self.request_ids:
            raise Refused(400, "The request id has been used before.")
        self.request_ids.add(request_id or "")
        if self.ways.classic_limits:
            self._count(call)
        if needs == "installation" and call.token not in self.installations:
            raise Refused(401, "Insufficient authorisation.", signed=False)
        if needs == "session" and (call.token not in self.sessions or not self._secret_works(call.token)):
            status, words = {
                "401": (401, "Insufficient authorisation."),
                "403": (403, "Insufficient authentication."),
                "403-dutch": (403, "Onvoldoende authenticatie."),
            }[self.ways.dead_session]
            raise Refused(status, words, signed=False)

    def _secret_works(self, session: str) -> bool:
        return self.sessions[session] in self.api_keys | self.grants

    def _count(self, call: Incoming) -> None:
        pattern = call.method + re.sub(r"/[0-9]+", "/#", urlsplit(call.path).path)
        most, period_s = {"GET": (3, 3), "POST": (5, 3), "DELETE": (2, 3)}[call.method]
        if pattern == "POST/v1/session-server":
            most, period_s = 1, 30
        spent, now = self.spent[pattern], time.monotonic()
        while spent and spent[0] <= now - period_s:
            spent.popleft()
        if len(spent) >= most:
            words = f"Too many requests. You can do a maximum of {most} calls per {period_s} seconds to this endpoint."
            raise Refused(429, words, signed=False)
        spent.append(now)

    # OAuth, on addresses of its own

    def authorize(self, query: dict[str, str]) -> str:
        client = next(client for client in self.clients if client["client_id"] == query["client_id"])
        assert query["response_type"] == "code"
        assert query["redirect_uri"] in client["urls"], "Connection not found"
        code = secrets.token_hex(32)
        self.codes[code] = (query["redirect_uri"], query.get("state"))
        return f"{query['redirect_uri']}?{urlencode({'state': query['state'], 'code': code})}"

    def exchange(self, fields: dict[str, str]) -> dict[str, Any]:
        assert fields.get("grant_type") == "authorization_code"
        client = next((each for each in self.clients if each["client_id"] == fields.get("client_id")), None)
        redirect_uri, state = self.codes.pop(fields.get("code", ""), ("", None))
        if client is None or client["secret"] != fields.get("client_secret"):
            return {"error": "invalid_client", "error_description": "Unknown client."}
        if redirect_uri != fields.get("redirect_uri"):
            return {"error": "invalid_grant", "error_description": "The authorization code is invalid or expired."}
        token = secrets.token_hex(32)
        self.grants.add(token)
        answer: dict[str, Any] = {"token_type": "Bearer", "scope": None, "expires_in": None, "access_token": token}
        if self.ways.token_state != "missing":
            answer["state"] = state if self.ways.token_state == "given" else None
        return answer


@dataclass
class Incoming:
    """One call, taken apart."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, str]

    @property
    def token(self) -> str:
        return self.headers.get("x-bunq-client-authentication", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Route = tuple[str, str, str, Callable[[Any, Incoming], Any]]
AnyBunq = TypeVar("AnyBunq", bound=Bunq)
ROUTES: list[Route] = [
    ("POST", r"/v1/installation", "", Bunq.install),
    ("POST", r"/v1/sandbox-user-(person|company)", "", Bunq.make_user),
    ("POST", r"/v1/device-server", "installation", Bunq.register),
    ("POST", r"/v1/session-server", "installation", Bunq.open_session),
    ("DELETE", r"/v1/session/[0-9]+", "session", Bunq.close_session),
    ("GET", rf"/v1/user/{OWNER}/oauth-client", "session", Bunq.list_clients),
    ("POST", rf"/v1/user/{OWNER}/oauth-client", "session", Bunq.make_client),
    ("GET", rf"/v1/user/{OWNER}/oauth-client/[0-9]+/callback-url", "session", Bunq.list_urls),
    ("POST", rf"/v1/user/{OWNER}/oauth-client/[0-9]+/callback-url", "session", Bunq.add_url),
    ("GET", rf"/v1/user/{GRANT}/monetary-account", "session", Bunq.list_accounts),
]


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for it."""

    bunq: ClassVar[Bunq]

    def setup(self) -> None:
        self.protocol_version = "HTTP/1.0" if self.bunq.ways.coding == "http-1.0" else "HTTP/1.1"
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        parts = urlsplit(self.path)
        call = Incoming(method, self.path, headers, body, dict(parse_qsl(parts.query)))
        with self.bunq.lock:
            if parts.path == "/oauth/auth":
                self._send(302, b"", {"location": self.bunq.authorize(call.query)})
                return
            answer = self._token(call) if parts.path == "/oauth/v1/token" else self._api(call, parts.path)
            self.bunq.calls.append(Call(method, parts.path, answer.status))
            if answer.status == 200 and parts.path in self.bunq.unanswered:
                self.bunq.unanswered.remove(parts.path)
                self.close_connection = True
                return
        self._answer(answer)

    def _token(self, call: Incoming) -> Answer:
        if "content-length" not in call.headers:
            return Answer(411, "<h1>411 Length Required</h1>", signed=False, html=True)
        if planned := self.bunq.once["POST token"]:
            return planned.pop(0)
        if self.bunq.ways.token_style == "query":
            if call.body or "authorization" in call.headers:
                return Answer(400, {"error": "invalid_request", "error_description": "No body expected."}, signed=False)
            fields = call.query
        else:
            fields = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        found = self.bunq.exchange(fields)
        return Answer(400 if "error" in found else 200, found, signed=False)

    def _api(self, call: Incoming, path: str) -> Answer:
        for method, pattern, needs, work in self.bunq.routes:
            if method == call.method and re.fullmatch(pattern, path):
                word = re.sub(r"/[0-9]+", "", path).rpartition("/")[2]
                if planned := self.bunq.once[f"{method} {word}"]:
                    return planned.pop(0)
                try:
                    self.bunq.check_caller(call, needs)
                    found = work(self.bunq, call)
                except Refused as refused:
                    return refused.answer
                body = found if isinstance(found, dict) else {"Response": found}
                return Answer(200, body, signed=word != "installation")
        return Refused(404, "The item you requested could not be found", signed=False).answer

    def _answer(self, answer: Answer) -> None:
        headers = {"x-bunq-client-response-id": secrets.token_hex(8), "content-type": "application/json"}
        if answer.html or isinstance(answer.body, bytes):
            body = answer.body if isinstance(answer.body, bytes) else str(answer.body).encode()
            headers["content-type"] = "text/html" if answer.html else "application/json"
        else:
            body = _write(answer.body)
        if answer.signed:
            signature = self.bunq.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
            headers["x-bunq-server-signature"] = base64.b64encode(signature).decode()
        if self.bunq.ways.coding == "gzip":
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        self._send(answer.status, body, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.bunq.ways.coding != "http-1.0":
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _write(data: Any) -> bytes:
    """Write JSON with odd spaces, escaped slashes and \\u escapes, the spaces by chance of the content."""
    number = hashlib.sha256(repr(data).encode()).digest()[0] % 3
    indent, separators = [(None, (" , ", " :  ")), (3, (",", " : ")), (None, (",", ":"))][number]
    text = json.dumps(data, ensure_ascii=True, indent=indent, separators=separators).replace("/", "\\/")
    return ("\n \t" + text + " \r\n").encode()


def _stamp() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())


@contextmanager
def running(bunq: AnyBunq) -> Iterator[AnyBunq]:
    """Serve it on a thread."""
    handler = type("HandlerOfOne", (Handler,), {"bunq": bunq})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    bunq.origin = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="strange bunq")
    thread.start()
    try:
        yield bunq
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
