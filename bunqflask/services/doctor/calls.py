"""The log of calls to bunq, for owners."""

from __future__ import annotations

from bunqflask.services import policy
from bunqflask.services.gateway import call_log
from bunqflask.services.gateway.call_log import KEPT, Answered, CallPage
from bunqflask.services.principal import Principal

__all__ = ["KEPT", "Answered", "page_for"]


def page_for(principal: Principal, *, answered: Answered | None = None, below: int | None = None) -> CallPage:
    """Return the newest calls, or those older than the one with an id.

    :raises NotPermitted: the principal is no owner.
    """
    policy.check_can_see_calls(principal)
    return call_log.page(answered=answered, below=below)
