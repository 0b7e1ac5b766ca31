"""The app behind the proxies that the documents show: real programs, real requests, with TLS."""

from __future__ import annotations

import http.client
import re
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import urllib3

from tests.support import documents, proxies
from tests.support.apps import GunicornSite, environ_for, reserve_port
from tests.support.bank import Bank

pytestmark = pytest.mark.sqlite_only

# Longer than gunicorn keeps a connection by itself, and than the two seconds between two looks of a waiting page.
IDLE_S = 3.0
SECRET = "what-nobody-may-read"
MOST_BYTES = 12 * 1024 * 1024


def free_port() -> int:
    with reserve_port() as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def app_behind(bank: Bank, database_url: str, tmp_path: Path) -> Iterator[GunicornSite]:
    """The app at the address of the documents; where gunicorn listens is its `url`."""
    inside = {"PUBLIC_URL": f"http://127.0.0.1:{free_port()}", "TRUSTED_PROXY_HOPS": "1"}
    site = GunicornSite(environ_for(bank, database_url, **inside), tmp_path / "gunicorn.log")
    site.environ = {**site.environ, "PUBLIC_URL": f"https://{proxies.NAME}"}
    site.start(workers=1)
    yield site
    site.kill()


@pytest.fixture(params=["nginx", "caddy"])
def visitor(
    request: pytest.FixtureRequest, app_behind: GunicornSite, tmp_path: Path
) -> Iterator[urllib3.HTTPSConnectionPool]:
    """One connection to the app through a proxy as the documents configure it."""
    program = documents.needed(request.param)
    [block] = documents.blocks_in("nginx" if request.param == "nginx" else "caddyfile")
    text = block.text.replace("127.0.0.1:5000", app_behind.url.removeprefix("http://"))
    port = free_port()
    if request.param == "nginx":
        inside = {"80": f"127.0.0.1:{free_port()}", "[::]:80": f"unix:{tmp_path}/80.sock"}
        listens = {**inside, "443": f"127.0.0.1:{port}", "[::]:443": f"unix:{tmp_path}/443.sock"}
        path = proxies.write_nginx(text, tmp_path, listens)
        command = [program, "-e", "stderr", "-p", str(tmp_path), "-c", str(path), "-g", "daemon off;"]
    else:
        proxies.make_certificate(tmp_path)
        here = f"\tbind 127.0.0.1\n\ttls {tmp_path}/fullchain.pem {tmp_path}/privkey.pem\n"
        text = text.replace(f"{proxies.NAME} {{\n", f"{proxies.NAME} {{\n{here}")
        text = f"{{\n\tadmin off\n\tauto_https disable_redirects\n\thttps_port {port}\n}}\n{text}"
        path = proxies.write_caddyfile(text, tmp_path, documents.caddy_version(program))
        command = [program, "run", "--adapter", "caddyfile", "--config", str(path)]
    with proxies.running(command, tmp_path, port) as pool:
        yield pool


def log_in(visitor: urllib3.HTTPSConnectionPool, **headers: str) -> urllib3.BaseHTTPResponse:
    """Try a wrong password, as a browser does; after a pause on the same connection."""
    page = visitor.request("GET", "/login")
    assert page.status == 200
    token = re.search(rb'name="csrf_token" value="([^"]+)"', page.data)
    assert token is not None
    cookies = "; ".join(line.partition(";")[0] for line in page.headers.getlist("Set-Cookie"))
    connections = visitor.num_connections
    time.sleep(IDLE_S)
    form = urlencode({"csrf_token": token[1].decode(), "email": "a@example.com", "password": "wrong password"})
    typed = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://{proxies.NAME}"}
    sent = {"Host": proxies.NAME, "Cookie": cookies, **typed, **headers}
    answer = visitor.request("POST", "/login", body=form, headers=sent)
    assert visitor.num_connections == connections, "the connection was kept"
    return answer


def test_a_form_reaches_the_app_over_a_kept_connection_and_the_visitor_is_known(
    visitor: urllib3.HTTPSConnectionPool, app_behind: GunicornSite
) -> None:
    refused = log_in(visitor, **{"X-Forwarded-For": "203.0.113.7", "SCRIPT_NAME": "/evil", "X-Forwarded-Host": "evil"})
    assert refused.status == 403
    assert b"evil" not in refused.data
    [line] = [line for line in app_behind.log.splitlines() if '"kind":"login_refused"' in line]
    assert '"address":"127.0.0.1"' in line, "the address that the proxy saw, not one that the visitor claims"
    sent_back = visitor.request("GET", "/", redirect=False)
    assert (sent_back.status, sent_back.headers["Location"]) == (302, "/login")


def test_the_log_of_the_proxy_has_no_secret_of_an_address(visitor: urllib3.HTTPSConnectionPool, tmp_path: Path) -> None:
    referer = {"Host": proxies.NAME, "Referer": f"https://{proxies.NAME}/payments?q={SECRET}"}
    for address in (
        f"/login?next={SECRET}",
        f"/c/{SECRET}",
        f"/welcome/{SECRET}?{SECRET}",
        f"/password/{SECRET}",
        f"/sheets/{SECRET}/payments.csv",
        f"/calendars/{SECRET}/renewals.ics",
    ):
        assert visitor.request("GET", address, headers=referer).status < 500
    visitor.request("POST", f"/bunq/hook/{SECRET}", body=b"{}")
    log = tmp_path / "bunqflask.log"
    deadline = time.monotonic() + 10
    while "/bunq/hook/***" not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.1)
    written = log.read_text(encoding="utf-8")
    assert [
        path
        for path in ("/login", "/c/***", "/welcome/***", "/password/***", "/sheets/***", "/calendars/***")
        if path not in written
    ] == []
    assert SECRET not in written


def test_a_body_that_no_form_has_is_refused(visitor: urllib3.HTTPSConnectionPool) -> None:
    # Caddy 2.6 reports the limit that the body ran into as a server that is away.
    assert visitor.request("POST", "/login", body=b"x" * (MOST_BYTES + 1)).status in (413, 502)
    assert visitor.request("GET", "/healthz").status == 200


def test_nginx_leads_from_http_to_https(app_behind: GunicornSite, tmp_path: Path) -> None:
    program = documents.needed("nginx")
    [block] = documents.blocks_in("nginx")
    port, plain = free_port(), free_port()
    listens = {"80": f"127.0.0.1:{plain}", "443": f"127.0.0.1:{port}"}
    sockets = {f"[::]:{number}": f"unix:{tmp_path}/{number}.sock" for number in listens}
    text = block.text.replace("127.0.0.1:5000", app_behind.url.removeprefix("http://"))
    path = proxies.write_nginx(text, tmp_path, {**listens, **sockets})
    command = [program, "-e", "stderr", "-p", str(tmp_path), "-c", str(path), "-g", "daemon off;"]
    with proxies.running(command, tmp_path, port):
        answer = urllib3.request(
            "GET", f"http://127.0.0.1:{plain}/login", headers={"Host": proxies.NAME}, redirect=False
        )
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{proxies.NAME}/login")


def test_gunicorn_keeps_a_connection_for_longer_than_a_waiting_page_waits(app_behind: GunicornSite) -> None:
    connection = http.client.HTTPConnection(app_behind.url.removeprefix("http://"), timeout=30)
    for _ in range(2):
        connection.request("GET", "/healthz")
        with connection.getresponse() as answer:
            assert answer.read() == b"ok\n"
        opened = connection.sock
        time.sleep(IDLE_S)
    connection.request("POST", "/reports", body="[]", headers={"Content-Type": "application/reports+json"})
    with connection.getresponse() as answer:
        assert answer.status < 500
    assert connection.sock is opened
    connection.close()


def test_the_proxies_close_connections_before_gunicorn_does() -> None:
    kept_s: int = runpy.run_path(str(documents.ROOT / "gunicorn.conf.py"))["keepalive"]
    [caddyfile] = documents.blocks_in("caddyfile")
    [closed_s] = re.findall(r"keepalive (\d+)s", caddyfile.text)
    assert int(closed_s) < kept_s
    # Without an upstream block nginx opens a connection for each request.
    assert not re.search(r"upstream|keepalive", "".join(block.text for block in documents.blocks_in("nginx")))
    serve = (documents.ROOT / "docs/how-to/serve.md").read_text(encoding="utf-8")
    assert f"idle connection for {kept_s} seconds" in serve
