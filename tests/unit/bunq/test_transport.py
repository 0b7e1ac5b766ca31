"""The way to bunq: which proxy stands in it, and what a person reads when it does not let us through."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bunqflask.bunq import errors, transport
from bunqflask.bunq.protocol import BunqRequest

REQUEST = BunqRequest("POST", "https://api.bunq.example/v1/installation", {}, b"{}")


@contextmanager
def proxy(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that gives every connection one answer; yields its address and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def name_proxy(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_a_proxy_that_refuses_is_named_without_its_credentials(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    with proxy(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()) as (address, asked):
        name_proxy(monkeypatch, f"http://robin:hush-hush@{address}")
        with transport.Transport() as way, pytest.raises(errors.RequestNotSent) as refused:
            way.send(REQUEST)
    assert asked[0].startswith(b"CONNECT api.bunq.example:443 ")
    assert str(refused.value) == f"no connection to bunq through the proxy {address}: it answers {status[:3]}"


@pytest.mark.parametrize(
    "hidden",
    [
        "http://robin:hush-hush@127.0.0.1:9",
        "robin:hush-hush@127.0.0.1:9",
        "socks5://a:hush@127.0.0.1:9",
        "ftp://a:hush@127.0.0.1:9",
    ],
)
def test_a_proxy_that_is_away_is_named_without_its_credentials(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    name_proxy(monkeypatch, hidden)
    with transport.Transport() as way, pytest.raises(errors.RequestNotSent) as refused:
        way.send(REQUEST)
    assert str(refused.value) == "no connection to bunq through the proxy 127.0.0.1:9"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "bank.localhost", "127.8.8.8", "[::1]"])
def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    with proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as (address, asked):
        name_proxy(monkeypatch, f"http://{address}")
        with transport.Transport() as way, pytest.raises(errors.TransportFailed) as failed:
            way.send(BunqRequest("GET", f"http://{host}:9/v1/user", {}, None))
    assert asked == []
    assert "proxy" not in str(failed.value)
    assert transport.proxy_for(f"http://{host}/v1/") is None


def test_an_address_that_the_environment_leaves_out_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    name_proxy(monkeypatch, "http://proxy.example:3128")
    assert transport.proxy_for("https://api.bunq.example/v1/") == "proxy.example:3128"
    monkeypatch.setenv("no_proxy", "bunq.example")
    assert transport.proxy_for("https://api.bunq.example/v1/") is None
