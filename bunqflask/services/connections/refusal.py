"""Who is refused: the permission, or this server.

bunq refuses a withdrawn grant and a changed address of the server with the same message. Our own session tells them
apart: if bunq accepts it after the refusal, the grant is what bunq refuses.
"""

from __future__ import annotations

from datetime import datetime

from bunqflask.services.gateway import installations, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter


def is_of_permission(refused_at: datetime, limiter: RateLimiter) -> bool:
    """Tell whether bunq refuses the permission, and not this server.

    :raises BunqError: that cannot be found out now.
    :raises NotSetUp: this server is not set up.
    """
    return sessions.own_session_works_since(installations.current(), refused_at, limiter)
