"""What a page says when something went wrong: one shape for a whole error page and for a note on a card."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way on from a problem: a link (`get`) or a button (`post`)."""

    label: str
    url: str
    method: Literal["get", "post"] = "get"
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What happened, what to do, who can do it; `facts` are folded away and hold no secret."""

    title: str
    lead: str
    status: int
    happened: str = ""
    todo: list[str] = field(default_factory=list)
    who: str = ""
    reference: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
