"""Requests are signed over the bytes that are sent; answers are believed only as far as their signature goes."""

import base64
import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bunqflask.bunq import errors, protocol
from bunqflask.bunq.protocol import BunqResponse

BASE = "https://api.example/v1/"


def key(number: int = 0) -> rsa.RSAPrivateKey:
    return made(number)


@cache
def made(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(body: bytes, *, by: int = 0, status: int = 200, **headers: str) -> BunqResponse:
    signature = base64.b64encode(key(by).sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
    return BunqResponse(status, {"x-bunq-server-signature": signature, **headers}, body)


def refused(status: int, *words: str, translated: str | None = None) -> errors.RequestRefused:
    items = [{"error_description": word, "error_description_translated": translated or word} for word in words]
    return protocol.refusal(BunqResponse(status, {}, json.dumps({"Error": items}).encode()))


def test_the_signature_is_over_the_exact_bytes_sent() -> None:
    request = protocol.build_request("POST", BASE, request_id="r", token="t", payload={"a": "é/€", "b": 1}, key=key())
    assert request.body is not None
    assert json.loads(request.body) == {"a": "é/€", "b": 1}
    key().public_key().verify(
        base64.b64decode(request.headers["X-Bunq-Client-Signature"]), request.body, padding.PKCS1v15(), hashes.SHA256()
    )


def test_every_documented_header_is_sent() -> None:
    request = protocol.build_request("GET", BASE, request_id="r-1", token="t-1", key=key())
    assert request.body is None
    assert "X-Bunq-Client-Signature" not in request.headers
    assert dict(request.headers) == {
        "Cache-Control": "no-cache",
        "User-Agent": protocol.USER_AGENT,
        "X-Bunq-Language": "en_US",
        "X-Bunq-Region": "nl_NL",
        "X-Bunq-Geolocation": "0 0 0 0 000",
        "X-Bunq-Client-Request-Id": "r-1",
        "X-Bunq-Client-Authentication": "t-1",
    }
    assert "X-Bunq-Client-Authentication" not in protocol.build_request("POST", BASE, request_id="r").headers


def test_neither_request_nor_response_shows_a_secret_in_its_repr() -> None:
    request = protocol.build_request("POST", BASE, request_id="r", token="s3cret", payload={"secret": "s3cret"})
    assert "s3cret" not in repr(request)
    assert "s3cret" not in repr(BunqResponse(200, {}, b"s3cret"))


def test_a_signed_answer_is_read_from_its_raw_bytes() -> None:
    body = b'{ "Response" : [ {"Id":{"id":1}} , null, 5, {"Url":"https:\\/\\/x\\u00e9"} ] }'
    objects, pagination = protocol.read_response(signed(body), server_key=key().public_key())
    assert objects == [{"Id": {"id": 1}}, {}, {}, {"Url": "https://xé"}]
    assert pagination == {}


@pytest.mark.parametrize(
    "signature",
    ["", "x", "AAAA", "sígnature", "=" * 344, base64.b64encode(b"x" * 256).decode(), "\x00"],
)
def test_a_success_with_a_wrong_or_missing_signature_is_not_trusted(signature: str) -> None:
    response = BunqResponse(200, {"x-bunq-server-signature": signature}, b'{"Response":[]}')
    with pytest.raises(errors.ResponseNotTrusted):
        protocol.read_response(response, server_key=key().public_key())


def test_a_success_signed_by_another_key_or_over_other_bytes_is_not_trusted() -> None:
    with pytest.raises(errors.ResponseNotTrusted):
        protocol.read_response(signed(b'{"Response":[]}', by=1), server_key=key().public_key())
    good = signed(b'{"Response":[]}')
    with pytest.raises(errors.ResponseNotTrusted):
        protocol.read_response(BunqResponse(200, good.headers, good.body + b" "), server_key=key().public_key())


def test_an_unsigned_refusal_is_still_told_in_bunqs_words() -> None:
    body = json.dumps({"Error": [{"error_description": "No.", "error_description_translated": "Nee."}]}).encode()
    with pytest.raises(errors.RequestRefused) as refusal:
        protocol.read_response(
            BunqResponse(400, {"x-bunq-client-response-id": "r-9"}, body), server_key=key().public_key()
        )
    assert refusal.value.descriptions == ["No.", "Nee."]
    assert refusal.value.response_id == "r-9"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"Response":{}}', b'{"Response":null}', b"\xff\xfe"]
)
def test_a_signed_answer_of_another_shape_is_not_understood(body: bytes) -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        protocol.read_response(signed(body), server_key=key().public_key())


@pytest.mark.parametrize("pagination", [None, "", [], 5, {"older_url": None}, {"older_url": 5}, {}])
def test_pagination_may_be_null_empty_or_missing(pagination: Any) -> None:
    body = json.dumps({"Response": [], "Pagination": pagination}).encode()
    objects, read = protocol.read_response(signed(body), server_key=key().public_key())
    assert objects == []
    assert isinstance(read, dict)


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (401, "Insufficient authorisation.", errors.CredentialsRejected),
        (401, "", errors.CredentialsRejected),
        (403, "Insufficient authentication.", errors.CredentialsRejected),
        (403, "Insufficient authorisation.", errors.CredentialsRejected),
        (403, "Onvoldoende autorisatie.", errors.CredentialsRejected),
        (403, "Onvoldoende authenticatie.", errors.CredentialsRejected),
        (403, "You are not allowed to perform this action.", errors.PermissionRefused),
        (403, "", errors.PermissionRefused),
        (404, "Monetary account for id 1 not found.", errors.ObjectNotFound),
        (429, "Too many requests.", errors.RateLimited),
        (409, "Conflict.", errors.RateLimited),
        (491, "Maintenance.", errors.BunqUnavailable),
        (500, "", errors.BunqUnavailable),
        (502, "", errors.BunqUnavailable),
        (400, "User credentials are incorrect. Incorrect API key or IP address.", errors.SecretRefused),
        (400, "Something else.", errors.RequestRefused),
        (466, "Request signature required.", errors.RequestRefused),
        (490, "User error.", errors.RequestRefused),
        (302, "", errors.RequestRefused),
    ],
)
def test_a_refusal_is_named_by_its_status_and_words(status: int, words: str, kind: type[Exception]) -> None:
    assert type(refused(status, words)) is kind


@pytest.mark.parametrize("status", [302, 304, 399])
def test_what_is_neither_yes_nor_no_is_not_understood(status: int) -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        protocol.read_response(BunqResponse(status, {}, b""), server_key=key().public_key())


@pytest.mark.parametrize(
    ("words", "wait_s"),
    [
        ("Too many requests. You can do a maximum of 3 calls per 3 second to this endpoint.", 3.0),
        ("Too many requests. You can do a maximum of 1 call per 30 seconds to this endpoint.", 30.0),
        ("Too many requests.", 0.0),
        ("maximum of 3 calls per 999999999 seconds", 60.0),
        ("maximum of 3 calls per " + "9" * 400 + " seconds", 0.0),
    ],
)
def test_the_wait_is_read_from_bunqs_words_and_never_longer_than_a_minute(words: str, wait_s: float) -> None:
    limited = refused(429, words)
    assert isinstance(limited, errors.RateLimited)
    assert limited.wait_s == wait_s


def test_bunqs_words_are_short_few_and_cannot_move_the_cursor() -> None:
    told = refused(400, "\x1b]0;owned\x07", "x" * 10_000, *(f"sentence {number}" for number in range(1_000)))
    assert "\x1b" not in str(told)
    assert "\x07" not in str(told)
    assert len(str(told)) < 4_000
    response = BunqResponse(400, {"x-bunq-client-response-id": "\x1b[2J" + "i" * 9_999}, b"{}")
    assert response.response_id is not None
    assert response.response_id.isprintable()
    assert len(response.response_id) <= 100


@pytest.mark.parametrize(
    "body",
    [b"", b"<h1>502</h1>", b"[" * 100_000, b'{"Error": 5}', b'{"Error": [null, 5, {"error_description": 5}]}', b"\xff"],
)
def test_an_error_without_readable_words_has_none(body: bytes) -> None:
    assert protocol.refusal(BunqResponse(502, {}, body)).descriptions == []


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("/v1/user/1/payment?count=10&older_id=5", {"count": 10, "older_id": 5}),
        ("/v1/user/1/payment?newer_id=5", {"newer_id": 5}),
        ("https://api.example/v1/user/1/payment?older_id=5", {"older_id": 5}),
        # Only the page is taken from it: it cannot lead to another host, path or session.
        ("https://evil.example/v1/user?older_id=5&token=x", {"older_id": 5}),
        ("//evil.example?older_id=5", {"older_id": 5}),
        ("", None),
        (None, None),
    ],
)
def test_of_a_paging_address_only_the_page_is_taken(url: Any, query: dict[str, int] | None) -> None:
    assert protocol.page_query(url) == query


@pytest.mark.parametrize(
    "url",
    [
        "/v1/user/1/payment",
        "/v1/user/1/payment?count=10",
        "/v1/user/1/payment?older_id=-5",
        "/v1/user/1/payment?older_id=\u0661",
        "/v1/user/1/payment?older_id=" + "9" * 5_000,
        "https://[::1/v1?older_id=5",
        "/v1/\ud800",
        5,
        {"older_id": 5},
    ],
)
def test_a_paging_address_that_names_no_page_does_not_end_a_list(url: Any) -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        protocol.page_query(url)


def test_the_public_key_is_of_the_documented_kind_with_one_newline() -> None:
    pem = protocol.public_pem(key())
    assert pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert pem.endswith("-----END PUBLIC KEY-----\n")
    assert not pem.endswith("\n\n")


@pytest.mark.parametrize("pem", ["", "x", "\ud800", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_server_key_that_is_none_is_refused(pem: str) -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        protocol.load_server_key(pem)


def test_a_server_key_of_another_kind_is_refused() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = pem.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(errors.ResponseNotUnderstood):
        protocol.load_server_key(text)


def token(status: int, body: Any) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return protocol.read_token(BunqResponse(status, {}, raw), state="s-1")


@pytest.mark.parametrize("extra", [{}, {"state": "s-1"}, {"state": None}, {"state": "", "expires_in": 1, "scope": []}])
def test_the_access_token_is_read_without_state_and_with_extra_members(extra: dict[str, Any]) -> None:
    assert token(200, {"access_token": "a-1", "token_type": "bearer", **extra}) == "a-1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        5,
        b"<html>",
        b"[" * 5_000,
        {"access_token": None},
        {"access_token": 5},
        {"access_token": "line\r\nbreak"},
        {"access_token": "a", "state": "of another"},
        {"access_token": "a", "state": ["s-1"]},
    ],
)
def test_a_token_answer_of_another_shape_or_consent_is_not_understood(body: Any) -> None:
    with pytest.raises(errors.ResponseNotUnderstood):
        token(200, body)


@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_grant", "error_description": "The authorization code is invalid or expired."},
        {"Error": [{"error_description": "The authorization code is invalid or expired."}]},
    ],
)
def test_a_refused_code_is_told_from_both_shapes_of_error(status: int, body: Any) -> None:
    with pytest.raises(errors.CodeRefused) as refusal:
        token(status, body)
    assert "The authorization code is invalid or expired." in refusal.value.descriptions


@pytest.mark.parametrize(("status", "kind"), [(429, errors.RateLimited), (502, errors.BunqUnavailable)])
def test_a_busy_token_endpoint_is_not_a_refused_code(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        token(status, b"<html>")


def test_a_file_is_believed_only_with_a_signature_over_its_bytes() -> None:
    file = b"%PDF-1.7 \x00\xff not JSON"
    assert protocol.read_content(signed(file), server_key=key().public_key()) == file
    for wrong in (BunqResponse(200, {}, file), signed(file, by=1), BunqResponse(200, signed(b"x").headers, file)):
        with pytest.raises(errors.ResponseNotTrusted):
            protocol.read_content(wrong, server_key=key().public_key())
    with pytest.raises(errors.ResponseNotUnderstood):
        protocol.read_content(signed(b""), server_key=key().public_key())
    for status, refused in ((404, errors.ObjectNotFound), (429, errors.RateLimited), (503, errors.BunqUnavailable)):
        with pytest.raises(refused):
            protocol.read_content(BunqResponse(status, {}, file), server_key=key().public_key())
