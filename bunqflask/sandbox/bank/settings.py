"""Settings of the sandbox, and the switches that change its behaviour at run time."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

SwitchValue = str | int | bool

# Ten years: longer than anything at bunq lasts, and short enough for every date made of it.
LONGEST_S = 10 * 365 * 86400


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that is fixed when the sandbox starts, and the switches' first values.

    `database` is a path or ":memory:". `token` opens the control pages to other machines; without it they
    answer on loopback only. `caller_address` is where every call seems to come from; nothing means where it does.
    `hosts` are names that it answers to beside those of this machine and numeric addresses.
    `history` is how many payments lie in the past of a new bank's two main accounts.
    Times ending in `_s` are seconds.
    """

    database: str = ":memory:"
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    history: int = 0

    rate_limits: Literal["classic", "new", "off"] = "classic"
    token_style: Literal["both", "query", "form"] = "both"  # noqa: S105 - not a password
    oauth_variant: Literal["both", "A", "B"] = "both"
    denial: Literal["redirect", "stay"] = "redirect"
    permitted_ips_enforced: bool = False
    request_ids_enforced: bool = False
    user_agent_enforced: bool = False
    second_line_enforced: bool = False
    card_wrapper: Literal["Card", "typed"] = "Card"
    caller_address: str = ""
    session_timeout_s: int = 604800
    code_lifetime_s: int = 600
    reconsent_invalidates: bool = True
    maintenance: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read `SANDBOX_DATABASE`, `SANDBOX_TOKEN`, `SANDBOX_HOSTS`, `SANDBOX_HISTORY` and `SANDBOX_<SWITCH>`.

        A bank for people has a past; one that a test makes has none unless it asks.

        :raises ValueError: a switch has a value it does not know, or the history is no number.
        """
        given: dict[str, Any] = {
            "database": environ.get("SANDBOX_DATABASE") or "instance/sandbox.sqlite3",
            "token": environ.get("SANDBOX_TOKEN") or None,
            "hosts": tuple(name.strip() for name in environ.get("SANDBOX_HOSTS", "").split(",") if name.strip()),
            "history": int(environ.get("SANDBOX_HISTORY") or 300),
        }
        for name in SWITCHES:
            text = environ.get(f"SANDBOX_{name.upper()}")
            if text:
                given[name] = check_switch(name, _from_text(name, text))
        return cls(**given)

    def switches(self) -> dict[str, SwitchValue]:
        """Return the first value of every switch by name."""
        return {name: getattr(self, name) for name in SWITCHES}


# What each switch accepts: a tuple of words, or a type; a text is an address or nothing.
SWITCHES: dict[str, tuple[str, ...] | type[bool] | type[int] | type[str]] = {
    "rate_limits": ("classic", "new", "off"),
    "token_style": ("both", "query", "form"),
    "oauth_variant": ("both", "A", "B"),
    "denial": ("redirect", "stay"),
    "permitted_ips_enforced": bool,
    "request_ids_enforced": bool,
    "user_agent_enforced": bool,
    "second_line_enforced": bool,
    "card_wrapper": ("Card", "typed"),
    "caller_address": str,
    "session_timeout_s": int,
    "code_lifetime_s": int,
    "reconsent_invalidates": bool,
    "maintenance": bool,
}
assert set(SWITCHES) <= {each.name for each in fields(Settings)}


def check_switch(name: str, value: object) -> SwitchValue:
    """Return `value` if the switch `name` accepts it.

    :raises ValueError: no such switch, or not a value of it; the text says what is accepted.
    """
    accepted = SWITCHES.get(name)
    if accepted is None:
        raise ValueError(f"no switch is called {name!r}; there are: {', '.join(SWITCHES)}")
    if accepted is bool:
        if isinstance(value, bool):
            return value
        raise ValueError(f"{name} is true or false, not {value!r}")
    if accepted is int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LONGEST_S:
            return value
        raise ValueError(f"{name} is a whole number of seconds from 1 to {LONGEST_S}, not {value!r}")
    if accepted is str:
        if isinstance(value, str) and _is_address_or_nothing(value):
            return value
        raise ValueError(f"{name} is an address like 203.0.113.9, or nothing, not {value!r}")
    assert isinstance(accepted, tuple)
    if isinstance(value, str) and value in accepted:
        return value
    raise ValueError(f"{name} is one of {', '.join(accepted)}, not {value!r}")


def _is_address_or_nothing(text: str) -> bool:
    try:
        return text == "" or bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _from_text(name: str, text: str) -> SwitchValue:
    """Return the value that `text` spells in an environment variable or a form."""
    accepted = SWITCHES[name]
    if accepted is bool:
        return {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}.get(text.lower(), text)
    if accepted is int and text.isdecimal():
        return int(text)
    return text


def switch_from_text(name: str, text: str) -> SwitchValue:
    """Return the checked value that `text` spells for the switch `name`.

    :raises ValueError: no such switch, or not a value of it.
    """
    if name not in SWITCHES:
        return check_switch(name, text)
    return check_switch(name, _from_text(name, text))
