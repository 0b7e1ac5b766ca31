"""Nothing in a test run speaks to another machine."""

import ipaddress
import sys
from typing import Any


class NetworkRefused(Exception):
    """A test tried to reach something beyond loopback."""


def stay_on_loopback() -> None:
    """From here on, refuse every name look-up and connection of this process that leaves the machine."""
    sys.addaudithook(_refuse_elsewhere)


def _refuse_elsewhere(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a Unix socket's path
            return
        host = address[0]
    else:
        return
    if not _is_loopback(host):
        raise NetworkRefused(f"a test tried to reach {host!r} ({event})")


def _is_loopback(host: str | bytes | None) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost") or str(name).endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
