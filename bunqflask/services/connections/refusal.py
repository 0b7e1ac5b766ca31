"""Who is refused: the permission, or this server; and when a refused permission is lost.

bunq refuses a withdrawn grant and a changed address of the server with the same message. Our own session tells them
apart: if bunq accepts it after the refusal, the grant is what bunq refuses. But a server may have two lines, of which
bunq knows one, and bunq may have a bad minute. So a permission is lost only after refusals hours apart, after each of
which bunq accepted our own session; until then its token is kept, and asked with again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bunqflask import clock
from bunqflask.models import ErrorKind
from bunqflask.models.retry import RefusalState
from bunqflask.services.gateway import installations, retry_policy, sessions
from bunqflask.services.gateway.rate_limiter import RateLimiter

# From the first refusal of the permission to the one with which it is lost, at least.
LOST_AFTER = timedelta(hours=2)


def is_of_permission(refused_at: datetime, limiter: RateLimiter) -> bool:
    """Tell whether bunq refuses the permission, and not this server.

    :raises BunqError: that cannot be found out now.
    :raises NotSetUp: this server is not set up.
    """
    return sessions.own_session_works_since(installations.current(), refused_at, limiter)


def record(row: RefusalState, *, of_permission: bool, wait_s: float | None = None) -> bool:
    """Record who was refused at `refused_at`, within the caller's transaction; True when the permission is lost now.

    :param wait_s: when to ask with the permission again, in seconds, where that is not the usual time.
    """
    if not of_permission:
        # Not the permission's fault: when our own session works again, it is simply tried again.
        row.refused_at = row.refused_since = None
        retry_policy.record_kind(row, ErrorKind.SERVER_REFUSED)
        return False
    refused_at = row.refused_at or clock.now()
    if row.refused_since is None or clock.is_ahead(row.refused_since):
        row.refused_since = refused_at
    if refused_at - row.refused_since >= LOST_AFTER:
        return True
    retry_policy.record_kind(row, ErrorKind.REFUSED_ONCE, wait_s=wait_s)
    return False
