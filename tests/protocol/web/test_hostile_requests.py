"""Requests that no browser makes, sent to the app as it is served: each gets an answer that blames the sender."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
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
    "a callback of broken chunks": 404,  # a stranger's callback is not read
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
        assert b"<h1" in page or (kind, page) == ("a callback of broken chunks", b""), kind
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


@contextmanager
def slow_senders(site: GunicornSite, path: str, count: int) -> Iterator[None]:
    """Open connections whose bodies come a byte at a time."""
    port, connections = int(site.url.rpartition(":")[2]), list[socket.socket]()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.5):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.sendall(b"x")

    for _ in range(count):
        each = socket.create_connection(("127.0.0.1", port), timeout=10)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()
        each.sendall(head + FORM + b"Content-Length: 50000\r\n\r\nx")
        connections.append(each)
    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for each in connections:
            each.close()


def seconds_until_alive(site: GunicornSite) -> float:
    started = time.monotonic()
    assert requests.get(f"{site.url}/healthz", timeout=30).ok
    return time.monotonic() - started


def test_slow_senders_to_bunqs_address_hold_nobody_up(gunicorn_app: GunicornSite) -> None:
    gunicorn_app.start(workers=1, threads=2)
    with slow_senders(gunicorn_app, "/bunq/hook/guessed", 12):
        assert seconds_until_alive(gunicorn_app) < 8


def test_a_slow_form_is_given_up(gunicorn_app: GunicornSite) -> None:
    gunicorn_app.start(workers=1, threads=2)
    with slow_senders(gunicorn_app, "/login", 2):
        time.sleep(1)
        assert seconds_until_alive(gunicorn_app) < 20
    assert "Traceback" not in gunicorn_app.log
