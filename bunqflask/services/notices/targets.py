"""Calling addresses that members chose: only public ones, at the address that was checked, and following none.

A name can resolve to an address inside this server's network, at once or only at its second resolution (DNS rebinding).
So every address to which it resolves is checked, the connection is made to one of those, and no redirect is followed.
Proxies of the environment are not used: they would resolve the name again.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, urlsplit

import urllib3
from flask import current_app
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from bunqflask.bunq.transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, PlainPool, TlsPool
from bunqflask.i18n import gettext as _

MOST_OF_ANSWER = 1024
_MOST_URL = 1000
_BODY_S = 5.0
# With two addresses a call ends before the lease of its delivery does, even if none of them answers.
_MOST_ADDRESSES = 2
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TargetRefused(Exception):
    """An address is not one that may be called; the text says why, for a person, and repeats nothing of it."""


class NoAnswer(Exception):
    """A call brought no answer; the text says why, for a person."""


@dataclass(frozen=True)
class Answer:
    """What a server answered: its status, and the first kilobyte as text."""

    status: int
    text: str


def check(url: str) -> None:
    """Make sure that an address may be called, as far as can be said now; each call checks it again.

    :raises TargetRefused: it may not.
    """
    _resolve(_parts(url))


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send a POST, and return what was answered, whatever its status.

    :raises TargetRefused: the address may not be called.
    :raises NoAnswer: nobody answered in time.
    """
    parts = _parts(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"User-Agent": "bunqflask", "Host": parts.netloc, **headers}
    for address in _resolve(parts)[:_MOST_ADDRESSES]:
        try:
            return _post_to(address, parts, path, body, sent)
        except NewConnectionError:
            continue  # nothing was sent: another of its addresses may be reached
        except (ssl.SSLError, SSLError):
            raise NoAnswer(_("Its TLS certificate is not trusted.")) from None
        except (HTTPError, OSError):
            raise NoAnswer(_("It did not answer in time, or broke off.")) from None
    raise NoAnswer(_("No connection could be made."))


def _post_to(address: _Address, parts: SplitResult, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
    port, host = parts.port, parts.hostname or ""
    pool: urllib3.HTTPConnectionPool
    if parts.scheme == "https":
        pool = TlsPool(
            str(address), port or 443, timeout=timeout, ssl_context=_tls(), server_hostname=host, assert_hostname=host
        )
    else:
        pool = PlainPool(str(address), port or 80, timeout=timeout)
    try:
        response = pool.urlopen(
            "POST", path, body=body, headers=headers, redirect=False, retries=False, preload_content=False
        )
        text, deadline = b"", time.monotonic() + _BODY_S
        while len(text) < MOST_OF_ANSWER and time.monotonic() < deadline:
            chunk = response.read1(MOST_OF_ANSWER)
            if not chunk:
                break
            text += chunk
        response.close()
        return Answer(response.status, text[:MOST_OF_ANSWER].decode("utf-8", "replace"))
    finally:
        pool.close()


@cache
def _tls() -> ssl.SSLContext:
    """Trust what this machine trusts, and what the app ships with: a private authority may sign a server at home."""
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _parts(url: str) -> SplitResult:
    if len(url) > _MOST_URL or not all("!" <= sign <= "~" for sign in url):
        raise TargetRefused(_("That is not an address of the web."))
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise TargetRefused(_("That is not an address of the web.")) from None
    if parts.scheme not in ("https", "http") or not host:
        raise TargetRefused(_("The address must begin with https://."))
    if parts.username is not None or parts.password is not None:
        raise TargetRefused(_("Leave user name and password out of the address."))
    if parts.fragment:
        raise TargetRefused(_("Leave out what follows #."))
    return parts


def _resolve(parts: SplitResult) -> Sequence[_Address]:
    """Return all addresses of a host, each of which may be called."""
    resolved = _addresses_of(parts.hostname or "")
    allowed = [_is_allowed(each) for each in resolved]
    if not all(ok or _is_public(each) for each, ok in zip(resolved, allowed, strict=True)):
        raise TargetRefused(
            _("That address is inside a private network. The person who runs this site can allow it: NOTICE_NETWORKS.")
        )
    if parts.scheme != "https" and not all(allowed):
        raise TargetRefused(_("The address must begin with https://."))
    return list(dict.fromkeys(resolved))


def _addresses_of(host: str) -> list[_Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass  # a name, or a way to write an address that only the resolver knows
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoAnswer(_("Its name is not known.")) from None
    return [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]


def _is_allowed(address: _Address) -> bool:
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = current_app.config["NOTICE_NETWORKS"]
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in networks)


def _is_public(address: _Address) -> bool:
    """Tell whether an address is one of the internet, and does not stand for an IPv4 address that is none."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(each is not None and not _is_public(each) for each in inner):
            return False
        if address in ipaddress.ip_network("64:ff9b::/96") or address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast
