"""Who asks for something: a team member in a browser, or the operator on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bunqflask.models.states import TeamRole


class Principal(Protocol):
    """The team member on whose behalf a service acts; such as a `Member` or a `CurrentMember`."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> TeamRole: ...
    @property
    def may_export(self) -> bool: ...


@dataclass(frozen=True)
class Operator:
    """The person with a shell on this server, who may do what an owner may; no team member, so no row has this id."""

    id: int = 0
    email: str = ""
    name: str = "operator"
    role: TeamRole = TeamRole.OWNER
    may_export: bool = True


OPERATOR = Operator()
