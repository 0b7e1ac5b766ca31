"""Who stands before the door: a browser that asks for a login."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A browser as a request shows it; `browser_token` is from the cookie by which it is known again."""

    address: str
    user_agent: str
    browser_token: str = field(default="", repr=False)

    def facts(self) -> dict[str, Any]:
        """Return what a notice says about it."""
        return {"browser": self.user_agent[:300], "address": self.address[:64]}
