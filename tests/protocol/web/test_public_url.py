"""PUBLIC_URL is where the app says it is, whatever a request or a proxy says."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from bunqflask.models import LoginThrottle
from tests.support import rows
from tests.support.apps import PASSWORD, ThreadSite, add_member, environ_for, set_up
from tests.support.bank import Bank

pytestmark = pytest.mark.sqlite_only

LIES = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Prefix": "//evil.example",
    "Forwarded": "host=evil.example;proto=gopher",
}


class Proxy:
    """What stands before the app: takes the public address, asks the app where it listens."""

    def __init__(self, site: ThreadSite, public_url: str, *, strips: bool = True, adds: Mapping[str, str] = {}) -> None:
        self._inside, self._public = rows.inner_address(site), public_url
        self._prefix = urlsplit(public_url).path if strips else ""
        self._adds = dict(adds)
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, address: str, **fields: str) -> requests.Response:
        """Send a request as a browser at the public address; cookies are kept by name, redirects not followed."""
        path = address.removeprefix(self._public) if address.startswith("http") else address
        assert not path.startswith("http"), f"{address} is not at {self._public}"
        if address.startswith("http"):
            path = urlsplit(self._public).path + path
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **self._adds}
        if method == "POST":
            headers["Origin"] = "{0.scheme}://{0.netloc}".format(urlsplit(self._public))
        answer = requests.request(
            method,
            self._inside + path.removeprefix(self._prefix),
            headers=headers,
            data=fields or None,
            allow_redirects=False,
            timeout=30,
        )
        self.cookies |= {each.name: each.value or "" for each in answer.cookies}
        for line in answer.raw.headers.getlist("Set-Cookie"):
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer

    def submit(self, page: requests.Response, action: str, **fields: str) -> requests.Response:
        """Send the form of that page whose action ends so."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        target = re.search(rf'action="([^"]*{action})"', page.text)
        assert token is not None
        assert target is not None, page.text
        return self.ask("POST", target[1], csrf_token=token[1], **fields)

    def log_in(self, prefix: str) -> requests.Response:
        """Log Robin in."""
        return self.submit(self.ask("GET", prefix + "/login"), "/login", email="robin@example.com", password=PASSWORD)


@contextmanager
def standing_at(bank: Bank, database_url: str, public_url: str, **settings: str) -> Iterator[ThreadSite]:
    environ: dict[str, Any] = environ_for(bank, database_url, PUBLIC_URL=public_url, **settings)
    with rows.bare_site(database_url, **environ) as site:
        set_up(site.app)
        add_member(site.app, "robin@example.com")
        yield site


@pytest.mark.parametrize("strips", [True, False], ids=["a proxy that strips the subpath", "one that passes it on"])
@pytest.mark.parametrize(
    "setting",
    ["https://geld.example.org/bank", "https://geld.example.org", "HTTPS://Geld.Example.org:443/bank/"],
)
def test_the_whole_path_works_behind_a_proxy(bank: Bank, database_url: str, setting: str, strips: bool) -> None:
    # Browsers write an address in one form only, and bunq compares the redirect letter for letter.
    prefix = urlsplit(setting).path.rstrip("/")
    public_url = f"https://geld.example.org{prefix}"
    with standing_at(bank, database_url, setting) as site:
        proxy = Proxy(site, public_url, strips=strips, adds=LIES)
        assert proxy.ask("GET", prefix + "/").headers["Location"] == prefix + "/login"
        login = proxy.ask("GET", prefix + "/login?next=/settings")
        assert "evil" not in login.text
        for address in re.findall(r'(?:href|src|action|hx-get)="(/[^"]*)"', login.text):
            assert address.startswith(prefix + "/"), address
        entered = proxy.submit(login, "/login", email="robin@example.com", password=PASSWORD)
        assert entered.headers["Location"] == prefix + "/", "the form's own hidden field says where to go"
        kind = "__Secure-" if prefix else "__Host-"
        set_cookies = entered.raw.headers.getlist("Set-Cookie")
        assert {line.partition("=")[0] for line in set_cookies} >= {kind + "bunqflask_login"}
        for line in set_cookies:
            if line.startswith(kind):
                assert {"Secure", "HttpOnly", "SameSite=Lax", f"Path={prefix or '/'}"} <= set(line.split("; ")), line
                assert "Domain" not in line
        started = proxy.submit(proxy.ask("GET", prefix + "/connect"), "/connect")
        waiting = proxy.ask("GET", started.headers["Location"])
        assert f'value="{public_url}/c/' in waiting.text, "the link that is sent to somebody"
        target = proxy.submit(waiting, "/go").headers["Location"]
        asked = parse_qs(urlsplit(target).query)
        assert asked["redirect_uri"] == [public_url + "/oauth/callback"]
        back = proxy.ask("GET", bank.approve(target))
        assert (back.status_code, back.headers["Location"]) == (303, prefix + "/oauth/finish")
        back = proxy.ask("GET", back.headers["Location"])
        assert back.status_code == 303
        assert back.headers["Location"].startswith(prefix + "/connect/")
        connected = proxy.ask("GET", back.headers["Location"])
        assert "Connected: Jodi Walker" in connected.text
        for address in re.findall(r'(?:href|src|action|hx-get|hx-post)="(/[^"]*)"', connected.text):
            assert address.startswith(prefix + "/"), address
        out = proxy.submit(connected, "/logout")
        assert out.headers["Location"] == prefix + "/login"
        (gone,) = [line for line in out.raw.headers.getlist("Set-Cookie") if line.startswith(kind + "bunqflask_login")]
        assert {"Secure", "HttpOnly", "Max-Age=0", f"Path={prefix or '/'}"} <= set(gone.split("; "))


@pytest.mark.parametrize("hops", ["0", "1"])
def test_no_header_moves_the_app_elsewhere(bank: Bank, database_url: str, hops: str) -> None:
    with standing_at(bank, database_url, "http://localhost:5999", TRUSTED_PROXY_HOPS=hops) as site:
        proxy = Proxy(site, "http://localhost:5999", adds={**LIES, "X-Forwarded-For": "203.0.113.7"})
        for path in ("/", "/login", "/nowhere", "/oauth/callback?state=x", "//evil.example", "//evil.example/login"):
            answer = proxy.ask("GET", path)
            told = answer.text + str(answer.headers) if "evil" not in path else answer.headers.get("Location", "")
            assert "//evil.example" not in told, path
            assert "gopher" not in told, path
            assert answer.headers.get("Location", "/login").startswith(("/login", "/oauth/finish")), path
        entered = proxy.log_in("")
        assert entered.headers["Location"] == "/"
        lines = [line for line in entered.raw.headers.getlist("Set-Cookie") if line.startswith("bunqflask_login")]
        assert len(lines) == 1
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(lines[0].split("; "))
        assert "Secure" not in lines[0], "over http a browser would drop it"


@pytest.mark.parametrize(
    ("hops", "forwarded", "counted"),
    [
        ("0", "203.0.113.7", "127.0.0.1"),
        ("1", "203.0.113.7", "203.0.113.7"),
        ("1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("2", "6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("1", "", "127.0.0.1"),
        ("1", "2001:db8::1", "2001:db8::/64"),
    ],
)
def test_tries_are_counted_for_the_address_that_the_nearest_trusted_proxy_names(
    database_url: str, hops: str, forwarded: str, counted: str
) -> None:
    with rows.bare_site(database_url, TRUSTED_PROXY_HOPS=hops) as site:
        proxy = Proxy(site, site.url, adds={"X-Forwarded-For": forwarded, "X-Real-IP": "6.6.6.6"})
        refused = proxy.submit(proxy.ask("GET", "/login"), "/login", email="a@example.com", password="x" * 201)
        assert refused.status_code == 403
        assert rows.count(site.app, LoginThrottle, key="address:" + counted) == 1
        assert rows.count(site.app, LoginThrottle) == 2
