"""Messages to hosted services by Apprise, an optional package: https://appriseit.com/

An address of Apprise can do more than send. Some lead to programs and devices of this server, many to any host, and an
option behind `?` may name a file of this server that is sent as a template. So the services here are those whose host
is written in Apprise, and their addresses hold names and tokens alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
from typing import Any

from bunqflask.i18n import gettext as _
from bunqflask.services.notices.messages import Text
from bunqflask.services.notices.targets import Answer, NoAnswer, TargetRefused

SERVICES = {
    "discord": "Discord",
    "gchat": "Google Chat",
    "pbul": "Pushbullet",
    "pover": "Pushover",
    "prowl": "Prowl",
    "slack": "Slack",
    "tgram": "Telegram",
}
_MOST_ADDRESS = 1000
_ADDRESS = re.compile(r"([a-z]+)://[A-Za-z0-9_.~@:/#+=-]+")
_TAKEN = 200
# It logs addresses, and those that it does not understand in full.
logging.getLogger("apprise").addFilter(lambda _record: False)


def is_installed() -> bool:
    """Tell whether Apprise can be used."""
    return importlib.util.find_spec("apprise") is not None


def service_of(address: str) -> str:
    """Return the name of the service that an address leads to; the rest of the address is secret."""
    return SERVICES.get(address.partition("://")[0], "?")


def check(address: str) -> None:
    """Make sure that an address leads to one of the services.

    :raises TargetRefused: it does not, or Apprise does not understand it.
    :raises NoAnswer: Apprise is not installed.
    """
    _target(address)


def send(address: str, message: Text) -> Answer:
    """Hand a message over. A service names no id by which it would know a repeat.

    :raises TargetRefused: the address may not be used.
    :raises NoAnswer: the service did not take the message, or Apprise is not installed.
    """
    sender = _apprise().Apprise()
    sender.add(_target(address))
    shown = {"service": service_of(address)}
    if not sender.notify(title=message.subject, body=message.text, body_format="text"):
        raise NoAnswer(_("%(service)s did not take the message. If that goes on, check the address.") % shown)
    return Answer(_TAKEN, _("%(service)s took the message.") % shown)


def _target(address: str) -> Any:
    found = _ADDRESS.fullmatch(address) if len(address) <= _MOST_ADDRESS else None
    if found is None or found[1] not in SERVICES:
        raise TargetRefused(
            _("Write an address of Apprise for one of these, without options: %(services)s.")
            % {"services": ", ".join(sorted(SERVICES.values()))}
        )
    apprise = _apprise()
    target = apprise.Apprise.instantiate(address, asset=apprise.AppriseAsset(app_id="bunqflask", async_mode=False))
    if target is None:
        shown = {"service": SERVICES[found[1]]}
        raise TargetRefused(_("Apprise does not understand this address of %(service)s.") % shown)
    # A message that is too long for the service goes out as several; no answer leads to another host.
    target.overflow_mode, target.redirects = apprise.OverflowMode.SPLIT, False
    return target


def _apprise() -> Any:
    if not is_installed():
        raise NoAnswer(_("Apprise is not installed. The person who runs this site can do it: pip install apprise."))
    return importlib.import_module("apprise")
