"""Who asks for something: a team member in a browser, a program with a token, or the operator on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bunqflask.models.states import TeamRole


class Principal(Protocol):
    """The team member on whose behalf a service acts; such as a `Member`, a `CurrentMember` or a `TokenBearer`."""

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


@dataclass(frozen=True, kw_only=True)
class TokenBearer:
    """A program that calls with a token of a team member: it may do at most what the member may do.

    `account_ids` are our ids of the accounts to which the token is narrowed, None where it has all of the member's.
    `is_assistant` tells that the member let an assistant in by a login: the token then works with MCP only.
    """

    id: int
    email: str
    name: str
    role: TeamRole
    may_export: bool
    token_id: int
    scopes: frozenset[str]
    account_ids: frozenset[int] | None = None
    is_assistant: bool = False


@dataclass(frozen=True)
class Operator:
    """The person with a shell on this server, who may do what an owner may; no team member, so no row has this id."""

    id: int = 0
    email: str = ""
    name: str = "operator"
    role: TeamRole = TeamRole.OWNER
    may_export: bool = True


OPERATOR = Operator()
