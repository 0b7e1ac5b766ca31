"""Which names the sandbox answers to: those of this machine, every numeric address, and those in SANDBOX_HOSTS.

A page on another site can make its own name point to 127.0.0.1 (DNS rebinding). The browser then takes the sandbox for
that site and lets the page read and press everything, but it still sends the site's name as Host.

https://owasp.org/www-community/attacks/DNS_Rebinding
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

# What a proxy adds. Behind one, every visitor seems to come from this machine.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")


def is_ours(host: str, names: Iterable[str]) -> bool:
    """Tell whether a Host header names this sandbox."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in {each.lower() for each in names}:
        return True
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def is_forwarded(headers: Iterable[str]) -> bool:
    """Tell whether a proxy has passed a request on."""
    return bool({each.lower() for each in headers} & {each.lower() for each in _FORWARDED})
