"""Requests whose HTTP gunicorn cannot read: refused in bunq's shape, and in the log."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bunqflask import devserver

from .test_requests import wait_until

SPANS_LINES = (
    b"GET /v1/user HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: shell\r\n"
    b"X-Bunq-Client-Signature: AAAA\nBBBB\r\nX-Bunq-Client-Authentication: none\r\n\r\n"
)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve a bank under gunicorn, as `make run` does; return its port."""
    monkeypatch.setenv("SANDBOX_DATABASE", ":memory:")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    server = subprocess.Popen(devserver._sandbox_command([f"127.0.0.1:{free}"]), cwd=Path(__file__).parents[3])
    try:
        wait_until(lambda: _answers(free), seconds=60)
        yield free
    finally:
        server.terminate()
        server.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/__sandbox/calls", timeout=20).ok
    except requests.ConnectionError:
        return False


def _sent(port: int, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(raw)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_header_that_spans_lines_is_refused_as_bunq_would_and_logged(port: int) -> None:
    head, _, body = _sent(port, SPANS_LINES).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Content-Type: application/json" in head
    (error,) = json.loads(body)["Error"]
    assert error["error_description"].startswith("The request is not valid HTTP: ")
    (call,) = requests.get(f"http://127.0.0.1:{port}/__sandbox/calls", timeout=20).json()["calls"]
    assert (call["status"], call["verdicts"]["refused"]) == (400, error["error_description"])
    assert call["response_id"] in head.decode()
    # The server goes on.
    assert requests.post(f"http://127.0.0.1:{port}/v1/sandbox-user-person", timeout=20).status_code == 200
