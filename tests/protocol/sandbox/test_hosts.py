"""The sandbox answers to its own names alone, so that no web page on another site can use it (DNS rebinding)."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from bunqflask.sandbox.bank.settings import Settings
from bunqflask.sandbox.server import Served, serve

PATHS = (
    "/v1/user",
    "/auth",
    "/__sandbox",
    "/__sandbox/phone",
    "/__sandbox/switches",
    "/static/sandbox.css",
    "/nowhere",
)


@pytest.fixture
def named() -> Iterator[Served]:
    with serve(Settings(hosts=("bank.internal",))) as bank:
        yield bank


def get(bank: Served, path: str, host: str, **headers: str) -> requests.Response:
    return requests.get(bank.origin + path, headers={"Host": host, **headers}, timeout=10, allow_redirects=False)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5001",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "[::1",
        "",
        "bank.internal.x",
    ],
)
def test_another_sites_name_gets_nothing_anywhere(named: Served, host: str) -> None:
    for path in PATHS:
        answer = get(named, path, host)
        assert answer.status_code in (400, 421), path
        assert "Response" not in answer.text, path
    posted = requests.post(f"{named.origin}/__sandbox/payments", json={}, headers={"Host": host}, timeout=10)
    assert posted.status_code in (400, 421)


def test_its_own_names_and_every_numeric_address_are_answered(named: Served) -> None:
    port = urlsplit(named.origin).port
    for host in ("localhost", "127.0.0.1", "[::1]", "192.0.2.7", "bank.internal", "BANK.internal", "app.localhost"):
        for name in (host, f"{host}:{port}"):
            assert get(named, "/static/sandbox.css", name).status_code == 200, name
            assert get(named, "/v1/user", name).json()["Error"], name


def test_control_is_not_open_to_what_a_proxy_passes_on(named: Served) -> None:
    assert get(named, "/__sandbox/switches", "127.0.0.1").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert get(named, "/__sandbox/switches", "127.0.0.1", **{header: "203.0.113.9"}).status_code == 403, header


def test_the_names_come_from_the_environment() -> None:
    assert Settings.from_env({"SANDBOX_HOSTS": " a.lan, b.lan ,"}).hosts == ("a.lan", "b.lan")
    assert Settings.from_env({}).hosts == ()
