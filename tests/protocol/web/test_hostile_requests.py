"""Requests that no browser makes, sent to the app as it is served: each gets an answer that blames the sender."""

import socket

import pytest
from flask import Flask

from tests.support.apps import GunicornSite

pytestmark = pytest.mark.sqlite_only

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
ODD = {
    "a chunk without a size": (b"POST /login", FORM + CHUNKED, b"zz\r\n"),
    "a chunk that does not end": (b"POST /login", FORM + CHUNKED, b"4\r\nemailxx\r\n0\r\n\r\n"),
    "a callback of broken chunks": (b"POST /bunq/hook/guessed", CHUNKED, b"-1\r\n"),
    "parts without a boundary": (b"POST /login", b"Content-Type: multipart/form-data\r\nContent-Length: 2\r\n", b"ab"),
    "a form that is no UTF-8": (b"POST /login", FORM + b"Content-Length: 12\r\n", b"email=%ff%00"),
    "more than anybody sends": (b"POST /login", FORM + b"Content-Length: 99999999999\r\n", b"email="),
    "a NUL in the address": (b"GET /c/a%00b", b"", b""),
    "an address that is no UTF-8": (b"GET /c/%ff%fe?next=%ff", b"", b""),
    "headers that are no UTF-8": (b"GET /c/x", b"User-Agent: \xff\r\nCookie: \xff=\xfe; bunqflask_login=\xff\r\n", b""),
}
ANSWERS = {
    "a NUL in the address": 410,
    "an address that is no UTF-8": 410,
    "headers that are no UTF-8": 410,
    "more than anybody sends": 413,
}


def send(site: GunicornSite, start: bytes, headers: bytes, body: bytes) -> bytes:
    port = int(site.url.rpartition(":")[2])
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(start + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + b"\r\n" + body)
        try:
            while received := connection.recv(65_536):
                answer += received
        except ConnectionResetError:
            pass  # what was sent and not read
    return answer


def test_an_odd_request_is_answered_and_is_no_mistake_of_ours(gunicorn_app: GunicornSite) -> None:
    gunicorn_app.start(workers=1, threads=2)
    for kind, request in ODD.items():
        head, _, page = send(gunicorn_app, *request).partition(b"\r\n\r\n")
        assert int(head.split()[1]) == ANSWERS.get(kind, 400), (kind, head)
        assert b"Content-Security-Policy: default-src 'none'" in head, kind
        assert b"<h1" in page, kind
    assert "Traceback" not in gunicorn_app.log


def test_no_header_moves_the_app_to_another_path(gunicorn_app: GunicornSite) -> None:
    gunicorn_app.start(workers=1, threads=2)
    for header in (b"SCRIPT_NAME: /foo", b"PATH_INFO: /readyz", b"Script-Name: /foo", b"REMOTE_USER: robin"):
        head, _, page = send(gunicorn_app, b"GET /login", header + b"\r\n", b"").partition(b"\r\n\r\n")
        assert head.split()[1] == b"200", (header, head)
        assert b"/foo" not in page, header


def test_the_access_log_holds_no_query_and_no_secret_of_an_address(gunicorn_app: GunicornSite, app: Flask) -> None:
    gunicorn_app.start("--access-logfile", "-", workers=1, threads=2)
    begins = [rule.rule.split("<")[0] for rule in app.url_map.iter_rules() if "<token>" in rule.rule]
    assert {"/c/", "/bunq/hook/"} <= set(begins)
    for begin in begins:
        send(gunicorn_app, f"GET {begin}token-of-somebody?q=iban".encode(), b"", b"")
    for path in (
        "/oauth/callback?code=bunqs-code&state=ours",
        "/payments?q=therapist",
        "/login?next=/payments%3Fq=doctor",
    ):
        send(gunicorn_app, f"GET {path}".encode(), b"Referer: http://localhost/payments?q=clinic\r\n", b"")
    gunicorn_app.stop()
    log = gunicorn_app.log
    for begin in begins:
        assert f"GET {begin}*** HTTP/1.1" in log
    assert "GET /oauth/callback HTTP/1.1" in log
    for secret in ("token-of", "iban", "bunqs-code", "ours", "therapist", "doctor", "clinic"):
        assert secret not in log, secret
