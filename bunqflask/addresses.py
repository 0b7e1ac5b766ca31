"""Addresses in settings, in the one form in which browsers and bunq write them: both compare letter for letter."""

import ipaddress
import re
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"


class NotPlain(ValueError):
    """Not an address for a setting. The text says why, and repeats nothing of it: it may hold a password."""


def plain(text: str) -> str:
    """Return an http(s) address with a lower-case host, without a default port and without a slash at its end.

    https://url.spec.whatwg.org/#url-serializing

    :raises NotPlain: it has another scheme, no usable host, or more than scheme, host, port and path.
    """
    # An address is printable throughout: Python's parser would silently leave out a line break.
    if not re.fullmatch(r"[!-~]+", text):
        raise NotPlain("write a host such as münchen.example as xn--mnchen-3ya.example, and no spaces")
    if re.search(r"[?#@\\]", text):
        raise NotPlain("leave out user name, query and fragment")
    try:
        parts = urlsplit(text)
        name, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise NotPlain("its host or port cannot be read") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise NotPlain("begin with http:// or https://")
    host = _host(name)
    if port == 0:
        raise NotPlain("0 is not a port that others can open")
    path = parts.path.rstrip("/")
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*", path):
        raise NotPlain("the path may have letters, digits and . _ ~ - between single slashes")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{path}"


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine by its very name."""
    name = (host or "").lower()
    try:
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Tell whether an IP address is one by which the internet knows a machine."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def _host(name: str) -> str:
    """Return a host as browsers write it.

    :raises NotPlain: it is neither a name nor the address of one machine.
    """
    name = name.lower().removesuffix(".")
    # Browsers take a name that ends in a number, such as 127.1, for an address.
    if ":" in name or re.search(r"(^|\.)(\d+|0x[0-9a-f]*)$", name):
        try:
            address = ipaddress.ip_address(name)
        except ValueError as error:
            raise NotPlain("its host is neither a name nor an IP address") from error
        if address.is_unspecified or "%" in name:
            raise NotPlain("its host must be one that browsers can open, not all addresses of a machine")
        return f"[{address}]" if address.version == 6 else str(address)
    if not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name):
        raise NotPlain("its host is neither a name nor an IP address")
    return name
