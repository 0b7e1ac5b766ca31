"""Who asks for something: a team member in a browser, or on the command line."""

from __future__ import annotations

from typing import Protocol


class Principal(Protocol):
    """The team member on whose behalf a service acts; such as a `Member` or a `CurrentMember`."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def name(self) -> str: ...
