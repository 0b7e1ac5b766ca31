"""Pure protocol: builds and signs a request, verifies and reads a response. No I/O, no clock.

https://doc.bunq.com/basics/authentication/signing
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bunqflask import invisible
from bunqflask.bunq import errors
from bunqflask.bunq.untrusted import read_json, split_json

USER_AGENT = "bunqflask/1.0"
_KEY_BITS = 2048
_DEAD_SESSION = (
    "insufficient authentication",
    "insufficient authorisation",
    "onvoldoende autorisatie",
    "onvoldoende authenticatie",
)
_PAGING = ("count", "older_id", "newer_id")
_WHOLE = re.compile(r"[0-9]{1,18}")
_TOKEN = re.compile(r"[!-~]{1,4000}")
_SECRET_REFUSED = "user credentials are incorrect"  # noqa: S105 - bunq's text, not a secret
_INSTALLATION_TAKEN = "already has a user session"
_LONGEST_ID = 100
_LONGEST_WORDS = 300
_MOST_SENTENCES = 10
# bunq's longest period is 30 seconds, and this message comes unsigned.
_LONGEST_WAIT_S = 60.0
_LIMIT_WORDS = re.compile(r"maximum of (\d+) calls? per (\d{1,9}) second", re.IGNORECASE)


@dataclass(frozen=True)
class FileContent:
    """A file as the body of a request; bunq wants a description of it, in ASCII."""

    media_type: str
    description: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class BunqRequest:
    """A request, ready to be sent as it stands."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    def __repr__(self) -> str:
        return f"BunqRequest({self.method} {self.url})"


@dataclass(frozen=True)
class BunqResponse:
    """A response as received: header names in lower case, the body untouched."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def response_id(self) -> str | None:
        """bunq's own reference, which its support asks for."""
        given = self.headers.get("x-bunq-client-response-id")
        return invisible.remove(given)[:_LONGEST_ID] if given else None

    def __repr__(self) -> str:
        return f"BunqResponse({self.status}, {self.response_id})"


def new_private_key() -> str:
    """Make the RSA 2048 key pair of an installation; return the private half as PEM (PKCS#8)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def load_private_key(pem: str, *, is_ours: bool = False) -> rsa.RSAPrivateKey:
    """Read a private RSA key from PEM; one that we made or checked before (`is_ours`) is not checked again.

    :raises ValueError: when it is not one.
    """
    # The check costs more than all the rest of a call, and a stored key cannot have been changed: it is sealed.
    key = serialization.load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=is_ours)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def load_server_key(pem: str) -> rsa.RSAPublicKey:
    """Read bunq's public key from PEM.

    :raises ResponseNotUnderstood: when it is not an RSA key.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise errors.ResponseNotUnderstood("bunq's server key is not a public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise errors.ResponseNotUnderstood("bunq's server key is not an RSA key")
    return key


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """Return the public half as PEM (SubjectPublicKeyInfo), ending in exactly one newline."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def sign(key: rsa.RSAPrivateKey, data: bytes) -> str:
    """Sign bytes with RSASSA-PKCS1-v1_5 and SHA-256; base64 without line breaks."""
    return base64.b64encode(key.sign(data, padding.PKCS1v15(), hashes.SHA256())).decode()


def build_request(
    method: str,
    url: str,
    *,
    request_id: str,
    token: str | None = None,
    payload: Any = None,
    key: rsa.RSAPrivateKey | None = None,
) -> BunqRequest:
    """Build a request with all documented headers; its body is serialised once, and those bytes signed.

    :param payload: what is sent as JSON, or a `FileContent` as it is.

    https://doc.bunq.com/basics/headers
    """
    headers = {
        "Cache-Control": "no-cache",
        "User-Agent": USER_AGENT,
        "X-Bunq-Language": "en_US",
        "X-Bunq-Region": "nl_NL",
        "X-Bunq-Geolocation": "0 0 0 0 000",
        "X-Bunq-Client-Request-Id": request_id,
    }
    body = None
    if token is not None:
        headers["X-Bunq-Client-Authentication"] = token
    if isinstance(payload, FileContent):
        body = payload.data
        headers |= {"Content-Type": payload.media_type, "X-Bunq-Attachment-Description": payload.description}
    elif payload is not None:
        body = json.dumps(payload, separators=(",", ":")).encode()
        headers["Content-Type"] = "application/json"
    if body is not None and key is not None:
        headers["X-Bunq-Client-Signature"] = sign(key, body)
    return BunqRequest(method, url, headers, body)


def list_url(base_url: str, path: str, **query: int | str) -> str:
    """Join a path to the API's base, with paging parameters and filters."""
    return base_url + path + (f"?{urlencode(query)}" if query else "")


def page_query(paging_url: Any) -> dict[str, int] | None:
    """Read from an address in "Pagination" which page it leads to; None without an address.

    Nothing else is taken from it: host and path are those of the list, so that it cannot lead away from there.

    :raises ResponseNotUnderstood: it names no page, so that the list would end too early.

    https://doc.bunq.com/basics/pagination
    """
    if paging_url in (None, ""):
        return None
    try:
        given = dict(parse_qsl(urlsplit(paging_url).query)) if isinstance(paging_url, str) else {}
    except ValueError:
        given = {}
    found = {name: int(text) for name, text in given.items() if name in _PAGING and _WHOLE.fullmatch(text)}
    if not found.keys() - {"count"}:
        raise errors.ResponseNotUnderstood("a paging address names no page")
    return found


def verify(response: BunqResponse, server_key: rsa.RSAPublicKey) -> None:
    """Check bunq's signature over the exact bytes of a response.

    :raises ResponseNotTrusted: when it is missing or not bunq's.
    """
    given = response.headers.get("x-bunq-server-signature")
    if not given:
        raise errors.ResponseNotTrusted("bunq's answer carries no signature", response.response_id)
    try:
        signature = base64.b64decode("".join(given.split()), validate=True)
        server_key.verify(signature, response.body, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature) as error:
        raise errors.ResponseNotTrusted("bunq's answer carries a wrong signature", response.response_id) from error


def read_response(
    response: BunqResponse, *, server_key: rsa.RSAPublicKey | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the objects under "Response", in bunq's order, and the "Pagination" members.

    Without `server_key` nothing is verified: only the answer to `POST installation`, which brings that
    key, and to the making of a sandbox user, which comes before it, are read so.

    What is no object comes as an empty one: a page of such is not the empty page that ends a list.

    :raises ResponseNotTrusted: a success without bunq's signature over these exact bytes.
    :raises ResponseNotUnderstood: a success of another shape, or a status that bunq has no use for here.
    :raises RequestRefused: an answer of 400 or above; the subclass says which.
    """
    if response.status >= 400:
        raise refusal(response)
    if not 200 <= response.status < 300:
        raise _not_understood(f"bunq answered with {response.status}, which is neither yes nor no", response)
    if server_key is not None:
        verify(response, server_key)
    data = _json(response)
    objects = data.get("Response") if isinstance(data, dict) else None
    if not isinstance(objects, list):
        raise _not_understood("bunq's answer has no Response", response)
    pagination = data.get("Pagination")
    return (
        [item if isinstance(item, dict) else {} for item in objects],
        pagination if isinstance(pagination, dict) else {},
    )


def read_items(
    response: BunqResponse, *, server_key: rsa.RSAPublicKey
) -> tuple[list[dict[str, bytes]], dict[str, Any]]:
    """Return what `read_response` does, but what stands under each object's names as JSON: for long lists.

    :raises BunqError: as `read_response` does.
    """
    if 200 <= response.status < 300:
        verify(response, server_key)
        try:
            items, pagination = split_json(response.body)
        except ValueError:
            pass  # not as it should be: the slower way says what of it can be read
        else:
            return items, pagination if isinstance(pagination, dict) else {}
    objects, around = read_response(response, server_key=server_key)
    return [{name: json.dumps(data).encode() for name, data in item.items()} for item in objects], around


def read_content(response: BunqResponse, *, server_key: rsa.RSAPublicKey) -> bytes:
    """Return the bytes of a file. bunq signs the body alone, so what its headers say of the file is not believed.

    :raises ResponseNotTrusted: a success without bunq's signature over these exact bytes.
    :raises ResponseNotUnderstood: a success without content.
    :raises RequestRefused: any other status; the subclass says which.

    https://doc.bunq.com/api-reference/attachment
    """
    if not 200 <= response.status < 300:
        raise refusal(response)
    verify(response, server_key)
    if not response.body:
        raise _not_understood("bunq's answer is empty", response)
    return response.body


def read_token(response: BunqResponse, *, state: str) -> str:
    """Return the access token from the token endpoint's answer, which is neither wrapped nor signed.

    :raises CodeRefused: the exchange was refused, in OAuth's shape of error or bunq's.
    :raises ResponseNotUnderstood: no token in it, or the state of another consent.
    :raises RequestRefused: limited or out of order.

    https://doc.bunq.com/oauth/handle-the-authorization-code
    """
    if not 200 <= response.status < 300:
        refused = refusal(response)
        if type(refused) in (errors.RateLimited, errors.BunqUnavailable):
            raise refused
        raise _code_refused(response, refused.descriptions)
    data = _json(response)
    if not isinstance(data, dict):
        data = {}
    if "error" in data or "Error" in data:
        raise _code_refused(response, _descriptions(response))
    token = data.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise errors.ResponseNotUnderstood(
            "the token endpoint sent no access token",
            status=response.status,
            response_id=response.response_id,
        )
    if data.get("state") not in (None, "", state):
        raise errors.ResponseNotUnderstood(
            "the token belongs to another consent", status=response.status, response_id=response.response_id
        )
    return token


def refusal(response: BunqResponse) -> errors.RequestRefused:
    """Name what an error answer means, by its status first and bunq's message second."""
    messages = _descriptions(response)
    kind = _refusal_kind(response.status, " ".join(messages).casefold())
    refused = kind(response.status, messages, response.response_id)
    if isinstance(refused, errors.RateLimited):
        refused.wait_s = _wait(messages)
    return refused


def _refusal_kind(status: int, messages: str) -> type[errors.RequestRefused]:
    if status == 401 or (status == 403 and any(text in messages for text in _DEAD_SESSION)):
        return errors.CredentialsRejected
    if status == 403:
        return errors.PermissionRefused
    if status == 404:
        return errors.ObjectNotFound
    if status in (429, 409):
        return errors.RateLimited
    if status == 491 or status >= 500:
        return errors.BunqUnavailable
    if status in (400, 490) and _SECRET_REFUSED in messages:
        return errors.SecretRefused
    if status == 400 and _INSTALLATION_TAKEN in messages:
        return errors.InstallationTaken
    return errors.RequestRefused


def _wait(messages: list[str]) -> float:
    for sentence in messages:
        if found := _LIMIT_WORDS.search(sentence):
            return min(float(found[2]), _LONGEST_WAIT_S)
    return 0.0


def _code_refused(response: BunqResponse, messages: list[str]) -> errors.CodeRefused:
    refused = errors.CodeRefused(response.status, messages, response.response_id)
    try:
        data = read_json(response.body)
    except ValueError:
        data = None
    if isinstance(data, dict) and isinstance(data.get("error"), str):
        refused.error = invisible.remove(data["error"])[:60]
    return refused


def _descriptions(response: BunqResponse) -> list[str]:
    """Read bunq's messages from both shapes of error; an HTML page has none."""
    try:
        data = read_json(response.body)
    except ValueError:
        return []
    if not isinstance(data, dict):
        return []
    items = data.get("Error")
    messages = [
        item[name]
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
        for name in ("error_description", "error_description_translated")
        if isinstance(item.get(name), str)
    ]
    messages += [data[name] for name in ("error", "error_description") if isinstance(data.get(name), str)]
    # The translation often repeats the message: each sentence once, none of them long.
    return list(
        dict.fromkeys(invisible.remove(sentence)[:_LONGEST_WORDS].strip() for sentence in messages[:_MOST_SENTENCES])
    )


def _json(response: BunqResponse) -> Any:
    try:
        return read_json(response.body)
    except ValueError as error:
        raise _not_understood("bunq's answer is not JSON", response) from error


def _not_understood(text: str, response: BunqResponse) -> errors.ResponseNotUnderstood:
    return errors.ResponseNotUnderstood(text, status=response.status, response_id=response.response_id)
